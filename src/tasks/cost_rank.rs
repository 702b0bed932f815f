//! Keys by cost, for lists sorted by it (contract/redis.md §d): built beside, then put in place at once, under
//! the legacy service's lock.

use compat::{
    clock::iso,
    keys,
    lock::{self, Lock},
    number,
    store::{Batch, Cmd, StoreError},
};
use uuid::Uuid;

use super::{Done, Elsewhere, Jobs, STEP};

const DAY_MS: i64 = 86_400_000;

impl Jobs {
    /// Builds one rank: `today`, `7days`, `30days` or `all`.
    pub(super) async fn rank(&self, range: &str) -> Done {
        let lock = Lock::cost_rank(range, Uuid::new_v4().to_string());
        if !lock::taken(self.one(lock.acquire()).await?)? {
            return Err(Elsewhere.into());
        }
        let state = keys::cost_rank_state(range);
        let built = self.build_rank(range, &state).await;
        if built.is_err() {
            let noted = self.one(Cmd::new("HSET").arg(&state).arg("status").arg("failed")).await;
            noted.map_or_else(|error| tracing::debug!(%error, range, "not noted"), drop);
        }
        self.release(&lock).await;
        Ok(Some(format!("{} keys ranked", built?)))
    }

    async fn build_rank(&self, range: &str, state: &str) -> Result<usize, StoreError> {
        let started_ms = self.now_ms();
        self.one(Cmd::new("HSET").arg(state).arg("status").arg("updating")).await?;
        let ids = self.ranked_ids().await?;
        let costs = self.costs(range, &ids).await?;
        let rank = keys::cost_rank(range);
        let mut batch = Batch::atomic();
        if ids.is_empty() {
            batch.push(Cmd::new("DEL").arg(&rank));
        } else {
            let build = keys::cost_rank_build(range, started_ms);
            for (ids, costs) in ids.chunks(STEP).zip(costs.chunks(STEP)) {
                let pairs = ids.iter().zip(costs);
                batch.push(pairs.fold(Cmd::new("ZADD").arg(&build), |cmd, (id, cost)| {
                    cmd.arg(number::js(*cost)).arg(id)
                }));
            }
            batch.push(Cmd::new("RENAME").arg(build).arg(&rank));
        }
        let took_ms = self.now_ms() - started_ms;
        let done = Cmd::new("HSET").arg(state).arg("lastUpdate").arg(iso(self.now_ms()));
        let done = done.arg("keyCount").arg(ids.len()).arg("status").arg("ready");
        batch.push(done.arg("updateDuration").arg(took_ms));
        for reply in self.0.store.run(batch).await? {
            reply.text()?;
        }
        Ok(ids.len())
    }

    /// Ids of all keys that are not deleted, as their records spell them.
    async fn ranked_ids(&self) -> Result<Vec<String>, StoreError> {
        let ids = self.key_ids().await?;
        let read = ids.iter().map(|id| {
            Cmd::new("HMGET").arg(keys::api_key(id)).args(["isDeleted", "id", "apiKey", "name"])
        });
        let replies = self.run(read.collect()).await?;
        let ranked = ids.into_iter().zip(replies).filter_map(|(id, reply)| {
            let fields = reply.texts().ok()?;
            let [deleted, own, ..] = fields.as_slice() else { return None };
            let gone = deleted == "true" || fields.iter().all(String::is_empty);
            (!gone).then(|| if own.is_empty() { id } else { own.clone() })
        });
        Ok(ranked.collect())
    }

    async fn costs(&self, range: &str, ids: &[String]) -> Result<Vec<f64>, StoreError> {
        let days = match range {
            "today" => 1,
            "7days" => 7,
            "30days" => 30,
            _ => 0,
        };
        let now_ms = self.now_ms();
        let dates: Vec<String> =
            (0..days).rev().map(|ago| self.0.calendar.date(now_ms - ago * DAY_MS)).collect();
        let read = ids.iter().map(|id| match dates.as_slice() {
            [] => Cmd::new("MGET").arg(keys::cost_total(id)),
            dates => Cmd::new("MGET").args(dates.iter().map(|date| keys::cost_daily(id, date))),
        });
        let replies = self.run(read.collect()).await?;
        // What is no number counts as nothing; the legacy service builds no rank then (MIGRATION 51).
        let sum = |texts: Vec<String>| {
            let sum: f64 = texts.iter().filter_map(|text| number::parse_float(text)).sum();
            if sum.is_nan() { 0.0 } else { sum }
        };
        Ok(replies.into_iter().map(|reply| reply.texts().map_or(0.0, sum)).collect())
    }
}
