//! Accounts that are tried on a schedule of their own, so that operators see in the console which ones work
//! (contract/anthropic.md §10). Only official accounts can be; the others that a schedule may name fail with
//! the legacy service's text.

use std::collections::HashMap;

use compat::{
    clock::iso,
    keys, number,
    store::{Batch, Cmd, StoreError, accepted},
};
use futures_util::future::{BoxFuture, join_all};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Done, Jobs, Trigger, counted, cron::Cron, flight::last_runs, table};

/// Platforms that may have schedules.
const PLATFORMS: [&str; 3] = ["claude", "gemini", "openai"];
const DEFAULT_SCHEDULE: &str = "0 8 * * *";
const DEFAULT_MODEL: &str = "claude-sonnet-4-5-20250929";
/// Results kept, and how long; seconds.
const KEPT: i64 = 5;
const HISTORY_LIFE: i64 = 30 * 86_400;
const LAST_LIFE: i64 = 7 * 86_400;
/// What was due while nobody looked is made up for this far back.
const BACK_MS: i64 = 300_000;

/// Tries an account with its own credentials.
pub trait AccountTester: Send + Sync {
    /// One small request; gives an error's text when it failed.
    fn test<'a>(&'a self, id: &'a str, model: &'a str) -> BoxFuture<'a, Result<(), String>>;
}

/// An account's schedule.
struct Schedule {
    platform: &'static str,
    id: String,
    line: String,
    model: String,
}

impl Jobs {
    /// Tries every account whose time has come since the last look; all with a schedule when asked.
    pub(super) async fn test_accounts(&self, trigger: Trigger) -> Done {
        if !self.0.settings.account_tests {
            return Ok(None);
        }
        let schedules = self.schedules().await?;
        let now_ms = self.now_ms();
        let since = last_runs(&*self.0.store).await?.get(table::ACCOUNT_TESTS).map(|l| l.at_ms);
        let since = since.unwrap_or(now_ms - 60_000).clamp(now_ms - BACK_MS, now_ms);
        let due = schedules.into_iter().filter(|schedule| {
            Cron::parse(&schedule.line)
                .is_some_and(|cron| trigger == Trigger::Asked || self.is_due(cron, since, now_ms))
        });
        let due: Vec<Schedule> = due.collect();
        let tests = due.iter().map(|schedule| self.test(schedule));
        let failures: Vec<StoreError> =
            join_all(tests).await.into_iter().filter_map(Result::err).collect();
        match failures.into_iter().next() {
            Some(error) => Err(error.into()),
            None => Ok(counted(due.len(), "account tried", "accounts tried")),
        }
    }

    /// Whether a second after `since` up to now is named.
    fn is_due(&self, cron: Cron, since_ms: i64, now_ms: i64) -> bool {
        let zone = &self.0.settings.schedule_zone;
        (since_ms / 1000 + 1..=now_ms / 1000).any(|second| {
            Timestamp::from_second(second).is_ok_and(|at| cron.names(zone.to_datetime(at)))
        })
    }

    async fn schedules(&self) -> Result<Vec<Schedule>, StoreError> {
        let mut found = Vec::new();
        for platform in PLATFORMS {
            let names = self.scan(&keys::test_config(platform, "*")).await?;
            let read = names.iter().map(|name| Cmd::new("HGETALL").arg(name)).collect();
            let prefix = keys::test_config(platform, "");
            for (name, reply) in names.iter().zip(self.run(read).await?) {
                let (Some(id), Ok(fields)) = (name.strip_prefix(&prefix), reply.map()) else {
                    continue;
                };
                found.extend(schedule(platform, id, &fields));
            }
        }
        Ok(found)
    }

    async fn test(&self, schedule: &Schedule) -> Result<(), StoreError> {
        let started = std::time::Instant::now();
        let outcome = match (schedule.platform, &self.0.tester) {
            ("claude", Some(tester)) => tester.test(&schedule.id, &schedule.model).await,
            ("gemini", _) => Err("Gemini scheduled test not implemented yet".to_owned()),
            ("openai", _) => Err("OpenAI scheduled test not implemented yet".to_owned()),
            _ => return Ok(()),
        };
        let at = iso(self.now_ms());
        let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let result = match outcome {
            // What the vendor said is not kept by the legacy service either.
            Ok(()) => json!({
                "success": true, "message": "", "latencyMs": took_ms, "model": schedule.model,
                "usage": null, "timestamp": at,
            }),
            Err(error) if schedule.platform == "claude" => {
                json!({ "success": false, "error": error, "latencyMs": took_ms, "timestamp": at })
            }
            Err(error) => json!({ "success": false, "error": error, "timestamp": at }),
        };
        self.keep(schedule, &result).await
    }

    async fn keep(&self, schedule: &Schedule, result: &Value) -> Result<(), StoreError> {
        let Schedule { platform, id, .. } = schedule;
        let history = keys::test_history(platform, id);
        let mut batch = Batch::atomic();
        batch.push(Cmd::new("LPUSH").arg(&history).arg(result.to_string()));
        batch.push(Cmd::new("LTRIM").arg(&history).arg(0_i64).arg(KEPT - 1));
        batch.push(Cmd::new("EXPIRE").arg(history).arg(HISTORY_LIFE));
        let last = Cmd::new("SET").arg(keys::last_test(platform, id)).arg(self.now_ms());
        batch.push(last.arg("EX").arg(LAST_LIFE));
        accepted(&self.0.store.run(batch).await?)
    }
}

fn schedule(
    platform: &'static str,
    id: &str,
    fields: &HashMap<String, String>,
) -> Option<Schedule> {
    let field = |name: &str| fields.get(name).filter(|text| !text.is_empty());
    (field("enabled")? == "true").then(|| {
        let hour = || {
            let hour = number::parse_int(field("testHour")?)?;
            Some(format!("0 {hour} * * *"))
        };
        let line = field("cronExpression").cloned().or_else(hour);
        Schedule {
            platform,
            id: id.to_owned(),
            line: line.unwrap_or_else(|| DEFAULT_SCHEDULE.to_owned()),
            model: field("model").cloned().unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
        }
    })
}
