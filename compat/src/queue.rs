//! The queue of requests that wait for a slot (contract/redis.md §e): a counter per key, statistics and
//! samples of waiting times.

use crate::{
    lua,
    store::{Batch, Cmd, Reply, StoreError},
};

/// Seconds a counter outlives the longest wait.
const COUNTER_GRACE_S: i64 = 30;
const STATS_TTL_S: i64 = 7 * 86_400;
const WAITS_TTL_S: i64 = 86_400;
const WAITS_PER_KEY: i64 = 500;
const WAITS_GLOBAL: i64 = 2000;

/// What happened to a request in the queue; the field of the statistics hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueEvent {
    /// It began to wait.
    Entered,
    /// It got a slot.
    Success,
    /// It waited in vain.
    Timeout,
    /// The client left.
    Cancelled,
    /// It was turned away because the queue moves too slowly.
    RejectedOverload,
}

impl QueueEvent {
    /// Field name.
    pub fn field(self) -> &'static str {
        match self {
            Self::Entered => "entered",
            Self::Success => "success",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::RejectedOverload => "rejected_overload",
        }
    }
}

/// Counts one more waiting request; the reply is how many wait. `timeout_ms` is the longest wait.
pub fn enter(key_id: &str, timeout_ms: f64) -> Cmd {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates, and the setting is at most minutes"
    )]
    let seconds = (timeout_ms / 1000.0).ceil() as i64;
    Cmd::script(&lua::QUEUE_ENTER, [counter(key_id)]).arg(seconds.saturating_add(COUNTER_GRACE_S))
}

/// One request less waits; the reply is how many are left.
pub fn leave(key_id: &str) -> Cmd {
    Cmd::script(&lua::QUEUE_LEAVE, [counter(key_id)])
}

/// How many wait, and the samples of their waiting times (read with [`health`]).
pub fn read_health(key_id: &str) -> Batch {
    [
        Cmd::new("GET").arg(counter(key_id)),
        Cmd::new("LRANGE")
            .arg(format!("concurrency:queue:wait_times:{key_id}"))
            .arg(0_i64)
            .arg(-1_i64),
    ]
    .into_iter()
    .collect()
}

/// Waiting requests and waiting-time samples (ms).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueHealth {
    /// Requests that wait.
    pub waiting: i64,
    /// Waiting times, newest first.
    pub waits_ms: Vec<f64>,
}

/// Reads the replies to [`read_health`].
///
/// # Errors
/// When Redis refused a command.
pub fn health(replies: Vec<Reply>) -> Result<QueueHealth, StoreError> {
    let mut replies = replies.into_iter();
    let mut next = || replies.next().ok_or_else(|| StoreError::Shape("queue health".into()));
    let waiting = next()?.text()?.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let waits_ms = next()?.texts()?.iter().map(|text| text.parse().unwrap_or(f64::NAN)).collect();
    Ok(QueueHealth { waiting, waits_ms })
}

/// Nearest-rank 90th percentile; `None` with fewer than ten samples, which say nothing.
pub fn p90(waits_ms: &[f64]) -> Option<f64> {
    if waits_ms.len() < 10 {
        return None;
    }
    let mut sorted = waits_ms.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * 90).div_ceil(100);
    sorted.get(rank - 1).copied()
}

/// Adds to the statistics of a key.
pub fn note(key_id: &str, event: QueueEvent) -> Batch {
    let key = format!("concurrency:queue:stats:{key_id}");
    let mut batch = Batch::atomic();
    batch.push(Cmd::new("HINCRBY").arg(&key).arg(event.field()).arg(1_i64));
    batch.push(Cmd::new("EXPIRE").arg(&key).arg(STATS_TTL_S));
    batch
}

/// A request got its slot after `waited_ms`: both sample lists and the statistics.
pub fn note_success(key_id: &str, waited_ms: i64) -> Batch {
    let mut batch = note(key_id, QueueEvent::Success);
    for (owner, most) in [(key_id, WAITS_PER_KEY), ("global", WAITS_GLOBAL)] {
        let key = format!("concurrency:queue:wait_times:{owner}");
        batch.push(Cmd::new("LPUSH").arg(&key).arg(waited_ms));
        batch.push(Cmd::new("LTRIM").arg(&key).arg(0_i64).arg(most - 1));
        batch.push(Cmd::new("EXPIRE").arg(&key).arg(WAITS_TTL_S));
    }
    batch
}

fn counter(key_id: &str) -> String {
    format!("concurrency:queue:{key_id}")
}

#[cfg(test)]
mod tests;
