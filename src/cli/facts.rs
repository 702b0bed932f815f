//! What the service endpoints ask, answered from Redis.

use std::sync::Arc;

use compat::{
    clock::{Clock, LocalCalendar},
    overview,
    pool::{AccountPool, Kind, Need},
    store::Store,
    usage::{StatsOptions, usage_stats},
};
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::api::service::{FactError, Facts};

/// Answers over one store.
pub struct StoreFacts {
    /// For short reads.
    pub store: Arc<dyn Store>,
    /// Account snapshots.
    pub pool: Arc<AccountPool>,
    /// Source of time.
    pub clock: Clock,
    /// The legacy local calendar.
    pub calendar: LocalCalendar,
    /// What operators should know while the process runs.
    pub warnings: Vec<String>,
}

impl Facts for StoreFacts {
    fn redis_latency_ms(&self) -> BoxFuture<'_, Result<u128, FactError>> {
        Box::pin(async { overview::ping(&*self.store).await.map_err(|error| error.to_string()) })
    }

    fn totals(&self) -> BoxFuture<'_, Result<(usize, usize, usize), FactError>> {
        Box::pin(async {
            let totals = overview::totals(&*self.store).await.map_err(|error| error.to_string())?;
            Ok((totals.api_keys, totals.claude_accounts, totals.usage_records))
        })
    }

    fn claude_accounts(&self) -> BoxFuture<'_, Result<(usize, usize), FactError>> {
        Box::pin(async {
            let needs = [Need::List(Kind::Official)];
            let snapshot = self.pool.snapshot(&needs).await.map_err(|error| error.to_string())?;
            let accounts = snapshot.list(Kind::Official);
            let is = |account: &compat::pool::Entry, name: &str, wanted: &str| {
                account.fields.get(name).is_some_and(|value| value == wanted)
            };
            let active = accounts
                .iter()
                .filter(|account| {
                    is(account, "isActive", "true") && is(account, "status", "active")
                })
                .count();
            Ok((active, accounts.len()))
        })
    }

    fn usage<'a>(&'a self, key_id: &'a str) -> BoxFuture<'a, Result<Value, FactError>> {
        Box::pin(async move {
            let options = StatsOptions::default();
            usage_stats(&*self.store, self.calendar, self.clock.now_ms(), key_id, options)
                .await
                .map_err(|error| error.to_string())
        })
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}
