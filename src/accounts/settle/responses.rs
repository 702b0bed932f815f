//! Accounts of providers of the responses API (contract/openai-azure-droid.md §4).

use std::sync::Arc;

use compat::{
    account_state::{Moment, responses},
    pool::Entry,
};

use super::unstick_openai;
use crate::{accounts::Accounts, domain::HeaderList};

/// The last use is written at most this often.
const NOTED_EVERY_MS: i64 = 60_000;
/// Accounts whose last use is remembered at most; beyond it, it is written more often.
const NOTED_MAX: usize = 10_000;
/// Tries to add to sums that others add to as well.
const ADD_TRIES: usize = 8;

/// A limit that the provider told of.
#[derive(Clone, Copy, Debug)]
pub struct ResponsesLimit<'a> {
    /// What it named as the seconds until its end, as a number.
    pub resets_in_s: Option<f64>,
    /// Headers of an answer of status 429; `None` for a limit told within a stream, which does not cool the
    /// account down.
    pub headers: Option<&'a HeaderList>,
}

impl Accounts {
    /// The provider says that the account's limit is reached. The conversation forgets the account.
    pub async fn responses_limited(
        &self,
        entry: &Arc<Entry>,
        limit: ResponsesLimit<'_>,
        session: Option<&str>,
    ) {
        let entry = self.fresh(entry).await;
        let mut cmds = if responses::unprotected(&entry) {
            self.history(&entry, 429, "rate_limit")
        } else {
            self.patch(&entry, &responses::limited(&entry, limit.resets_in_s, self.now_ms()))
        };
        cmds.extend(unstick_openai(session));
        if let Some(headers) = limit.headers.filter(|_| !responses::unprotected(&entry)) {
            #[expect(clippy::cast_possible_truncation, reason = "saturates; seconds")]
            let told = limit.resets_in_s.map(|seconds| seconds.ceil() as i64);
            let hint = told.filter(|seconds| *seconds != 0).or_else(|| self.hint(headers));
            cmds.extend(self.cool_down(&entry, 429, hint));
        }
        self.write_now(cmds).await;
    }

    /// The provider answered with 401 or with 500 and above. The conversation forgets the account.
    pub async fn responses_failed(&self, entry: &Arc<Entry>, status: u16, session: Option<&str>) {
        let entry = self.fresh(entry).await;
        let mut cmds = if responses::unprotected(&entry) {
            Vec::new()
        } else {
            self.cool_down(&entry, status, None)
        };
        cmds.extend(unstick_openai(session));
        self.write_now(cmds).await;
    }

    /// No connection to the provider came about (`ECONNREFUSED`, `ETIMEDOUT`).
    pub async fn responses_broken(&self, entry: &Arc<Entry>) {
        let entry = self.fresh(entry).await;
        if !responses::unprotected(&entry) {
            let cmds = self.cool_down(&entry, 503, None);
            self.write_now(cmds).await;
        }
    }

    /// The provider answered with a status below 400.
    pub async fn responses_answered(&self, entry: &Arc<Entry>) {
        let now_ms = self.now_ms();
        {
            let mut noted = self.0.noted.lock();
            if noted.get(&entry.id).is_some_and(|at| now_ms - at < NOTED_EVERY_MS) {
                return;
            }
            if noted.len() >= NOTED_MAX {
                noted.clear();
            }
            noted.insert(entry.id.clone(), now_ms);
        }
        let entry = self.current(entry);
        self.0.ports.writes.send(self.patch(&entry, &responses::used(now_ms))).await;
    }

    /// Adds what an answer used to the account's sums: its tokens and, for an account with a daily quota,
    /// what it cost in dollars by the price list alone. Nobody else's addition is lost by it. Apart from
    /// the request, which need not wait for it.
    pub fn responses_used(&self, entry: &Arc<Entry>, tokens: f64, cost: f64) {
        let (accounts, entry) = (self.clone(), entry.clone());
        // Bounded by the requests that end; tracked, so that shutdown waits for it.
        self.0.tasks.spawn(async move { accounts.add_up(&entry, tokens, cost).await });
    }

    async fn add_up(&self, entry: &Arc<Entry>, tokens: f64, cost: f64) {
        self.0.ports.writes.flush().await;
        for _ in 0..ADD_TRIES {
            let Ok(now) = self.read(entry).await else { return };
            let moment = Moment { now_ms: self.now_ms(), calendar: self.0.ports.calendar };
            // Whether there is a quota is a matter of the record that the request began with.
            let cost = entry.daily_quota().map(|_| cost);
            let patch = responses::booked(&now, tokens, cost, moment);
            let written = self.run(patch.cmd(&now.kind.record_key(&now.id))).await;
            match written.and_then(|reply| reply.int()) {
                // Somebody else has added meanwhile.
                Ok(-1) => {}
                Ok(_) => {
                    let pool = self.0.ports.pools.with(now.kind);
                    return pool.apply(now.kind, &now.id, &patch);
                }
                Err(error) => {
                    tracing::warn!(%error, account = %now.id, "usage was not added to the account");
                    return;
                }
            }
        }
        tracing::warn!(account = %entry.id, "usage was not added to the account: too many writers");
    }
}
