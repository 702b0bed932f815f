//! What the service's own endpoints ask: Redis, accounts, usage.

use std::time::Duration;

use compat::{
    pool::{Family, Kind, Need},
    store::{Batch, Cmd, Reply, Store, StoreError},
    usage::{StatsOptions, usage_stats},
};
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::App;
use crate::api::service::{FactError, Facts};

/// Longest that an answer about usage waits for usage still on its way to Redis.
const FLUSH_PATIENCE: Duration = Duration::from_millis(300);
/// Keys looked at per `SCAN` step.
const SCAN_COUNT: i64 = 1000;

impl Facts for App {
    fn redis_latency_ms(&self) -> BoxFuture<'_, Result<u128, FactError>> {
        Box::pin(async {
            let Some(redis) = &self.redis else { return Err("no connection".to_owned()) };
            redis.hot.ping().await.map(|took| took.as_millis()).map_err(|e| e.to_string())
        })
    }

    fn totals(&self) -> BoxFuture<'_, Result<(usize, usize, usize), FactError>> {
        Box::pin(async {
            let store = &*self.bulk;
            let is_key = |key: &str| key != "apikey:hash_map" && key.matches(':').count() == 1;
            let (keys, accounts, usage) = tokio::join!(
                count(store, "apikey:*", is_key),
                count(store, "claude:account:*", |_| true),
                count(store, "usage:*", |_| true),
            );
            let text = |error: StoreError| error.to_string();
            Ok((keys.map_err(text)?, accounts.map_err(text)?, usage.map_err(text)?))
        })
    }

    fn claude_accounts(&self) -> BoxFuture<'_, Result<(usize, usize), FactError>> {
        Box::pin(async {
            let pool = self.pools.of(Family::Claude);
            let snapshot = pool.snapshot(&[Need::List(Kind::Official)]).await;
            let accounts = snapshot.map_err(|error| error.to_string())?.list(Kind::Official);
            let active = |entry: &&std::sync::Arc<compat::pool::Entry>| {
                entry.active() && entry.status() == "active"
            };
            Ok((accounts.iter().filter(active).count(), accounts.len()))
        })
    }

    fn usage<'a>(&'a self, key_id: &'a str) -> BoxFuture<'a, Result<Value, FactError>> {
        Box::pin(async move {
            // What this service served a moment ago belongs to the answer.
            let _ = tokio::time::timeout(FLUSH_PATIENCE, self.billing.books().flushed()).await;
            let (store, now_ms) = (&*self.bulk, self.clock.now_ms());
            usage_stats(store, self.calendar, now_ms, key_id, StatsOptions::default())
                .await
                .map_err(|error| error.to_string())
        })
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(map) = &self.config.upstream.host_map {
            warnings.push(format!("UPSTREAM_HOST_MAP redirects upstream hosts: {map}"));
        }
        warnings.extend(self.relay.instructions.warning().map(str::to_owned));
        let ledger = self.billing.books().status();
        warnings.extend(ledger.disk_problem.map(|why| format!("usage journal: {why}")));
        warnings.extend(
            ledger
                .redis_problem
                .map(|why| format!("usage waits for redis ({} events): {why}", ledger.backlog)),
        );
        warnings
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}

/// Counts the keys that match, without blocking Redis.
async fn count(
    store: &dyn Store,
    pattern: &str,
    counts: impl Fn(&str) -> bool,
) -> Result<usize, StoreError> {
    let (mut cursor, mut total) = ("0".to_owned(), 0);
    loop {
        let scan = Cmd::new("SCAN").arg(&cursor).arg("MATCH").arg(pattern);
        let reply = store.run(Batch::from(scan.arg("COUNT").arg(SCAN_COUNT))).await?.pop();
        let Some(Reply::Array(parts)) = reply else {
            return Err(StoreError::Shape("scan reply".into()));
        };
        let mut parts = parts.into_iter();
        let next = parts.next().unwrap_or(Reply::Nil).text()?.unwrap_or_default();
        let keys = parts.next().unwrap_or(Reply::Nil).texts()?;
        total += keys.iter().filter(|key| counts(key)).count();
        if next == "0" || next.is_empty() {
            return Ok(total);
        }
        cursor = next;
    }
}
