//! Waiting for a slot (contract/auth-limits-usage.md §7.1): polled with growing, jittered pauses, not in
//! order of arrival.
//!
//! The count of waiting requests goes down on every way out, also when the client leaves and the call is
//! dropped.

use std::{sync::Arc, time::Duration};

use compat::{
    admission::{Admission, Verdict},
    concurrency,
    queue::{self, QueueEvent},
    relay_config::RequestQueue,
    store::StoreError,
};
use rand::Rng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    ApiKeySnapshot, Ask, Keys, LeasePlan, Refusal, Rejection, Slot, SlotKeeper, limits::refused,
};

/// Tells that the client has left.
pub type Gone = CancellationToken;

const FIRST_PAUSE_MS: f64 = 200.0;
const MAX_PAUSE_MS: f64 = 2000.0;
const GROWTH: f64 = 1.5;
const JITTER: f64 = 0.2;
const DEFAULT_REDIS_FAILURES: u32 = 5;
const DEFAULT_HEALTH_THRESHOLD: f64 = 0.8;

/// A request in the queue; leaving it takes one off the count, whichever way.
struct Waiting {
    keeper: Arc<SlotKeeper>,
    key_id: String,
    /// Whether it was counted, as far as is known.
    counted: bool,
    /// The client went away: set until another outcome is known.
    cancelled: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.counted {
            return;
        }
        let mut batch = compat::store::Batch::from(queue::leave(&self.key_id));
        if self.cancelled {
            batch.cmds.extend(queue::note(&self.key_id, QueueEvent::Cancelled).cmds);
        }
        self.keeper.note(batch);
    }
}

impl Keys {
    /// Waits for a slot after a first attempt that found `taken` slots taken, its own included. Returns
    /// the slot and the time waited in milliseconds.
    pub(super) async fn wait_for_slot(
        &self,
        key: &ApiKeySnapshot,
        ask: Ask<'_>,
        plan: LeasePlan,
        taken: i64,
    ) -> Result<(Slot, i64), Rejection> {
        let (queue, key_id, limit) =
            (&ask.config.request_queue, &key.record.id, key.record.concurrency_limit);
        if !queue.enabled {
            return Err(Refusal::Concurrency { current: taken - 1, limit }.into());
        }
        let most = queue.max_waiting(limit);
        self.check_health(key_id, queue, limit, most).await?;
        let mut waiting = self.enter(key_id, queue, limit, most).await?;
        let start = Instant::now();
        let outcome = self.poll(key_id, queue, limit, plan, start, ask.gone).await;
        waiting.cancelled = matches!(outcome, Err(Outcome::Gone));
        drop(waiting);
        let waited_ms = elapsed_ms(start);
        let reject = |refusal| Err(Rejection { refusal, queued: true });
        match outcome {
            Ok(slot) => {
                self.keeper.note(queue::note_success(key_id, waited_ms));
                if ask.gone.is_cancelled() {
                    return reject(Refusal::ClientGone);
                }
                Ok((slot, waited_ms))
            }
            Err(Outcome::Gone) => reject(Refusal::ClientGone),
            Err(Outcome::Redis) => reject(Refusal::QueueBackend),
            Err(Outcome::Timeout) => {
                self.keeper.note(queue::note(key_id, QueueEvent::Timeout));
                reject(Refusal::QueueTimeout {
                    limit,
                    most,
                    timeout_ms: queue.timeout_ms,
                    waited_ms,
                })
            }
        }
    }

    /// Turns the request away when the queue is more than half full and moves too slowly. A failure to
    /// tell does not stand in the way.
    async fn check_health(
        &self,
        key_id: &str,
        queue: &RequestQueue,
        limit: i64,
        most: f64,
    ) -> Result<(), Rejection> {
        if !queue.health_check {
            return Ok(());
        }
        let read = self.store.run(queue::read_health(key_id)).await.and_then(queue::health);
        let Ok(health) = read else { return Ok(()) };
        #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
        let waiting = health.waiting as f64;
        if health.waiting == 0 || waiting <= (most * 0.5).ceil() {
            return Ok(());
        }
        let Some(estimate_ms) = queue::p90(&health.waits_ms) else { return Ok(()) };
        let threshold = if queue.health_threshold == 0.0 {
            DEFAULT_HEALTH_THRESHOLD
        } else {
            queue.health_threshold
        };
        if estimate_ms >= queue.timeout_ms * threshold {
            self.keeper.note(queue::note(key_id, QueueEvent::RejectedOverload));
            return Err(Refusal::QueueOverloaded {
                limit,
                waiting: health.waiting,
                most,
                estimate_ms,
                timeout_ms: queue.timeout_ms,
            }
            .into());
        }
        Ok(())
    }

    async fn enter(
        &self,
        key_id: &str,
        queue: &RequestQueue,
        limit: i64,
        most: f64,
    ) -> Result<Waiting, Rejection> {
        // Made before the command is sent, so that a call dropped in between is counted out again.
        let mut waiting = Waiting {
            keeper: Arc::clone(&self.keeper),
            key_id: key_id.to_owned(),
            counted: true,
            cancelled: true,
        };
        let entered = self.store.run(queue::enter(key_id, queue.timeout_ms).into()).await;
        let count = entered.and_then(|mut replies| {
            replies.pop().ok_or_else(|| StoreError::Shape("no reply".into()))?.int()
        });
        waiting.cancelled = false;
        // After a failure the count is left to its lifetime, as nobody knows whether it went up.
        waiting.counted = count.is_ok();
        let count = count.map_err(|error| refused(&error, false))?;
        #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
        if count as f64 > most {
            let timeout_ms = queue.timeout_ms;
            return Err(Refusal::QueueFull { limit, waiting: count - 1, most, timeout_ms }.into());
        }
        self.keeper.note(queue::note(key_id, QueueEvent::Entered));
        waiting.cancelled = true;
        Ok(waiting)
    }

    async fn poll(
        &self,
        key_id: &str,
        queue: &RequestQueue,
        limit: i64,
        plan: LeasePlan,
        start: Instant,
        gone: &Gone,
    ) -> Result<Slot, Outcome> {
        let most_failures = match queue.max_redis_failures {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturates"
            )]
            failures if failures != 0.0 => failures.ceil() as u32,
            _ => DEFAULT_REDIS_FAILURES,
        };
        let (mut failures, mut pause_ms) = (0, FIRST_PAUSE_MS);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a wait")]
        while (elapsed_ms(start) as f64) < queue.timeout_ms {
            if gone.is_cancelled() {
                return Err(Outcome::Gone);
            }
            match self.try_slot(key_id, limit, plan).await {
                Ok(Some(slot)) => return Ok(slot),
                Ok(None) => failures = 0,
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, failures, key = key_id, "a waiting request could not ask for its slot");
                    if failures >= most_failures {
                        return Err(Outcome::Redis);
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs_f64(pause_ms / 1000.0)) => {}
                () = gone.cancelled() => return Err(Outcome::Gone),
            }
            let grown = pause_ms * GROWTH;
            let spread = grown * JITTER * rand::rng().random_range(-1.0..1.0);
            pause_ms = (grown + spread).clamp(1.0, MAX_PAUSE_MS);
        }
        Err(Outcome::Timeout)
    }

    /// One attempt; a failed one leaves nothing behind, so that waiting requests do not get in each
    /// other's way.
    async fn try_slot(
        &self,
        key_id: &str,
        limit: i64,
        plan: LeasePlan,
    ) -> Result<Option<Slot>, StoreError> {
        let slot = self.keeper.hold(concurrency::api_key(key_id), plan);
        let admission = Admission {
            key_id,
            member: slot.member(),
            now_ms: self.clock.now_ms(),
            concurrency_limit: limit,
            lease: plan.lease,
            window: None,
            counters: &[],
        };
        let answer = self.ask(&admission).await?;
        if answer.verdict == Verdict::Admitted {
            slot.confirm();
            return Ok(Some(slot));
        }
        slot.forget();
        Ok(None)
    }
}

enum Outcome {
    Gone,
    Redis,
    Timeout,
}

fn elapsed_ms(start: Instant) -> i64 {
    i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX)
}
