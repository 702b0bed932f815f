//! Anomalies of accounts, with the texts of the legacy webhooks.

use compat::pool::Entry;

use super::Accounts;
use crate::domain::{AccountId, Anomaly};

/// Platform names differ by event, not only by kind of account.
pub(super) const OAUTH: &str = "claude-oauth";
pub(super) const CLAUDE: &str = "claude";
pub(super) const OPENAI: &str = "openai";

/// What happened.
pub(super) struct Event {
    pub(super) platform: &'static str,
    pub(super) status: &'static str,
    pub(super) code: &'static str,
    pub(super) reason: String,
    pub(super) details: Option<String>,
}

impl Event {
    pub(super) fn new(
        platform: &'static str,
        status: &'static str,
        code: &'static str,
        reason: impl Into<String>,
    ) -> Self {
        Self { platform, status, code, reason: reason.into(), details: None }
    }
}

impl Accounts {
    pub(super) fn report(&self, entry: &Entry, event: Event) {
        let Event { platform, status, code, reason, details } = event;
        self.0.ports.anomalies.report(Anomaly {
            account_id: AccountId::from(&*entry.id),
            account_name: Anomaly::called(code, entry.name(), &entry.id).to_owned(),
            platform,
            status,
            code,
            reason,
            details,
            at_ms: self.now_ms(),
        });
    }
}
