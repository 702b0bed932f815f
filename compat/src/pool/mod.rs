//! A common view of all accounts that requests of one family can be relayed to, read from Redis in one
//! pipeline.
//!
//! [`AccountPool`] keeps the last [`Snapshot`] for a few milliseconds so that a burst of requests
//! shares one read; at low rates every request gets a snapshot whose reading began after it arrived.
//! It decides nothing about accounts and writes nothing by itself: index repairs that a reader of the
//! legacy service would make are handed out as commands ([`Snapshot::upkeep`]).

mod entry;
mod family;
mod load;
mod patch;
mod scan;
mod snapshot;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

pub use entry::{DayUsage, Entry, Fields, Kind, Leases, bedrock_order};
pub use family::{Family, Pools};
pub use patch::{Patch, replace_text};
pub use snapshot::{Group, Snapshot};

use crate::{
    clock::{Clock, LocalCalendar},
    crypto::Vault,
    store::{Cmd, Store, StoreError},
};

/// How long a need keeps widening later reads.
const NEED_LIFETIME: Duration = Duration::from_secs(60);
/// Needs kept at most; the oldest are forgotten first (they cost one more read when they return).
const NEEDS_MAX: usize = 4096;

/// How long own writes are remembered: longer than any read can be in flight.
const RECENT: Duration = Duration::from_secs(1);

/// Own writes wait at most this long before they are sent, unless [`AccountPool::landed`] says otherwise:
/// a read that began after such a write may come before it. Writes of others to the same field within this
/// time show with the read after next.
const QUEUED: Duration = Duration::from_millis(10);

/// Something that a request needs to find in its snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// All indexed accounts of a kind.
    List(Kind),
    /// One account by id, indexed or not.
    Account(Kind, Arc<str>),
    /// A group, its members, and their records.
    Group(Arc<str>),
}

/// Reads and keeps account snapshots.
pub struct AccountPool {
    family: Family,
    store: Arc<dyn Store>,
    clock: Clock,
    calendar: LocalCalendar,
    vault: Vault,
    state: Mutex<State>,
    /// Held while reading. Holds when the last read that got no answer began, and why.
    flight: tokio::sync::Mutex<Option<(Instant, StoreError)>>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<Snapshot>>,
    /// The last one that covered all needs known then: `current` may lack a list that nobody demanded of
    /// that read. For while Redis does not answer.
    whole: Option<Arc<Snapshot>>,
    needs: HashMap<Need, Instant>,
    /// Own writes that a read in flight may have missed, oldest first.
    recent: VecDeque<(Instant, Kind, Arc<str>, Own)>,
    /// Own writes up to the first moment were in Redis by the second.
    landed: Option<(Instant, Instant)>,
    /// Start of the running window and number of reads in it.
    window: Option<(Instant, u32)>,
}

/// An own write.
#[derive(Clone, Debug)]
enum Own {
    Fields(Patch),
    Cooldown(i64),
}

impl AccountPool {
    /// A pool over `store`; nothing is read yet.
    pub fn new(
        family: Family,
        store: Arc<dyn Store>,
        clock: Clock,
        calendar: LocalCalendar,
        vault: Vault,
    ) -> Self {
        let (state, flight) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { family, store, clock, calendar, vault, state, flight }
    }

    /// A snapshot that serves all `needs`. One round trip when the needs were known before or nothing
    /// new turned up; one more per step of discovery otherwise.
    ///
    /// # Errors
    /// When Redis does not answer and no snapshot younger than a minute covers the needs.
    pub async fn snapshot(&self, needs: &[Need]) -> Result<Arc<Snapshot>, StoreError> {
        let arrived = Instant::now();
        self.remember(needs, arrived);
        if let Some(shared) = self.shareable(needs, arrived) {
            return Ok(shared);
        }
        let mut failed = self.flight.lock().await;
        // Someone may have read on our behalf while we waited.
        if let Some(current) = self.current()
            && current.started >= arrived
            && current.covers(needs)
        {
            return Ok(current);
        }
        if let Some(shared) = self.shareable(needs, Instant::now()) {
            return Ok(shared);
        }
        // … or have waited for a silent Redis on our behalf: many requests do not wait one after another.
        if let Some((started, error)) = &*failed
            && *started >= arrived
        {
            return self.kept(needs).ok_or_else(|| error.clone());
        }
        let started = Instant::now();
        match self.read(needs).await {
            Ok(snapshot) => {
                *failed = None;
                Ok(snapshot)
            }
            Err(error) => {
                let silent = !matches!(error, StoreError::Shape(_));
                *failed = silent.then(|| (started, error.clone()));
                match self.kept(needs) {
                    Some(old) => {
                        tracing::warn!(%error, "accounts could not be read; using the last snapshot");
                        Ok(old)
                    }
                    None => Err(error),
                }
            }
        }
    }

    /// A snapshot of the last minute that covers the needs, the newest first.
    fn kept(&self, needs: &[Need]) -> Option<Arc<Snapshot>> {
        let state = self.state.lock();
        let kept = [&state.current, &state.whole]
            .into_iter()
            .flatten()
            .find(|old| old.started.elapsed() < Duration::from_secs(60) && old.covers(needs));
        kept.cloned()
    }

    /// The last snapshot, however old.
    pub fn current(&self) -> Option<Arc<Snapshot>> {
        self.state.lock().current.clone()
    }

    /// Makes the next request read anew. The last snapshot is kept for when Redis does not answer.
    pub fn expire(&self) {
        self.state.lock().window = None;
    }

    /// Applies an own write to the kept snapshot and to a read in flight, ahead of Redis.
    pub fn apply(&self, kind: Kind, id: &Arc<str>, patch: &Patch) {
        self.note(kind, id, Own::Fields(patch.clone()));
    }

    /// Likewise for a cool-down mark: its seconds, or -2 when it was removed.
    pub fn apply_cooldown(&self, kind: Kind, id: &Arc<str>, ttl_s: i64) {
        self.note(kind, id, Own::Cooldown(ttl_s));
    }

    /// Redis has every own write that was noted until then.
    pub fn landed(&self, until: Instant) {
        self.state.lock().landed = Some((until, Instant::now()));
    }

    fn note(&self, kind: Kind, id: &Arc<str>, own: Own) {
        let mut state = self.state.lock();
        let now = Instant::now();
        // Only the front can be old: a look through all of them would cost more than the request.
        while state.recent.front().is_some_and(|(at, ..)| now.duration_since(*at) >= RECENT) {
            state.recent.pop_front();
        }
        let whole = state.whole.as_ref();
        let other = whole.filter(|w| state.current.as_ref().is_none_or(|c| !Arc::ptr_eq(c, w)));
        for kept in state.current.iter().chain(other) {
            kept.change(kind, id, &own);
        }
        state.recent.push_back((now, kind, id.clone(), own));
    }

    /// Keeps later reads wide enough for these needs, which the last snapshot already served.
    pub fn remember_needs(&self, needs: &[Need]) {
        self.remember(needs, Instant::now());
    }

    fn remember(&self, needs: &[Need], now: Instant) {
        let mut state = self.state.lock();
        for need in needs {
            match state.needs.get_mut(need) {
                Some(at) => *at = now,
                None => {
                    if state.needs.len() >= NEEDS_MAX
                        && let Some(oldest) = state
                            .needs
                            .iter()
                            .min_by_key(|(_, at)| **at)
                            .map(|(need, _)| need.clone())
                    {
                        state.needs.remove(&oldest);
                    }
                    state.needs.insert(need.clone(), now);
                }
            }
        }
    }

    /// The current snapshot if it may be shared: fresh, covering, and the window's reads are used up.
    fn shareable(&self, needs: &[Need], now: Instant) -> Option<Arc<Snapshot>> {
        let mut state = self.state.lock();
        let current = state.current.clone()?;
        let size = current.len();
        let keep = keep_for(size);
        match state.window {
            Some((start, reads)) if now.saturating_duration_since(start) < keep => {
                let fresh = now.saturating_duration_since(current.started) < keep;
                (reads >= reads_per_window(size) && fresh && current.covers(needs))
                    .then_some(current)
            }
            _ => {
                state.window = Some((now, 0));
                None
            }
        }
    }

    async fn read(&self, demanded: &[Need]) -> Result<Arc<Snapshot>, StoreError> {
        let started = Instant::now();
        let needs: Vec<Need> = {
            let mut state = self.state.lock();
            state.needs.retain(|_, at| started.duration_since(*at) < NEED_LIFETIME);
            if let Some((_, reads)) = &mut state.window {
                *reads += 1;
            }
            state.needs.keys().cloned().collect()
        };
        let previous = self.current();
        let now_ms = self.clock.now_ms();
        let today = self.calendar.date(now_ms);
        let loaded = load::Loader::new(&*self.store, self.family, &needs, demanded, now_ms, today)
            .run(previous.as_deref())
            .await?;
        let mut state = self.state.lock();
        let snapshot = Arc::new(loaded.into_snapshot(started, now_ms, &self.vault));
        let landed = state.landed.filter(|(_, by)| *by <= started).map(|(until, _)| until);
        let missed = state.recent.partition_point(|(at, ..)| {
            *at + QUEUED < started || landed.is_some_and(|until| *at <= until)
        });
        for (_, kind, id, own) in state.recent.range(missed..) {
            snapshot.change(*kind, id, own);
        }
        state.current = Some(snapshot.clone());
        if snapshot.covers(&needs) {
            state.whole = Some(snapshot.clone());
        }
        Ok(snapshot)
    }
}

/// Commands that put an account into its kind's index and remove the mark of an empty index.
pub fn index_repair(kind: Kind, id: &str) -> [Cmd; 2] {
    let mark = format!("{}:empty", kind.index_key());
    [Cmd::new("SADD").arg(kind.index_key()).arg(id), Cmd::new("DEL").arg(mark)]
}

/// How long a snapshot of `size` accounts may be shared: 50 ms, longer for large pools, at most 1 s.
fn keep_for(size: usize) -> Duration {
    Duration::from_millis(u64::try_from(size).unwrap_or(u64::MAX).clamp(50, 1000))
}

/// Reads that a window may cost before its requests share: many for small pools, so that slow traffic
/// always sees the latest state.
fn reads_per_window(size: usize) -> u32 {
    u32::try_from(400 / size.max(1)).unwrap_or(1).clamp(1, 8)
}
