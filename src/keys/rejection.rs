//! Refusals, with the exact replies of the legacy service (contract/auth-limits-usage.md §1.5, §1.7,
//! §7.1).

mod body;

use thiserror::Error;

use super::restriction::{RouteFamily, Service};
use crate::error::Source;

/// A refusal, and whether the request had waited in the queue before it.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{}", refusal.label())]
pub struct Rejection {
    /// Why.
    pub refusal: Refusal,
    /// A request that was queued gets `Connection: close`.
    pub queued: bool,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// No key was presented.
    MissingKey,
    /// The key is too short or too long.
    KeyLength,
    /// The key is not valid.
    InvalidKey(KeyFault),
    /// Redis is down and the key was not validated lately.
    Unavailable,
    /// The client is not on the key's list.
    ClientNotAllowed {
        /// The list.
        allowed: Vec<String>,
        /// The client's user agent, after the browser rewrite.
        user_agent: String,
    },
    /// Only Claude Code may use the route.
    ClaudeCodeOnly,
    /// All slots are taken and waiting is off.
    Concurrency {
        /// Slots taken by others.
        current: i64,
        /// Limit.
        limit: i64,
    },
    /// The queue moves too slowly.
    QueueOverloaded {
        /// Limit on slots.
        limit: i64,
        /// Requests that wait.
        waiting: i64,
        /// Most that may.
        most: f64,
        /// 90th percentile of waiting times, ms.
        estimate_ms: f64,
        /// Longest wait, ms.
        timeout_ms: f64,
    },
    /// The queue is full.
    QueueFull {
        /// Limit on slots.
        limit: i64,
        /// Requests that wait.
        waiting: i64,
        /// Most that may.
        most: f64,
        /// Longest wait, ms.
        timeout_ms: f64,
    },
    /// No slot came free in time.
    QueueTimeout {
        /// Limit on slots.
        limit: i64,
        /// Most requests that may wait.
        most: f64,
        /// Longest wait, ms.
        timeout_ms: f64,
        /// Time waited, ms.
        waited_ms: i64,
    },
    /// Redis failed too often while waiting.
    QueueBackend,
    /// The client left while waiting; there is no one to answer.
    ClientGone,
    /// The request window is used up.
    Window {
        /// What is used up.
        spent: Spent,
        /// End of the window, epoch milliseconds.
        reset_at_ms: i64,
        /// Until then, minutes, rounded up.
        remaining_minutes: i64,
    },
    /// The daily cost limit is reached.
    DailyCost {
        /// Cost so far, USD.
        cost: f64,
        /// Limit, USD.
        limit: f64,
        /// Next midnight, epoch milliseconds.
        reset_at_ms: i64,
    },
    /// The total cost limit is reached.
    TotalCost {
        /// Cost so far, USD.
        cost: f64,
        /// Limit, USD.
        limit: f64,
    },
    /// The weekly limit on Claude models is reached.
    WeeklyCost {
        /// Cost so far, USD.
        cost: f64,
        /// Limit, USD.
        limit: f64,
        /// Start of the key's next week, epoch milliseconds.
        reset_at_ms: i64,
    },
    /// The key has no permission for the service.
    Permission {
        /// Route.
        family: RouteFamily,
        /// Service.
        service: Service,
    },
    /// The key may not use the model.
    Model {
        /// Route.
        family: RouteFamily,
        /// Model as asked for.
        model: String,
    },
    /// A check could not be made for another reason than an outage.
    Internal,
}

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyFault {
    /// It does not start with the prefix.
    Format,
    /// No such key.
    NotFound,
    /// Switched off.
    Disabled,
    /// Past its end of life.
    Expired,
    /// Its owner is gone or switched off.
    UserDisabled,
    /// Its owner's record cannot be read.
    UserUnreadable,
    /// Its record cannot be read.
    Internal,
}

/// What of a request window is used up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spent {
    /// Requests.
    Requests {
        /// So far.
        count: i64,
        /// Limit.
        limit: i64,
    },
    /// Tokens.
    Tokens {
        /// So far.
        count: i64,
        /// Limit.
        limit: i64,
    },
    /// Rated cost, USD.
    Cost {
        /// So far.
        cost: f64,
        /// Limit.
        limit: f64,
    },
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, queued: false }
    }
}

impl Rejection {
    /// HTTP status; 499 for a client that left, which nobody sees.
    pub fn status(&self) -> u16 {
        match &self.refusal {
            Refusal::MissingKey | Refusal::KeyLength | Refusal::InvalidKey(_) => 401,
            Refusal::DailyCost { .. } | Refusal::TotalCost { .. } | Refusal::WeeklyCost { .. } => {
                402
            }
            Refusal::ClientNotAllowed { .. }
            | Refusal::ClaudeCodeOnly
            | Refusal::Permission { .. }
            | Refusal::Model { .. } => 403,
            Refusal::Concurrency { .. }
            | Refusal::QueueOverloaded { .. }
            | Refusal::QueueFull { .. }
            | Refusal::QueueTimeout { .. }
            | Refusal::Window { .. } => 429,
            Refusal::ClientGone => 499,
            Refusal::Internal => 500,
            Refusal::Unavailable | Refusal::QueueBackend => 503,
        }
    }

    /// Headers beyond the usual ones.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if self.queued {
            headers.push(("Connection", "close".to_owned()));
        }
        if let Some(seconds) = self.refusal.retry_after_s() {
            headers.push(("Retry-After", seconds.to_string()));
        }
        headers
    }

    /// JSON body.
    pub fn body(&self) -> serde_json::Value {
        body::render(&self.refusal)
    }

    /// Fixed label for metrics and traces.
    pub fn label(&self) -> &'static str {
        self.refusal.label()
    }

    /// Whose fault it is.
    pub fn source(&self) -> Source {
        match self.refusal {
            Refusal::Internal
            | Refusal::Unavailable
            | Refusal::QueueBackend
            | Refusal::InvalidKey(KeyFault::Internal | KeyFault::UserUnreadable) => {
                Source::Internal
            }
            _ => Source::Client,
        }
    }

    /// Whether there is nobody left to answer.
    pub fn is_silent(&self) -> bool {
        self.refusal == Refusal::ClientGone
    }
}

impl Refusal {
    fn label(&self) -> &'static str {
        match self {
            Self::MissingKey => "missing_key",
            Self::KeyLength => "key_length",
            Self::InvalidKey(fault) => fault.label(),
            Self::Unavailable => "redis_unavailable",
            Self::ClientNotAllowed { .. } => "client_not_allowed",
            Self::ClaudeCodeOnly => "claude_code_only",
            Self::Concurrency { .. } => "concurrency_limit",
            Self::QueueOverloaded { .. } => "queue_overloaded",
            Self::QueueFull { .. } => "queue_full",
            Self::QueueTimeout { .. } => "queue_timeout",
            Self::QueueBackend => "queue_backend",
            Self::ClientGone => "client_gone",
            Self::Window { spent: Spent::Requests { .. }, .. } => "window_requests",
            Self::Window { spent: Spent::Tokens { .. }, .. } => "window_tokens",
            Self::Window { spent: Spent::Cost { .. }, .. } => "window_cost",
            Self::DailyCost { .. } => "daily_cost",
            Self::TotalCost { .. } => "total_cost",
            Self::WeeklyCost { .. } => "weekly_cost",
            Self::Permission { .. } => "permission",
            Self::Model { .. } => "model_restricted",
            Self::Internal => "authentication_error",
        }
    }

    fn retry_after_s(&self) -> Option<i64> {
        match self {
            Self::Concurrency { .. } => Some(1),
            Self::QueueOverloaded { .. } => Some(OVERLOAD_RETRY_S),
            Self::QueueFull { timeout_ms, .. } => Some(seconds(*timeout_ms)),
            Self::QueueTimeout { timeout_ms, .. } => Some(timeout_retry_s(*timeout_ms)),
            Self::Unavailable => Some(UNAVAILABLE_RETRY_S),
            _ => None,
        }
    }
}

impl KeyFault {
    fn label(self) -> &'static str {
        match self {
            Self::Format => "key_format",
            Self::NotFound => "key_not_found",
            Self::Disabled => "key_disabled",
            Self::Expired => "key_expired",
            Self::UserDisabled => "user_disabled",
            Self::UserUnreadable => "user_unreadable",
            Self::Internal => "key_unreadable",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Format => "Invalid API key format",
            Self::NotFound => "API key not found",
            Self::Disabled => "API key is disabled",
            Self::Expired => "API key has expired",
            Self::UserDisabled => "User account is disabled",
            Self::UserUnreadable => "Unable to validate user status",
            Self::Internal => "Internal validation error",
        }
    }
}

const OVERLOAD_RETRY_S: i64 = 30;
const UNAVAILABLE_RETRY_S: i64 = 5;

/// Whole seconds, rounded up.
#[expect(clippy::cast_possible_truncation, reason = "saturates; a setting of at most minutes")]
fn seconds(ms: f64) -> i64 {
    (ms / 1000.0).ceil() as i64
}

/// After a full wait in vain: half the wait, between 5 and 30 s.
fn timeout_retry_s(timeout_ms: f64) -> i64 {
    let seconds = seconds(timeout_ms);
    (seconds / 2 + seconds % 2).clamp(5, 30)
}
