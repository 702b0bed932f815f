//! Temporary unavailability of accounts: `temp_unavailable:*` marks and `error_history:*`.
//!
//! Pure: gives commands, runs none. An account is cooling while the mark's TTL runs; the value is for
//! display only (contract/redis.md §b, anthropic.md §4.3).

use serde_json::{Value, json};

use crate::{clock::iso, js, number::parse_int, store::Cmd};

const HISTORY_MAX: i64 = 5000;
const HISTORY_SECONDS: i64 = 259_200;
const BODY_MAX: usize = 2000;

/// Key of an account's mark.
pub fn mark_key(account_type: &str, account_id: &str) -> String {
    format!("temp_unavailable:{account_type}:{account_id}")
}

/// Key of an account's error history, newest first.
pub fn history_key(account_type: &str, account_id: &str) -> String {
    format!("error_history:{account_type}:{account_id}")
}

/// Length of a cool-down per class, in seconds (`UPSTREAM_ERROR_*_TTL_SECONDS`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CooldownTimes {
    /// 503 (`503_TTL_SECONDS`).
    pub service_unavailable: i64,
    /// Other 5xx (`5XX_TTL_SECONDS`).
    pub server_error: i64,
    /// 529 (`OVERLOAD_TTL_SECONDS`).
    pub overload: i64,
    /// 401 and 403 (`AUTH_TTL_SECONDS`).
    pub auth_error: i64,
    /// 504 and timeouts (`TIMEOUT_TTL_SECONDS`).
    pub timeout: i64,
    /// 429 without a usable hint from the vendor; not configurable.
    pub rate_limit: i64,
    /// Longest cool-down that a vendor's hint may cause (`MAX_CUSTOM_TTL_SECONDS`).
    pub max_custom: i64,
}

impl Default for CooldownTimes {
    fn default() -> Self {
        Self {
            service_unavailable: 60,
            server_error: 300,
            overload: 600,
            auth_error: 1800,
            timeout: 300,
            rate_limit: 300,
            max_custom: 1800,
        }
    }
}

/// Per-account overrides of official accounts; other kinds have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CooldownPolicy {
    /// Never mark (`disableTempUnavailable`).
    pub disabled: bool,
    /// Seconds for 503; 0 = do not mark (`tempUnavailable503TtlSeconds`).
    pub on_503: Option<i64>,
    /// Seconds for other 5xx; 0 = do not mark (`tempUnavailable5xxTtlSeconds`).
    pub on_5xx: Option<i64>,
}

impl CooldownPolicy {
    /// Overrides of an official account, from the three fields of its record.
    pub fn read<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Self {
        let seconds = |name: &str| {
            let value: f64 = field(name).filter(|text| !text.is_empty())?.trim().parse().ok()?;
            #[expect(clippy::cast_possible_truncation, reason = "floored seconds")]
            (value.is_finite() && value >= 0.0).then(|| value.floor() as i64)
        };
        let disabled = field("disableTempUnavailable").unwrap_or_default().trim().to_lowercase();
        Self {
            disabled: matches!(disabled.as_str(), "true" | "1" | "yes" | "on"),
            on_503: seconds("tempUnavailable503TtlSeconds"),
            on_5xx: seconds("tempUnavailable5xxTtlSeconds"),
        }
    }
}

/// Class of an upstream status that cools an account down; `None` for statuses that do not.
pub fn error_class(status: u16) -> Option<&'static str> {
    Some(match status {
        529 => "overload",
        503 => "service_unavailable",
        504 => "timeout",
        401 | 403 => "auth_error",
        429 => "rate_limit",
        500.. => "server_error",
        _ => return None,
    })
}

/// One upstream failure of an account.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// Legacy account type text (`claude-official` …).
    pub account_type: &'a str,
    /// Account id.
    pub account_id: &'a str,
    /// Upstream status, or the one that a timeout stands for.
    pub status: u16,
    /// Seconds that the vendor asked for, see [`retry_after`].
    pub hint_seconds: Option<i64>,
}

/// What a failure does to the account's cool-down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The mark and its line of history, or the removal of an old mark when the account is exempt.
    /// Empty for statuses that do not cool down.
    pub cmds: Vec<Cmd>,
    /// Length of the cool-down in seconds; `None` leaves the mark as it is, 0 removes it.
    pub seconds: Option<i64>,
}

/// Cools the account down as its policy and the vendor's hint say.
pub fn mark(
    failure: Failure<'_>,
    policy: CooldownPolicy,
    times: &CooldownTimes,
    now_ms: i64,
) -> Mark {
    let Failure { account_type, account_id, status, hint_seconds } = failure;
    let Some(class) = error_class(status) else { return Mark::default() };
    let key = mark_key(account_type, account_id);
    let override_seconds = match class {
        _ if policy.disabled => Some(0),
        "service_unavailable" => policy.on_503,
        "server_error" => policy.on_5xx,
        _ => None,
    };
    let seconds = match (override_seconds, hint_seconds) {
        (Some(0), _) => return Mark { cmds: vec![Cmd::new("DEL").arg(key)], seconds: Some(0) },
        (Some(seconds), _) => seconds,
        (None, Some(hint)) if hint > 0 => hint.min(times.max_custom),
        _ => match class {
            "overload" => times.overload,
            "service_unavailable" => times.service_unavailable,
            "timeout" => times.timeout,
            "auth_error" => times.auth_error,
            "rate_limit" => times.rate_limit,
            _ => times.server_error,
        },
    };
    let value = json!({
        "statusCode": status,
        "errorType": class,
        "markedAt": iso(now_ms),
        "ttlSeconds": seconds,
        "cooldownSeconds": seconds,
        "expiresAt": iso(now_ms + seconds * 1000),
    });
    let mut cmds = vec![Cmd::new("SETEX").arg(key).arg(seconds).arg(value.to_string())];
    cmds.extend(history(account_type, account_id, status, class, None, now_ms));
    Mark { cmds, seconds: Some(seconds) }
}

/// Commands that add one line to the account's error history.
/// `error_body` is cut to 2,000 UTF-16 units as JavaScript counts.
pub fn history(
    account_type: &str,
    account_id: &str,
    status: u16,
    error_type: &str,
    error_body: Option<&str>,
    now_ms: i64,
) -> Vec<Cmd> {
    let context = error_body.map_or(Value::Null, |body| {
        let units: Vec<u16> = body.encode_utf16().take(BODY_MAX).collect();
        json!({ "errorBody": String::from_utf16_lossy(&units) })
    });
    let line = json!({
        "time": iso(now_ms),
        "status": status,
        "errorType": error_type,
        "context": context,
    });
    let key = history_key(account_type, account_id);
    vec![
        Cmd::new("LPUSH").arg(&key).arg(line.to_string()),
        Cmd::new("LTRIM").arg(&key).arg(0_i64).arg(HISTORY_MAX - 1),
        Cmd::new("EXPIRE").arg(&key).arg(HISTORY_SECONDS),
    ]
}

/// Seconds until a vendor says that a limit ends, from its response headers.
///
/// `anthropic-ratelimit-unified-reset` is read as a date text, as the legacy service does; the vendor
/// sends Unix seconds there, which is no date text, so that header never counts in practice.
pub fn retry_after<'a>(header: impl Fn(&str) -> Option<&'a str>, now_ms: i64) -> Option<i64> {
    let until = |text: &str| {
        let left = js::date_ms(text)? - now_ms;
        // Rounded up to full seconds.
        let seconds = left.div_euclid(1000) + i64::from(left.rem_euclid(1000) > 0);
        (seconds > 0).then_some(seconds)
    };
    let seconds = |text: &str| parse_int(text).filter(|seconds| *seconds > 0);
    header("retry-after")
        .and_then(|text| seconds(text).or_else(|| until(text)))
        .or_else(|| header("anthropic-ratelimit-unified-reset").and_then(until))
        .or_else(|| {
            let hint = header("x-ratelimit-reset-requests")
                .filter(|text| !text.is_empty())
                .or_else(|| header("x-codex-ratelimit-reset"))?;
            seconds(hint)
        })
}

#[cfg(test)]
mod tests;
