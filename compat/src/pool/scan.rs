//! Finding account records by walking the key space, for databases whose index is missing.

use std::sync::Arc;

use crate::store::{Cmd, Reply, Store, StoreError};

type Id = Arc<str>;

/// Ids of all keys that start with `prefix`, each once.
pub(super) async fn scan_ids(store: &dyn Store, prefix: &str) -> Result<Vec<Id>, StoreError> {
    let mut cursor = "0".to_owned();
    let mut found: Vec<Id> = Vec::new();
    loop {
        let scan = Cmd::new("SCAN")
            .arg(&cursor)
            .arg("MATCH")
            .arg(format!("{prefix}*"))
            .arg("COUNT")
            .arg(1000_i64);
        let reply = store.run(scan.into()).await?.into_iter().next();
        let Some(Reply::Array(parts)) = reply else {
            return Err(StoreError::Shape("SCAN gave no cursor".into()));
        };
        let mut parts = parts.into_iter();
        cursor = parts.next().map(Reply::text).transpose()?.flatten().unwrap_or_default();
        for key in parts.next().map(Reply::texts).transpose()?.unwrap_or_default() {
            if let Some(id) = key.strip_prefix(prefix).filter(|id| !id.is_empty()) {
                let id = Id::from(id);
                if !found.contains(&id) {
                    found.push(id);
                }
            }
        }
        if cursor == "0" || cursor.is_empty() {
            return Ok(found);
        }
    }
}
