//! Takes events from the queue, merges them and applies them to Redis, in order, one batch at a time.

use std::{
    collections::{HashSet, VecDeque},
    pin::pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::time::sleep;

use super::{
    Ledger, UsageEvent,
    journal::{Adopted, Files},
    queue::Taken,
};
use crate::{
    keys,
    store::{Batch, Cmd, Reply, Script, StoreError},
    usage::{UsageSettings, WriteSet},
};

/// Most events in one batch.
const MAX_EVENTS: usize = 2000;
/// Most groups of counters in one batch; one group makes some 30 hashes, and Redis serves nobody
/// else while it fills them.
const MAX_GROUPS: usize = 150;
/// Life of the marker, seconds.
const MARKER_TTL: i64 = 30 * 86_400;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often a batch is tried after shutdown was asked for.
const LAST_TRIES: u32 = 3;

static APPLY: Script = Script {
    name: "usage.apply",
    source: concat!(include_str!("../touch.lua"), include_str!("apply.lua")),
};

type Numbered = (u64, UsageEvent);

/// The task behind [`Ledger::run`].
pub(super) struct Flusher<'a> {
    ledger: &'a Ledger,
    target: Target,
    /// Read from disk, not yet applied.
    ahead: VecDeque<Numbered>,
    last_flush: Option<Instant>,
}

/// One journal's place in Redis.
#[derive(Default)]
struct Target {
    /// Key of the marker.
    marker: String,
    /// What the marker holds, as far as known.
    expected: Option<String>,
    /// Entries up to this number may have been applied by an earlier life.
    recovered: u64,
}

/// What became of a batch.
enum Applied {
    Now { refused: Vec<String> },
    Before,
    Conflict(String),
}

/// Shutdown came before the batch could be applied.
struct GaveUp;

impl<'a> Flusher<'a> {
    pub(super) fn new(ledger: &'a Ledger) -> Self {
        let mut queue = ledger.queue.lock();
        let recovered = queue.recovered();
        let instance = queue.journal().instance().to_owned();
        drop(queue);
        let target = Target { marker: marker(ledger, &instance), expected: None, recovered };
        Self { ledger, target, ahead: VecDeque::new(), last_flush: None }
    }

    pub(super) async fn run(mut self, shutdown: impl Future<Output = ()> + Send) {
        let mut stop = Stop { asked: false, shutdown: pin!(shutdown) };
        let adopted = std::mem::take(&mut *self.ledger.adopted.lock());
        for journal in adopted {
            if self.drain(journal, &mut stop).await.is_err() {
                return;
            }
        }
        loop {
            if !stop.asked {
                self.gather(&mut stop).await;
            }
            let batch = self.take();
            if batch.is_empty() {
                if stop.asked {
                    return;
                }
                continue;
            }
            self.ledger.shared.lock().in_flight = (batch.len() + self.ahead.len()) as u64;
            let last = batch.last().map_or(0, |(number, _)| *number);
            let mut target = std::mem::take(&mut self.target);
            let booked = self.apply(batch, &mut target, &mut stop).await;
            self.target = target;
            let Ok(booked) = booked else { return };
            self.last_flush = Some(Instant::now());
            self.ledger.queue.lock().mark_applied(last);
            let mut shared = self.ledger.shared.lock();
            shared.in_flight = self.ahead.len() as u64;
            shared.booked += booked;
            shared.flushes += 1;
            drop(shared);
            self.ledger.booked.send_replace(last);
        }
    }

    /// Waits for an event and a little longer for others to join it.
    async fn gather(&mut self, stop: &mut Stop<'_, impl Future<Output = ()>>) {
        if self.ahead.is_empty() && self.ledger.queue.lock().is_empty() {
            tokio::select! {
                () = self.ledger.arrived.notified() => {}
                () = stop.wait() => return,
            }
        }
        if !self.ahead.is_empty() {
            return;
        }
        let config = &self.ledger.config;
        let since = self.last_flush.map_or(Duration::MAX, |at| at.elapsed());
        let delay = config.window.saturating_sub(since).max(config.quiet_delay);
        tokio::select! {
            () = sleep(delay) => {}
            () = self.ledger.hurry.notified() => {}
            () = stop.wait() => {}
        }
    }

    /// The oldest events, as many as may be applied at once.
    fn take(&mut self) -> Vec<Numbered> {
        if self.ahead.is_empty() {
            let taken = self.ledger.queue.lock().take(MAX_EVENTS);
            match taken {
                Taken::Events(events) => self.ahead.extend(events),
                Taken::OnDisk(files) => {
                    let found = files.read(MAX_EVENTS);
                    let last = found.last().map(|(number, _)| *number);
                    self.ledger.queue.lock().read_until(last, found.len());
                    self.ahead.extend(found);
                }
            }
        }
        let mut groups = HashSet::new();
        let count = self
            .ahead
            .iter()
            .take(MAX_EVENTS)
            .take_while(|(_, event)| {
                groups.insert((&event.key.id, &event.model, &event.account_id));
                groups.len() <= MAX_GROUPS
            })
            .count();
        self.ahead.drain(..count).collect()
    }

    /// Applies what another process left behind.
    async fn drain(
        &mut self,
        mut journal: Adopted,
        stop: &mut Stop<'_, impl Future<Output = ()>>,
    ) -> Result<(), GaveUp> {
        let marker = marker(self.ledger, journal.instance());
        let mut target = Target { marker, expected: None, recovered: u64::MAX };
        let mut at = journal.applied();
        loop {
            let files: Files = journal.files_after(at);
            let events = files.read(MAX_EVENTS);
            let Some((last, _)) = events.last() else { return Ok(()) };
            at = *last;
            tracing::info!(events = events.len(), "booking usage left by an earlier process");
            for some in events.chunks(MAX_GROUPS) {
                let booked = self.apply(some.to_vec(), &mut target, stop).await?;
                self.ledger.shared.lock().booked += booked;
            }
            journal.mark_applied(at);
        }
    }

    /// Applies a batch, however long it takes. Returns how many events were booked now.
    async fn apply(
        &mut self,
        mut events: Vec<Numbered>,
        target: &mut Target,
        stop: &mut Stop<'_, impl Future<Output = ()>>,
    ) -> Result<u64, GaveUp> {
        let mut pause = FIRST_PAUSE;
        let mut tries_left = LAST_TRIES;
        loop {
            if target.expected.is_some() && events.is_empty() {
                return Ok(0);
            }
            let problem = match self.attempt(&events, target).await {
                Ok(outcome) => {
                    self.note_redis(None);
                    if self.resolve(outcome, &mut events, target) {
                        return Ok(events.len() as u64);
                    }
                    continue;
                }
                Err(problem) => problem,
            };
            self.note_redis(Some(problem.to_string()));
            if stop.asked {
                tries_left = tries_left.saturating_sub(1);
                if tries_left == 0 {
                    tracing::warn!("usage stays in the journal until the next start");
                    return Err(GaveUp);
                }
            }
            // A wake-up by shutdown ends the pause, and from then on tries are counted.
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.wait(), if !stop.asked => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(
        &self,
        events: &[Numbered],
        target: &mut Target,
    ) -> Result<Applied, StoreError> {
        let Some(expected) = target.expected.clone() else {
            let reply = self.ask(Cmd::new("GET").arg(&target.marker)).await?;
            let found = reply.text()?.unwrap_or_default();
            return Ok(Applied::Conflict(found));
        };
        let last = last_number(events).to_string();
        let cmd = Cmd::script(&APPLY, [&target.marker])
            .arg(expected)
            .arg(&last)
            .arg(MARKER_TTL)
            .args(steps(events, &self.ledger.settings));
        let reply = self.ask(cmd).await?;
        let Reply::Array(mut items) = reply else {
            return Err(reply.int().err().unwrap_or(StoreError::Shape("no array".into())));
        };
        if items.is_empty() {
            return Err(StoreError::Shape("empty array".into()));
        }
        if items.remove(0) == Reply::Int(1) {
            let refused = items.into_iter().filter_map(|item| item.text().ok().flatten()).collect();
            return Ok(Applied::Now { refused });
        }
        let found = items.pop().map(Reply::text).transpose()?.flatten().unwrap_or_default();
        Ok(if found == last { Applied::Before } else { Applied::Conflict(found) })
    }

    /// Acts on an outcome; tells whether the batch is done.
    fn resolve(&self, outcome: Applied, events: &mut Vec<Numbered>, target: &mut Target) -> bool {
        let found = match outcome {
            Applied::Now { refused } => {
                self.note_refused(&refused);
                target.expected = Some(last_number(events).to_string());
                return true;
            }
            Applied::Before => {
                target.expected = Some(last_number(events).to_string());
                return true;
            }
            Applied::Conflict(found) => found,
        };
        // No marker: a new or emptied database, or a first start. An older one: a restored backup.
        let number = found.parse::<u64>().unwrap_or(0);
        let own_first = events.iter().map(|(n, _)| *n).find(|n| *n > target.recovered);
        if own_first.is_some_and(|first| number >= first) {
            tracing::warn!(
                "usage journal: another process writes under the same name; taking a new one"
            );
            let mut queue = self.ledger.queue.lock();
            queue.journal().rename_instance();
            target.marker = marker(self.ledger, queue.journal().instance());
            target.expected = Some(String::new());
        } else {
            target.expected = Some(found);
        }
        let recovered = target.recovered;
        events.retain(|(n, _)| *n > number || *n > recovered);
        false
    }

    async fn ask(&self, cmd: Cmd) -> Result<Reply, StoreError> {
        let batch = Batch { repeatable: true, ..Batch::from(cmd) };
        let reply = self.ledger.store.run(batch).await?.pop();
        match reply {
            Some(Reply::Error(message)) => Err(StoreError::Shape(message)),
            Some(reply) => Ok(reply),
            None => Err(StoreError::Shape("no reply".into())),
        }
    }

    fn note_refused(&self, refused: &[String]) {
        if let Some(first) = refused.first() {
            tracing::warn!(count = refused.len(), first, "redis refused usage commands");
            self.ledger.shared.lock().refused += refused.len() as u64;
        }
    }

    fn note_redis(&self, problem: Option<String>) {
        let mut shared = self.ledger.shared.lock();
        match (&shared.redis_problem, &problem) {
            (None, Some(error)) => {
                tracing::error!(error, "usage cannot be booked; it waits in the journal");
            }
            (Some(_), None) => tracing::info!("usage is booked again"),
            _ => {}
        }
        shared.redis_problem = problem;
    }
}

/// The request to stop, remembered once it came.
struct Stop<'p, F> {
    asked: bool,
    shutdown: std::pin::Pin<&'p mut F>,
}

impl<F: Future<Output = ()>> Stop<'_, F> {
    async fn wait(&mut self) {
        self.shutdown.as_mut().await;
        self.asked = true;
    }
}

fn marker(ledger: &Ledger, instance: &str) -> String {
    format!("{}journal:{}:{instance}", keys::OWN_NAMESPACE, ledger.config.name)
}

fn last_number(events: &[Numbered]) -> u64 {
    events.last().map_or(0, |(number, _)| *number)
}

/// The batch's net change as the script takes it.
fn steps(events: &[Numbered], settings: &UsageSettings) -> Vec<Bytes> {
    let mut set = WriteSet::default();
    events.iter().for_each(|(_, event)| set.add(event, settings));
    set.change(settings).steps()
}
