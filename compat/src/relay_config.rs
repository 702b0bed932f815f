//! The operator's relay settings, `claude_relay_config` (contract/redis.md §j): stored JSON merged over
//! defaults.

use serde_json::{Map, Value};

use crate::number::parse_int;

/// Key of the stored JSON.
pub const KEY: &str = "claude_relay_config";

/// Shown to a client whose bound session cannot be served, unless configured.
pub const DEFAULT_BINDING_MESSAGE: &str = "你的本地session已污染，请清理后使用。";

/// Settings in effect. Names as in the JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct RelayConfig {
    /// `claudeCodeOnlyEnabled`.
    pub claude_code_only: bool,
    /// `globalSessionBindingEnabled`, for messages.
    pub session_binding: bool,
    /// The same for token counting, which takes any value that is not falsy.
    pub session_binding_for_counting: bool,
    /// `sessionBindingErrorMessage`; where the operator's may not be empty, see
    /// [`RelayConfig::binding_message`].
    pub session_binding_message: String,
    /// `sessionBindingTtlDays`.
    pub session_binding_ttl_days: f64,
    /// `userMessageQueue…`.
    pub user_message_queue: UserMessageQueue,
    /// `concurrentRequestQueue…`.
    pub request_queue: RequestQueue,
    /// `requestDetailCaptureEnabled`.
    pub detail_capture: bool,
    /// `requestDetailRetentionHours`, read as a whole number; not yet bounded.
    pub detail_retention_hours: i64,
    /// `requestDetailBodyPreviewEnabled`.
    pub detail_body_preview: bool,
}

/// Serialisation of user messages per account.
#[derive(Clone, Debug, PartialEq)]
pub struct UserMessageQueue {
    /// `…Enabled`.
    pub enabled: bool,
    /// `…DelayMs`, pause between two messages.
    pub delay_ms: f64,
    /// `…TimeoutMs`, longest wait.
    pub timeout_ms: f64,
    /// `…LockTtlMs`.
    pub lock_ttl_ms: f64,
}

/// Waiting for a slot of an API key.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestQueue {
    /// `…Enabled`.
    pub enabled: bool,
    /// `…MaxSize`.
    pub max_size: f64,
    /// `…MaxSizeMultiplier`, times the key's concurrency limit.
    pub max_size_multiplier: f64,
    /// `…TimeoutMs`, longest wait.
    pub timeout_ms: f64,
    /// `…MaxRedisFailCount`; 0 counts as 5.
    pub max_redis_failures: f64,
    /// `…HealthCheckEnabled`.
    pub health_check: bool,
    /// `…HealthThreshold`; 0 counts as 0.8.
    pub health_threshold: f64,
}

impl RequestQueue {
    /// Most requests that may wait, for a key with this concurrency limit.
    pub fn max_waiting(&self, concurrency_limit: i64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "limits are small")]
        let by_limit = concurrency_limit as f64 * self.max_size_multiplier;
        by_limit.max(self.max_size)
    }
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self::from_fields(&Map::new())
    }
}

impl RelayConfig {
    /// Reads the stored text; missing or unreadable text gives the defaults.
    pub fn parse(text: Option<&str>) -> Self {
        match text.map(serde_json::from_str) {
            Some(Ok(Value::Object(fields))) => Self::from_fields(&fields),
            _ => Self::default(),
        }
    }

    /// The message about a bound session; an empty one is replaced.
    pub fn binding_message(&self) -> &str {
        match self.session_binding_message.as_str() {
            "" => DEFAULT_BINDING_MESSAGE,
            message => message,
        }
    }

    fn from_fields(fields: &Map<String, Value>) -> Self {
        let number = |name: &str, default: f64| match fields.get(name) {
            Some(Value::Number(number)) => number.as_f64().unwrap_or(default),
            Some(Value::String(text)) => text.trim().parse().unwrap_or(default),
            _ => default,
        };
        let truthy = |name: &str, default: bool| match fields.get(name) {
            None => default,
            Some(Value::Null) => false,
            Some(Value::Bool(yes)) => *yes,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::String(text)) => !text.is_empty(),
            Some(_) => true,
        };
        let strictly = |name: &str| fields.get(name) == Some(&Value::Bool(true));
        let whole = |name: &str, default: i64| match fields.get(name) {
            Some(Value::Number(number)) => parse_int(&number.to_string()).unwrap_or(default),
            Some(Value::String(text)) => parse_int(text).unwrap_or(default),
            _ => default,
        };
        let message = match fields.get("sessionBindingErrorMessage") {
            Some(Value::String(text)) => text.as_str(),
            _ => DEFAULT_BINDING_MESSAGE,
        };
        Self {
            claude_code_only: strictly("claudeCodeOnlyEnabled"),
            session_binding: strictly("globalSessionBindingEnabled"),
            session_binding_for_counting: truthy("globalSessionBindingEnabled", false),
            session_binding_message: message.to_owned(),
            session_binding_ttl_days: number("sessionBindingTtlDays", 1.0),
            user_message_queue: UserMessageQueue {
                enabled: truthy("userMessageQueueEnabled", false),
                delay_ms: number("userMessageQueueDelayMs", 200.0),
                timeout_ms: number("userMessageQueueTimeoutMs", 60_000.0),
                lock_ttl_ms: number("userMessageQueueLockTtlMs", 120_000.0),
            },
            request_queue: RequestQueue {
                enabled: truthy("concurrentRequestQueueEnabled", false),
                max_size: number("concurrentRequestQueueMaxSize", 3.0),
                max_size_multiplier: number("concurrentRequestQueueMaxSizeMultiplier", 0.0),
                timeout_ms: number("concurrentRequestQueueTimeoutMs", 10_000.0),
                max_redis_failures: number("concurrentRequestQueueMaxRedisFailCount", 5.0),
                health_check: truthy("concurrentRequestQueueHealthCheckEnabled", true),
                health_threshold: number("concurrentRequestQueueHealthThreshold", 0.8),
            },
            detail_capture: strictly("requestDetailCaptureEnabled"),
            detail_retention_hours: whole("requestDetailRetentionHours", 6),
            detail_body_preview: strictly("requestDetailBodyPreviewEnabled"),
        }
    }
}
