//! Account anomalies as notices (contract/anthropic.md §11).

use compat::clock::iso;
use serde_json::{Map, Value};

use super::{Locale, Moment, Notice};
use crate::domain::Anomaly;

/// Events whose time the legacy service writes in UTC; that of all others in the operator's zone. By
/// platform, status and code.
const IN_UTC: [(&str, &str, &str); 7] = [
    ("claude-console", "error", "CLAUDE_CONSOLE_UNAUTHORIZED"),
    ("claude-console", "error", "CLAUDE_CONSOLE_BLOCKED"),
    ("claude-console", "error", "CLAUDE_CONSOLE_OVERLOADED"),
    ("claude-console", "recovered", "STATUS_RESET"),
    ("ccr", "recovered", "STATUS_RESET"),
    ("ccr", "quota_exceeded", "QUOTA_EXCEEDED"),
    ("bedrock", "recovered", "STATUS_RESET"),
];

/// Platforms of which all events are told in UTC.
const ALL_IN_UTC: [&str; 3] = ["openai", "openai-responses", "azure-openai"];

/// Reason of an account that was taken out of scheduling by hand, which is told in UTC; one that was
/// switched off is not.
const CLOSED_BY_HAND: &str = "账号已被管理员手动禁用调度";

impl Notice {
    /// An account changed its state.
    pub fn anomaly(anomaly: &Anomaly, locale: &Locale) -> Self {
        let event = (anomaly.platform, anomaly.status, anomaly.code);
        let by_hand = anomaly.status == "disabled" && anomaly.reason == CLOSED_BY_HAND;
        let in_utc = IN_UTC.contains(&event) || ALL_IN_UTC.contains(&anomaly.platform);
        let timestamp = if by_hand || in_utc {
            iso(anomaly.at_ms)
        } else {
            Moment { at_ms: anomaly.at_ms, locale }.iso_local()
        };
        let fields = [
            ("accountId", anomaly.account_id.as_str()),
            ("accountName", &anomaly.account_name),
            ("platform", anomaly.platform),
            ("status", anomaly.status),
            ("errorCode", anomaly.code),
            ("reason", &anomaly.reason),
            ("timestamp", &timestamp),
        ];
        let data: Map<String, Value> =
            fields.map(|(name, text)| (name.to_owned(), Value::from(text))).into_iter().collect();
        Self::new("accountAnomaly", data)
    }
}
