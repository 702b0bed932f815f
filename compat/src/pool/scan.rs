//! Finding account records by walking the key space, for databases whose index is missing.

use std::sync::Arc;

use crate::store::{Store, StoreError, scan_keys};

type Id = Arc<str>;

/// Ids of all keys that start with `prefix`, each once.
pub(super) async fn scan_ids(store: &dyn Store, prefix: &str) -> Result<Vec<Id>, StoreError> {
    let keys = scan_keys(store, &format!("{prefix}*")).await?;
    let ids = keys.iter().filter_map(|key| key.strip_prefix(prefix));
    Ok(ids.filter(|id| !id.is_empty()).map(Id::from).collect())
}
