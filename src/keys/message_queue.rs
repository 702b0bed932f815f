//! One user message at a time per account (contract/auth-limits-usage.md §7.2).
//!
//! The relay takes a turn before it sends a user's message, and gives it back as soon as the upstream's
//! response headers have arrived; a forgotten turn goes back when dropped.

use std::{borrow::Cow, sync::Arc, time::Duration};

use compat::{
    relay_config::UserMessageQueue,
    store::{Store, StoreError},
    user_message::{self, Turn},
};
use rand::Rng;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::Instant;

use super::SlotKeeper;
use crate::error::Source;

const FIRST_PAUSE_MS: f64 = 50.0;
const MAX_PAUSE_MS: f64 = 500.0;
const GROWTH: f64 = 1.5;
const JITTER: std::ops::Range<f64> = 0.85..1.15;

/// Serialises user messages per account.
#[derive(Clone)]
pub struct MessageQueue {
    store: Arc<dyn Store>,
    keeper: Arc<SlotKeeper>,
}

/// The right to send a user message to an account.
#[must_use = "dropping it gives the turn back"]
pub struct MessageTurn {
    keeper: Arc<SlotKeeper>,
    account_id: String,
    request_id: String,
    ttl_ms: i64,
}

/// No turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TurnError {
    /// Others were before for too long.
    #[error("user message queue wait timeout")]
    Timeout,
    /// Redis failed.
    #[error("user message queue unavailable")]
    Backend,
}

impl MessageQueue {
    /// The queue on this store; turns go back through `keeper`.
    pub fn new(store: Arc<dyn Store>, keeper: Arc<SlotKeeper>) -> Self {
        Self { store, keeper }
    }

    /// Waits for the account's turn. `forced` switches the queue on for this account whatever the
    /// settings say (`maxConcurrency` > 0 of a Claude account). `None` when the queue is off. The
    /// caller has checked [`is_user_message`].
    ///
    /// # Errors
    /// When the wait was too long or Redis failed.
    pub async fn turn(
        &self,
        account_id: &str,
        settings: &UserMessageQueue,
        forced: bool,
    ) -> Result<Option<MessageTurn>, TurnError> {
        if !settings.enabled && !forced {
            return Ok(None);
        }
        let request_id = uuid::Uuid::new_v4().to_string();
        let ttl_ms = whole_ms(settings.lock_ttl_ms);
        // Made before the first attempt: whatever an attempt that was cut short took goes back.
        let turn = MessageTurn {
            keeper: Arc::clone(&self.keeper),
            account_id: account_id.to_owned(),
            request_id: request_id.clone(),
            ttl_ms,
        };
        let start = Instant::now();
        let left = || settings.timeout_ms - start.elapsed().as_secs_f64() * 1000.0;
        let mut held = 0;
        while left() > 0.0 {
            let cmd =
                user_message::acquire(account_id, &request_id, ttl_ms, whole_ms(settings.delay_ms));
            let reply = self.store.run(cmd.into()).await.and_then(|mut replies| {
                user_message::turn(
                    replies.pop().ok_or_else(|| StoreError::Shape("no reply".into()))?,
                )
            });
            let pause_ms = match reply {
                Ok(Turn::Taken) => return Ok(Some(turn)),
                #[expect(clippy::cast_precision_loss, reason = "a pause in milliseconds")]
                Ok(Turn::Pause(ms)) => (ms as f64).min(left()),
                Ok(Turn::Held) => {
                    let pause = (FIRST_PAUSE_MS * GROWTH.powi(held)).min(MAX_PAUSE_MS);
                    held += 1;
                    (pause * rand::rng().random_range(JITTER)).min(MAX_PAUSE_MS)
                }
                Err(error) => {
                    tracing::error!(%error, account = account_id, "user message queue failed");
                    return Err(TurnError::Backend);
                }
            };
            tokio::time::sleep(Duration::from_secs_f64(pause_ms.max(0.0) / 1000.0)).await;
        }
        Err(TurnError::Timeout)
    }
}

impl MessageTurn {
    /// Gives the turn back now.
    pub fn release(self) {}
}

impl Drop for MessageTurn {
    fn drop(&mut self) {
        let cmd = user_message::release(&self.account_id, &self.request_id);
        self.keeper.return_later(cmd, self.keeper.clock().now_ms() + self.ttl_ms);
    }
}

impl TurnError {
    /// HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Timeout => 503,
            Self::Backend => 500,
        }
    }

    /// The reply's header.
    pub fn header(self) -> (&'static str, &'static str) {
        ("x-user-message-queue-error", self.label())
    }

    /// JSON body; a streamed reply sends it as an `error` event followed by `[DONE]`.
    pub fn body(self) -> Value {
        let (code, message) = match self {
            Self::Timeout => {
                ("QUEUE_TIMEOUT", "User message queue wait timeout, please retry later")
            }
            Self::Backend => {
                ("QUEUE_BACKEND_ERROR", "Queue service temporarily unavailable, please retry later")
            }
        };
        json!({"type": "error", "error": {"type": self.label(), "code": code, "message": message}})
    }

    /// Fixed label for metrics; also the error type in the body.
    pub fn label(self) -> &'static str {
        match self {
            Self::Timeout => "queue_timeout",
            Self::Backend => "queue_backend_error",
        }
    }

    /// Whose fault it is.
    pub fn source(self) -> Source {
        Source::Internal
    }
}

/// Whether the last message is a user's own, not the result of a tool: its role, and the types of its
/// content blocks when the content is an array.
pub fn is_user_message<'a>(
    role: Option<&str>,
    block_types: impl IntoIterator<Item = Cow<'a, str>>,
) -> bool {
    role == Some("user")
        && !block_types.into_iter().any(|kind| matches!(&*kind, "tool_result" | "tool_use_result"))
}

#[expect(clippy::cast_possible_truncation, reason = "saturates; a setting of at most minutes")]
fn whole_ms(ms: f64) -> i64 {
    ms.trunc() as i64
}
