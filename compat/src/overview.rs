//! The database from above: whether it answers and how much it holds.

use std::{collections::HashSet, time::Instant};

use futures_util::future::try_join3;

use crate::store::{Batch, Cmd, Reply, Store, StoreError};

/// Keys per step of a scan.
const STEP: u32 = 2000;

/// How many records there are, as `/metrics` shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// API keys. Legacy quirk: every `apikey:*` key with exactly one colon but `apikey:hash_map`.
    pub api_keys: usize,
    /// Keys `claude:account:*`; legacy quirk: the index and its marker are counted too.
    pub claude_accounts: usize,
    /// Keys `usage:*`.
    pub usage_records: usize,
}

/// Asks Redis for a sign of life; milliseconds it took.
///
/// # Errors
/// When it gives none.
pub async fn ping(store: &dyn Store) -> Result<u128, StoreError> {
    let asked = Instant::now();
    let replies = store.run(Batch::from(Cmd::new("PING"))).await?;
    match replies.into_iter().next() {
        Some(Reply::Error(message)) => Err(StoreError::Shape(message)),
        _ => Ok(asked.elapsed().as_millis()),
    }
}

/// Counts records by walking the key space, which Redis serves in small steps.
///
/// # Errors
/// When Redis cannot be asked.
pub async fn totals(store: &dyn Store) -> Result<Totals, StoreError> {
    let (api_keys, accounts, usage) =
        try_join3(scan(store, "apikey:*"), scan(store, "claude:account:*"), scan(store, "usage:*"))
            .await?;
    let is_key = |key: &&String| *key != "apikey:hash_map" && key.matches(':').count() == 1;
    Ok(Totals {
        api_keys: api_keys.iter().filter(is_key).count(),
        claude_accounts: accounts.len(),
        usage_records: usage.len(),
    })
}

async fn scan(store: &dyn Store, pattern: &str) -> Result<HashSet<String>, StoreError> {
    let mut keys = HashSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let step = Cmd::new("SCAN").arg(cursor).args(["MATCH", pattern, "COUNT"]).arg(STEP);
        let reply = store.run(step.into()).await?.into_iter().next().unwrap_or(Reply::Nil);
        let Reply::Array(mut parts) = reply else {
            return Err(StoreError::Shape("SCAN without cursor and keys".into()));
        };
        let found = parts.pop().unwrap_or(Reply::Nil).texts()?;
        keys.extend(found);
        cursor = parts.pop().unwrap_or(Reply::Nil).text()?.unwrap_or_default();
        if cursor == "0" || cursor.is_empty() {
            return Ok(keys);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::testing::TestRedis;

    #[tokio::test]
    async fn counts_with_the_legacy_rules() {
        let redis = TestRedis::spawn();
        let store = redis.store();
        let mut batch = Batch::new();
        for key in ["apikey:hash_map", "apikey:a", "apikey:b", "apikey:idx:all", "apikeys"] {
            batch.push(Cmd::new("SET").arg(key).arg("x"));
        }
        for key in ["claude:account:1", "claude:account:index", "usage:a", "usage:daily:a:d"] {
            batch.push(Cmd::new("SET").arg(key).arg("x"));
        }
        store.run(batch).await.unwrap();
        ping(&store).await.unwrap();
        let totals = totals(&store).await.unwrap();
        assert_eq!(totals, Totals { api_keys: 2, claude_accounts: 2, usage_records: 2 });
    }
}
