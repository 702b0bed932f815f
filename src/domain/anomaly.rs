//! What operators are told about an account.

use super::AccountId;

/// An account changed its state by itself; sent to the operator's webhooks.
/// Field names and texts follow the legacy webhook payload (contract/anthropic.md §11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// Which account.
    pub account_id: AccountId,
    /// Its display name.
    pub account_name: String,
    /// `claude-oauth`, `claude`, `claude-console`, `ccr`.
    pub platform: &'static str,
    /// `error`, `warning`, `resumed`, `blocked`, `quota_exceeded` …
    pub status: &'static str,
    /// e.g. `CLAUDE_OAUTH_RATE_LIMITED`.
    pub code: &'static str,
    /// Explanation for people.
    pub reason: String,
    /// The provider's own words, when they say more.
    pub details: Option<String>,
    /// When, in epoch milliseconds.
    pub at_ms: i64,
}

impl Anomaly {
    /// What an account is called in events of this kind: its name, or what the legacy service says
    /// instead, which depends on the place that tells.
    pub fn called<'a>(code: &str, name: &'a str, id: &'a str) -> &'a str {
        match code {
            _ if !name.is_empty() => name,
            "CLAUDE_OAUTH_BLOCKED" | "CLAUDE_OAUTH_ERROR" => "",
            "CLAUDE_CONSOLE_QUOTA_EXCEEDED" => "Unknown Account",
            "QUOTA_EXCEEDED" | "STATUS_RESET" => id,
            code if code.starts_with("OPENAI_") => id,
            code if code.starts_with("CLAUDE_CONSOLE_") => "Claude Console Account",
            _ => "Claude Account",
        }
    }
}

/// Takes anomalies to wherever operators look. Must not block.
pub trait AnomalySink: Send + Sync {
    /// Reports one anomaly.
    fn report(&self, anomaly: Anomaly);
}

/// Reports to the log only.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogAnomalies;

impl AnomalySink for LogAnomalies {
    fn report(&self, anomaly: Anomaly) {
        let Anomaly { account_id, account_name, code, reason, .. } = anomaly;
        tracing::warn!(%account_id, account_name, code, reason, "account state changed");
    }
}
