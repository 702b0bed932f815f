//! Background jobs: a table of them ([`JOBS`]), one file per job, and the service that runs them in time.
//!
//! A job runs once, however many instances share the Redis: its lock and the mark of its last run stand in
//! Redis ([`flight`]). Jobs that the legacy service has, too, take its locks and write single fields, so that
//! both at once do no harm; which run beside it says the table. They call services, never `api`; who starts
//! them also stops them.

mod account_tests;
mod cleanup;
mod cost_init;
mod cost_rank;
mod cron;
mod flight;
mod key_index;
mod leftovers;
mod migrate;
pub mod price_update;
mod recovery;
mod service;
mod sessions;
mod supervise;
mod table;
#[cfg(test)]
mod tests;
mod usage_of_day;
mod weekly_costs;

use std::{sync::Arc, time::Duration};

use compat::{
    clock::{Clock, LocalCalendar},
    keys,
    lock::Lock,
    store::{Batch, Cmd, Reply, Store, StoreError, accepted, scan_keys},
};

use jiff::tz::TimeZone;

pub use account_tests::AccountTester;
pub use flight::{Flight, Last, Trigger, last_runs};
pub use service::Duty;
pub use supervise::supervised;
pub use table::{Beside, Every, JOBS, Job, find};
pub use weekly_costs::Weeks;

use crate::{accounts::Accounts, billing::Billing, keys::Keys, notify::Notifier};

/// Commands in one pipeline.
const STEP: usize = 200;

/// What jobs reach the world through.
pub struct JobParts {
    /// Redis, for bulk work.
    pub store: Arc<dyn Store>,
    /// API keys.
    pub keys: Arc<Keys>,
    /// Upstream accounts.
    pub accounts: Accounts,
    /// Prices and rates.
    pub billing: Arc<Billing>,
    /// Tries accounts on a schedule; without one no account is tried.
    pub tester: Option<Arc<dyn AccountTester>>,
    /// Where operators hear of what jobs did.
    pub notifier: Option<Notifier>,
    /// Time.
    pub clock: Clock,
    /// The operator's calendar.
    pub calendar: LocalCalendar,
    /// Settings.
    pub settings: JobSettings,
}

/// What the operator configured about jobs.
#[derive(Clone, Debug)]
pub struct JobSettings {
    /// Name of this instance in what jobs leave behind (`CRS_INSTANCE`).
    pub instance: String,
    /// Version that start-up migrations are done for (`APP_VERSION`, `VERSION`).
    pub version: String,
    /// `CLEANUP_INTERVAL`.
    pub cleanup_interval: Duration,
    /// `METRICS_WINDOW`, minutes.
    pub metrics_window_minutes: i64,
    /// `CLEAR_CONCURRENCY_QUEUES_ON_STARTUP`.
    pub clear_queues_at_start: bool,
    /// `ACCOUNT_TEST_SCHEDULER_ENABLED`.
    pub account_tests: bool,
    /// Zone of the accounts' schedules (`TZ`, else Asia/Shanghai).
    pub schedule_zone: TimeZone,
}

/// The jobs of this process. Cheap to clone.
#[derive(Clone)]
pub struct Jobs(Arc<JobParts>);

/// Why a job was not done: another service, the legacy one perhaps, is at it.
#[derive(Debug, thiserror::Error)]
#[error("another service is at it")]
struct Elsewhere;

/// Why a job failed.
type Failure = anyhow::Error;

/// What a job did, in a few words; `None` when there was nothing to do.
type Done = Result<Option<String>, Failure>;

impl Jobs {
    /// Jobs over these parts.
    pub fn new(parts: JobParts) -> Self {
        Self(Arc::new(parts))
    }

    fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    /// Does the work of one job, whatever else is going on.
    async fn work(&self, job: &Job, trigger: Trigger) -> Done {
        match job.name {
            "migrate" => self.migrate().await,
            "sessions" => self.remove_forged_sessions().await,
            "cost-init" => self.initialize_costs().await,
            "weekly-costs" => self.fill_weekly_costs().await,
            "key-index" => self.check_key_indexes().await,
            "cost-rank-today" => self.rank("today").await,
            "cost-rank-7days" => self.rank("7days").await,
            "cost-rank-30days" => self.rank("30days").await,
            "cost-rank-all" => self.rank("all").await,
            "recovery" => self.recover_accounts().await,
            "cleanup" => self.clean_up().await,
            "leases" => self.purge_leases().await,
            "queue-locks" => self.remove_orphan_locks().await,
            "leftovers" => self.remove_leftovers().await,
            table::ACCOUNT_TESTS => self.test_accounts(trigger).await,
            other => anyhow::bail!("no job is named {other}"),
        }
    }

    /// Runs commands in pipelines; replies in order.
    async fn run(&self, cmds: Vec<Cmd>) -> Result<Vec<Reply>, StoreError> {
        in_steps(&*self.0.store, cmds).await
    }

    async fn one(&self, cmd: Cmd) -> Result<Reply, StoreError> {
        Ok(self.run(vec![cmd]).await?.pop().unwrap_or(Reply::Nil))
    }

    /// Gives a lock back; when that fails it ends by itself.
    async fn release(&self, lock: &Lock) {
        if let Err(error) = self.one(lock.release()).await {
            tracing::debug!(%error, lock = lock.key(), "a lock was not given back");
        }
    }

    async fn scan(&self, pattern: &str) -> Result<Vec<String>, StoreError> {
        scan_keys(&*self.0.store, pattern).await
    }

    /// Ids of all API-key records, deleted ones included.
    async fn key_ids(&self) -> Result<Vec<String>, StoreError> {
        let ids = self.scan(&keys::api_key("*")).await?.into_iter().filter_map(|key| {
            let id = key.strip_prefix("apikey:")?;
            (!id.contains(':') && !id.starts_with("hash_map")).then(|| id.to_owned())
        });
        Ok(ids.collect())
    }
}

/// Runs commands in pipelines; replies in order. A database that takes no commands is a failure; a single
/// command that it refuses is the caller's business.
async fn in_steps(store: &dyn Store, cmds: Vec<Cmd>) -> Result<Vec<Reply>, StoreError> {
    let mut replies = Vec::with_capacity(cmds.len());
    let mut cmds = cmds.into_iter().peekable();
    while cmds.peek().is_some() {
        let batch: Batch = cmds.by_ref().take(STEP).collect();
        let answered = store.run(batch).await?;
        accepted(&answered)?;
        replies.extend(answered);
    }
    Ok(replies)
}

/// `1 key`, `2 keys`; nothing for none.
fn counted(count: usize, one: &str, many: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {many}")),
    }
}

/// What several parts did, joined.
fn joined(parts: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
