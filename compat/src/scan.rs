//! Walking the key space, for what no index answers.

use std::collections::BTreeSet;

use crate::store::{Cmd, Reply, Store, StoreError};

/// Names of all keys that match a glob, each once, in order.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn keys(store: &dyn Store, pattern: &str) -> Result<Vec<String>, StoreError> {
    let mut cursor = "0".to_owned();
    let mut found = BTreeSet::new();
    loop {
        let scan =
            Cmd::new("SCAN").arg(&cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1000_i64);
        let reply = store.run(scan.into()).await?.into_iter().next();
        let Some(Reply::Array(parts)) = reply else {
            return Err(StoreError::Shape("SCAN gave no cursor".into()));
        };
        let mut parts = parts.into_iter();
        cursor = parts.next().map(Reply::text).transpose()?.flatten().unwrap_or_default();
        found.extend(parts.next().map(Reply::texts).transpose()?.unwrap_or_default());
        if cursor == "0" || cursor.is_empty() {
            return Ok(found.into_iter().collect());
        }
    }
}
