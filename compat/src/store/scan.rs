//! Walking the key space: `SCAN` to its end. Slow on large databases, so only for upkeep.

use super::{Cmd, Reply, Store, StoreError};

/// Keys looked at per step.
const STEP: i64 = 500;

/// A walk over the keys that match a pattern, step by step. A step may be empty; a key may come twice.
#[derive(Debug)]
pub struct Scan {
    pattern: String,
    /// Where to go on; nothing at the end.
    cursor: Option<String>,
}

impl Scan {
    /// From the beginning.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self { pattern: pattern.into(), cursor: Some("0".to_owned()) }
    }

    /// The next keys; `None` at the end.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn next(&mut self, store: &dyn Store) -> Result<Option<Vec<String>>, StoreError> {
        let Some(cursor) = self.cursor.take() else { return Ok(None) };
        let step =
            Cmd::new("SCAN").arg(cursor).arg("MATCH").arg(&self.pattern).arg("COUNT").arg(STEP);
        let reply = store.run(step.into()).await?.pop();
        let Some(Reply::Array(mut parts)) = reply else {
            return Err(StoreError::Shape("SCAN gave no cursor".into()));
        };
        let keys = parts.pop().unwrap_or(Reply::Nil).texts()?;
        let cursor = parts.pop().unwrap_or(Reply::Nil).text()?.unwrap_or_default();
        self.cursor = (cursor != "0" && !cursor.is_empty()).then_some(cursor);
        Ok(Some(keys))
    }
}

/// Names of all keys that match the pattern, each once, in order.
///
/// # Errors
/// When Redis cannot be asked.
pub async fn scan_keys(store: &dyn Store, pattern: &str) -> Result<Vec<String>, StoreError> {
    let (mut scan, mut keys) = (Scan::new(pattern), Vec::new());
    while let Some(more) = scan.next(store).await? {
        keys.extend(more);
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}
