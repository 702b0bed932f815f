//! Request slots that are given back exactly once, whatever happens to the request.
//!
//! A [`Slot`] only marks itself as free when dropped; the [`SlotKeeper`]'s loop tells Redis, retries
//! during an outage for as long as the lease would last, and renews the leases of running requests. The
//! loop's work is bounded by the number of open requests. Leases of other processes are never touched.

use std::{
    collections::{HashMap, VecDeque},
    fmt, mem,
    sync::Arc,
    time::Duration,
};

use compat::{
    clock::Clock,
    concurrency::{self, Lease},
    store::{Batch, Cmd, Reply, Store},
};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Pipelines are cut at this many commands.
const BATCH_MAX: usize = 256;
/// Statistics that wait to be sent; the oldest are dropped beyond this.
const NOTES_MAX: usize = 4096;
/// Slots whose acquisition got no answer are given back again after these pauses, in milliseconds: on a
/// connection given up, the acquisition may reach Redis after the first return.
const AGAIN_MS: [i64; 3] = [1000, 4000, 16_000];
/// Slots that wait to be given back again; the oldest are left to their lease beyond this.
const AGAIN_MAX: usize = 4096;
const RETRY_PAUSE: Duration = Duration::from_millis(250);
const RENEWAL_CHECK: Duration = Duration::from_secs(1);

/// How a slot's lease is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeasePlan {
    /// The lease.
    pub lease: Lease,
    /// Pause between renewals, in milliseconds; 0 never renews.
    pub renew_every_ms: i64,
    /// Renewals after which the slot is given back although the request runs on; `None` for no end.
    pub max_renewals: Option<i64>,
}

impl LeasePlan {
    /// An API key's slot: 300 s, renewed every 30 s for `lifetime_minutes`
    /// (`CONCURRENCY_MAX_LIFETIME_MINUTES`).
    pub fn api_key(lifetime_minutes: i64) -> Self {
        let renew_every_ms = 30_000;
        let lifetime_ms = lifetime_minutes.saturating_mul(60_000);
        let max_renewals =
            lifetime_ms / renew_every_ms + i64::from(lifetime_ms % renew_every_ms != 0);
        Self { lease: Lease::API_KEY, renew_every_ms, max_renewals: Some(max_renewals) }
    }

    /// A console account's slot of a streamed request: 600 s, renewed every 5 minutes.
    pub fn console_stream() -> Self {
        Self { lease: Lease::CONSOLE_ACCOUNT, renew_every_ms: 300_000, max_renewals: None }
    }

    /// A console account's slot of a plain request: 600 s, not renewed.
    pub fn console_plain() -> Self {
        Self { lease: Lease::CONSOLE_ACCOUNT, renew_every_ms: 0, max_renewals: None }
    }
}

/// A slot of one request. Dropping it gives the slot back.
pub struct Slot {
    keeper: Arc<SlotKeeper>,
    id: u64,
    member: String,
}

/// Keeps the slots of this process. Its loop ([`SlotKeeper::run`]) must be running.
pub struct SlotKeeper {
    store: Arc<dyn Store>,
    clock: Clock,
    state: Mutex<State>,
    work: Notify,
}

#[derive(Default)]
struct State {
    next_id: u64,
    live: HashMap<u64, Held>,
    give_back: Vec<GiveBack>,
    again: VecDeque<GiveBack>,
    notes: VecDeque<Batch>,
    dropped_notes: u64,
}

struct Held {
    key: String,
    member: String,
    /// Redis answered the acquisition.
    confirmed: bool,
    plan: LeasePlan,
    renewals: i64,
    renew_at_ms: i64,
    lease_ends_ms: i64,
}

/// Something to return to Redis; harmless to send twice, pointless after `until_ms`.
struct GiveBack {
    what: What,
    until_ms: i64,
    /// Not before this.
    due_ms: i64,
    /// Further returns to come, the longest pauses last.
    again: &'static [i64],
}

enum What {
    Slot { key: String, member: String },
    Other(Cmd),
}

// === impl Slot ===

impl Slot {
    /// The request's name among the slots.
    pub fn member(&self) -> &str {
        &self.member
    }

    /// Notes that Redis has answered the acquisition.
    pub(super) fn confirm(&self) {
        if let Some(held) = self.keeper.state.lock().live.get_mut(&self.id) {
            held.confirmed = true;
        }
    }

    /// Gives the slot back now; dropping it later changes nothing.
    pub fn give_back(&self) {
        self.keeper.free(self.id);
    }

    /// Forgets the slot without telling Redis, which has already taken it back.
    pub(super) fn forget(self) {
        self.keeper.state.lock().live.remove(&self.id);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.keeper.free(self.id);
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("member", &self.member).finish_non_exhaustive()
    }
}

// === impl SlotKeeper ===

impl SlotKeeper {
    /// A keeper on this store: the one that acquires, so that a release cannot overtake its acquisition.
    pub fn new(store: Arc<dyn Store>, clock: Clock) -> Arc<Self> {
        Arc::new(Self { store, clock, state: Mutex::default(), work: Notify::new() })
    }

    /// Watches over a slot under `key` (see [`compat::concurrency`]). Call it before the command that
    /// acquires is sent: from here on the slot is given back on every way out.
    pub fn hold(self: &Arc<Self>, key: String, plan: LeasePlan) -> Slot {
        let member = uuid::Uuid::new_v4().to_string();
        let now = self.clock.now_ms();
        let mut state = self.state.lock();
        state.next_id += 1;
        let id = state.next_id;
        let held = Held {
            key,
            member: member.clone(),
            confirmed: false,
            plan,
            renewals: 0,
            renew_at_ms: now + plan.renew_every_ms,
            lease_ends_ms: now + plan.lease.ms,
        };
        state.live.insert(id, held);
        Slot { keeper: Arc::clone(self), id, member }
    }

    /// The clock leases go by.
    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Slots that this process holds under `key`.
    pub fn held(&self, key: &str) -> usize {
        self.state.lock().live.values().filter(|held| held.key == key).count()
    }

    /// Slots that this process holds, and returns that Redis has not confirmed.
    pub fn load(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.live.len(), state.give_back.len())
    }

    /// Sends a command that returns something; repeated during an outage until `until_ms`.
    pub(super) fn return_later(&self, cmd: Cmd, until_ms: i64) {
        let once = GiveBack { what: What::Other(cmd), until_ms, due_ms: 0, again: &[] };
        self.state.lock().give_back.push(once);
        self.work.notify_one();
    }

    /// Sends commands nobody waits for, once. Dropped (oldest first) when 4,096 batches wait.
    pub(super) fn note(&self, batch: Batch) {
        let mut state = self.state.lock();
        if state.notes.len() >= NOTES_MAX {
            state.notes.pop_front();
            state.dropped_notes += 1;
        }
        state.notes.push_back(batch);
        drop(state);
        self.work.notify_one();
    }

    /// The loop: gives slots back and renews leases until `stop`, then until every slot is back. The
    /// caller ends it by force if that takes too long; what is left then expires with its lease.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut tick = tokio::time::interval(RENEWAL_CHECK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if stop.is_cancelled() && self.is_idle() {
                return;
            }
            tokio::select! {
                () = self.work.notified() => {}
                _ = tick.tick() => {
                    self.renew().await;
                    self.take_up_again();
                }
                () = stop.cancelled(), if !stop.is_cancelled() => {}
            }
            self.send_notes().await;
            if !self.give_back().await {
                tokio::time::sleep(RETRY_PAUSE).await;
                self.work.notify_one();
            }
        }
    }

    /// Moves the repeated returns that are due to the others.
    fn take_up_again(&self) {
        let now = self.clock.now_ms();
        let mut state = self.state.lock();
        let (due, later): (VecDeque<_>, VecDeque<_>) =
            mem::take(&mut state.again).into_iter().partition(|item| item.due_ms <= now);
        state.give_back.extend(due);
        state.again = later;
    }

    fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.live.is_empty() && state.give_back.is_empty() && state.notes.is_empty()
    }

    fn free(&self, id: u64) {
        let mut state = self.state.lock();
        let Some(held) = state.live.remove(&id) else { return };
        state.give_back.push(held.into());
        drop(state);
        self.work.notify_one();
    }

    /// Sends pending returns; `false` when Redis could not be asked and some are left.
    async fn give_back(&self) -> bool {
        loop {
            let now = self.clock.now_ms();
            let pending = {
                let mut state = self.state.lock();
                let mut pending = mem::take(&mut state.give_back);
                pending.retain(|item| item.until_ms > now);
                let rest = pending.split_off(pending.len().min(BATCH_MAX));
                state.give_back = rest;
                pending
            };
            if pending.is_empty() {
                return true;
            }
            let batch: Batch = pending.iter().map(|item| item.command(now)).collect();
            if let Err(error) = self.store.run(batch.repeatable()).await {
                tracing::warn!(%error, count = pending.len(), "slots could not be given back yet");
                self.state.lock().give_back.extend(pending);
                return false;
            }
            let mut state = self.state.lock();
            for mut item in pending {
                let Some((pause, rest)) = item.again.split_first() else { continue };
                (item.due_ms, item.again) = (now + pause, rest);
                if state.again.len() >= AGAIN_MAX {
                    state.again.pop_front();
                }
                state.again.push_back(item);
            }
        }
    }

    async fn send_notes(&self) {
        let notes = mem::take(&mut self.state.lock().notes);
        for note in notes {
            if let Err(error) = self.store.run(note).await {
                tracing::warn!(%error, "queue statistics were lost");
            }
        }
    }

    /// Renews what is due. A lease that is gone is not made again; a slot past its last renewal is given
    /// back while its request runs on.
    pub(super) async fn renew(&self) {
        let now = self.clock.now_ms();
        let mut batch = Batch::new();
        {
            let mut state = self.state.lock();
            let mut over = Vec::new();
            for (id, held) in &mut state.live {
                if held.plan.renew_every_ms == 0 || now < held.renew_at_ms {
                    continue;
                }
                held.renewals += 1;
                held.renew_at_ms += held.plan.renew_every_ms;
                if held.plan.max_renewals.is_some_and(|most| held.renewals > most) {
                    over.push(*id);
                    continue;
                }
                held.lease_ends_ms = now + held.plan.lease.ms;
                batch.push(concurrency::refresh(&held.key, &held.member, now, held.plan.lease));
            }
            for id in over {
                if let Some(held) = state.live.remove(&id) {
                    tracing::warn!(key = held.key, "a slot was held too long and is given back");
                    state.give_back.push(held.into());
                }
            }
        }
        if batch.is_empty() {
            return;
        }
        match self.store.run(batch.repeatable()).await {
            Ok(replies) => {
                let lost = replies.iter().filter(|reply| **reply == Reply::Int(0)).count();
                if lost > 0 {
                    tracing::debug!(lost, "leases were gone when they should be renewed");
                }
            }
            Err(error) => tracing::warn!(%error, "leases could not be renewed"),
        }
    }
}

impl From<Held> for GiveBack {
    fn from(held: Held) -> Self {
        Self {
            what: What::Slot { key: held.key, member: held.member },
            until_ms: held.lease_ends_ms,
            due_ms: 0,
            again: if held.confirmed { &[] } else { &AGAIN_MS },
        }
    }
}

impl GiveBack {
    fn command(&self, now_ms: i64) -> Cmd {
        match &self.what {
            What::Slot { key, member } => concurrency::release(key, member, now_ms),
            What::Other(cmd) => cmd.clone(),
        }
    }
}
