//! ChatGPT accounts (contract/openai-azure-droid.md §3).

use std::sync::Arc;

use compat::{
    account_state::{Phase, openai},
    pool::Entry,
};

use super::unstick_openai;
use crate::{
    accounts::{
        Accounts,
        events::{Event, OPENAI},
    },
    domain::HeaderList,
};

impl Accounts {
    /// Keeps what an answer of any status tells of the account's windows.
    pub async fn openai_usage(&self, entry: &Arc<Entry>, headers: &HeaderList) {
        let patch = openai::usage(|name| headers.get(name), self.now_ms());
        self.0.ports.writes.send(self.patch(entry, &patch)).await;
    }

    /// The vendor answered with 200 or 201, or a stream has ended without a word of a limit: a limit that
    /// the record still tells of is over. Apart from the request, which need not wait for it.
    pub fn openai_ok(&self, entry: &Arc<Entry>) {
        let (accounts, entry) = (self.clone(), entry.clone());
        // Bounded by the requests that end; tracked, so that shutdown waits for it.
        self.0.tasks.spawn(async move {
            let entry = accounts.fresh(&entry).await;
            let now_ms = accounts.now_ms();
            if openai::limit(&entry, now_ms) != Phase::Off {
                let cmds = accounts.patch(&entry, &openai::lift_limit(&entry, now_ms));
                accounts.0.ports.writes.send(cmds).await;
            }
        });
    }

    /// The vendor says that the account's limit is reached, in an answer of status 429 or within a stream.
    /// `resets_in_s` is what it named as a number, of whatever value. The conversation forgets the account.
    pub async fn openai_limited(
        &self,
        entry: &Arc<Entry>,
        resets_in_s: Option<f64>,
        session: Option<&str>,
    ) {
        let entry = self.fresh(entry).await;
        let mut cmds = if openai::unprotected(&entry) {
            self.history(&entry, 429, "rate_limit")
        } else {
            let reason = openai::limited_reason(resets_in_s);
            self.report(&entry, Event::new(OPENAI, "blocked", "OPENAI_RATE_LIMITED", reason));
            self.patch(&entry, &openai::limited(resets_in_s, self.now_ms()))
        };
        cmds.extend(unstick_openai(session));
        self.write_now(cmds).await;
    }

    /// The vendor refused the token (401) or asks for payment (402). The conversation forgets the account.
    pub async fn openai_unauthorized(
        &self,
        entry: &Arc<Entry>,
        reason: &str,
        session: Option<&str>,
    ) {
        let entry = self.fresh(entry).await;
        let mut cmds = if openai::unprotected(&entry) {
            self.history(&entry, 401, "auth_error")
        } else {
            let event = Event::new(OPENAI, "unauthorized", "OPENAI_UNAUTHORIZED", reason);
            self.report(&entry, event);
            self.patch(&entry, &openai::unauthorized(&entry, reason, self.now_ms()))
        };
        cmds.extend(unstick_openai(session));
        self.write_now(cmds).await;
    }
}
