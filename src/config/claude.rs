//! Settings of the Claude relays and accounts.

use std::time::Duration;

use super::{ConfigError, reader::Reader};

/// Official and console relays.
#[derive(Clone, Debug)]
pub struct ClaudeConfig {
    /// `CLAUDE_API_VERSION` (2023-06-01): `anthropic-version` sent upstream.
    pub api_version: String,
    /// `CLAUDE_DEDICATED_ACCOUNT_FALLBACK` (false): an unusable dedicated account falls back to the
    /// pool.
    pub dedicated_account_fallback: bool,
    /// `CLAUDE_OVERLOAD_HANDLING_MINUTES` (0), clamped to 0–1440. Legacy quirk: the relay asks for
    /// the mark when this is positive, but the account service reads another path and writes nothing.
    pub overload_handling_minutes: u32,
    /// `CLAUDE_CONSOLE_BLOCKED_HANDLING_MINUTES` (0 = off): how long a console account is put aside
    /// after a 400 that says the account is blocked.
    pub console_blocked_minutes: u32,
    /// `CLAUDE_5H_WARNING_MAX_NOTIFICATIONS` (1), clamped to 1–10 per session window.
    pub five_hour_warning_limit: u32,
    /// `REQUEST_TIMEOUT` (600000 ms): longest silence of an upstream.
    pub request_timeout: Duration,
}

impl ClaudeConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            api_version: reader.text("CLAUDE_API_VERSION", "2023-06-01"),
            dedicated_account_fallback: reader.is_true("CLAUDE_DEDICATED_ACCOUNT_FALLBACK"),
            overload_handling_minutes: clamped(
                reader.int_or("CLAUDE_OVERLOAD_HANDLING_MINUTES", 0),
                0,
                1440,
            ),
            console_blocked_minutes: clamped(
                reader.int_or("CLAUDE_CONSOLE_BLOCKED_HANDLING_MINUTES", 0),
                0,
                u32::MAX,
            ),
            five_hour_warning_limit: clamped(
                reader.int_or("CLAUDE_5H_WARNING_MAX_NOTIFICATIONS", 1),
                1,
                10,
            ),
            request_timeout: reader.millis("REQUEST_TIMEOUT", 600_000)?,
        })
    }
}

fn clamped(value: i64, min: u32, max: u32) -> u32 {
    u32::try_from(value.clamp(i64::from(min), i64::from(max))).unwrap_or(max)
}
