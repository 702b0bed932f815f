//! Books usage events exactly once, whatever dies in between.
//!
//! [`Ledger::append`] writes an event to a local journal and returns; [`Ledger::run`] merges what came in
//! and applies it to Redis by a script that compares and sets a marker, the number of the last entry
//! applied. A crash, a lost reply or an outage therefore neither loses an event nor counts it twice: what
//! the marker does not cover is applied again, what it covers is skipped.
//!
//! Entries survive the end of the process, not the loss of the machine's power within a flush window.
//! Own keys: `crs:rs:journal:{name}:{journal id}`, a string with a life of 30 days.

mod flush;
mod frame;
mod journal;
mod queue;
#[cfg(test)]
mod tests;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::{Notify, watch};

use self::{
    flush::Flusher,
    journal::{Adopted, Journal},
    queue::Queue,
};
use super::{Books, UsageEvent, UsageSettings};
use crate::store::Store;

/// How a ledger works.
#[derive(Clone, Debug)]
pub struct LedgerConfig {
    /// Name of this instance, for people: part of the marker's key.
    pub name: String,
    /// Directory of the journals; created when missing. Each process takes a folder of its own in it.
    pub dir: PathBuf,
    /// Longest an event waits for others to be merged with, under load.
    pub window: Duration,
    /// How long an event waits when nothing was flushed lately.
    pub quiet_delay: Duration,
    /// Most events kept in memory. When it is full, further events wait on disk alone; those that could
    /// not be written there either are lost and counted.
    pub memory_events: usize,
    /// Most bytes of journal on disk; beyond, events are kept in memory only.
    pub disk_bytes: u64,
}

impl LedgerConfig {
    /// The usual settings: flushes at most every 50 ms, 20,000 events in memory, 1 GiB on disk.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            name: "default".into(),
            dir: dir.into(),
            window: Duration::from_millis(50),
            quiet_delay: Duration::from_millis(2),
            memory_events: 20_000,
            disk_bytes: 1 << 30,
        }
    }
}

/// The journal could not be opened.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The directory cannot be used.
    #[error("usage journal in {}: {source}", dir.display())]
    Directory {
        /// Which directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Names an appended event; see [`Ledger::settled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

impl Ticket {
    /// Names the event with this number.
    pub(in crate::usage) fn numbered(number: u64) -> Self {
        Self(number)
    }
}

/// What operators should know about the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerStatus {
    /// Events not yet in Redis.
    pub backlog: u64,
    /// Events booked since start.
    pub booked: u64,
    /// Flushes since start.
    pub flushes: u64,
    /// Events that are (or were, when booked) in memory alone, because the journal could not be written.
    pub unsaved: u64,
    /// Events lost: neither memory nor disk could take them.
    pub lost: u64,
    /// Commands that Redis refused, e.g. for a key of the wrong type.
    pub refused: u64,
    /// Why the journal cannot be written, while it cannot.
    pub disk_problem: Option<String>,
    /// Why Redis cannot be written, while it cannot.
    pub redis_problem: Option<String>,
}

/// The ledger; cheap to share behind an `Arc`.
pub struct Ledger {
    config: LedgerConfig,
    settings: UsageSettings,
    store: Arc<dyn Store>,
    queue: Mutex<Queue>,
    adopted: Mutex<Vec<Adopted>>,
    /// Number of the last event in Redis.
    booked: watch::Sender<u64>,
    arrived: Notify,
    hurry: Notify,
    shared: Mutex<Shared>,
}

/// Figures kept by the flusher.
#[derive(Debug, Default)]
struct Shared {
    /// Events taken from the queue and not yet booked.
    in_flight: u64,
    booked: u64,
    flushes: u64,
    refused: u64,
    redis_problem: Option<String>,
}

impl Ledger {
    /// Opens or creates the journal. Entries left by an earlier life, and by other processes that are
    /// gone, are applied first once [`Ledger::run`] runs.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn open(
        config: LedgerConfig,
        settings: UsageSettings,
        store: Arc<dyn Store>,
    ) -> Result<Self, LedgerError> {
        let failed = |source| LedgerError::Directory { dir: config.dir.clone(), source };
        let (journal, adopted) = Journal::open(&config.dir, config.disk_bytes).map_err(failed)?;
        let queue = Queue::new(journal, config.memory_events);
        let (booked, _) = watch::channel(0);
        Ok(Self {
            config,
            settings,
            store,
            queue: Mutex::new(queue),
            adopted: Mutex::new(adopted),
            booked,
            arrived: Notify::new(),
            hurry: Notify::new(),
            shared: Mutex::default(),
        })
    }

    /// Takes an event: one short write to a local file, no waiting for Redis.
    pub fn append(&self, event: UsageEvent) -> Ticket {
        let payload = serde_json::to_vec(&event).unwrap_or_default();
        let number = self.queue.lock().append(event, &payload);
        self.arrived.notify_one();
        Ticket(number)
    }

    /// Waits until the event is in Redis, and has it flushed without delay. Needs [`Ledger::run`] to be
    /// running; during an outage of Redis this takes as long as the outage, so bound it.
    pub async fn settled(&self, ticket: Ticket) {
        let mut booked = self.booked.subscribe();
        if *booked.borrow() >= ticket.0 {
            return;
        }
        self.hurry.notify_one();
        let _ = booked.wait_for(|number| *number >= ticket.0).await;
    }

    /// Waits until everything appended so far is in Redis; see [`Ledger::settled`].
    pub async fn flushed(&self) {
        let newest = self.queue.lock().newest();
        self.settled(Ticket(newest)).await;
    }

    /// Figures for health checks and metrics.
    pub fn status(&self) -> LedgerStatus {
        let queue = self.queue.lock();
        let shared = self.shared.lock();
        LedgerStatus {
            backlog: queue.backlog() + shared.in_flight,
            booked: shared.booked,
            flushes: shared.flushes,
            unsaved: queue.unsaved(),
            lost: queue.lost(),
            refused: shared.refused,
            disk_problem: queue.disk_problem().map(str::to_owned),
            redis_problem: shared.redis_problem.clone(),
        }
    }

    /// Applies events to Redis until `shutdown` resolves, then what is left, as far as Redis answers.
    /// What stays in the journal is applied at the next start. Run it once.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) {
        Flusher::new(self).run(shutdown).await;
    }
}

impl Books for Ledger {
    fn append(&self, event: UsageEvent) -> Ticket {
        Self::append(self, event)
    }

    fn settled(&self, ticket: Ticket) -> BoxFuture<'_, ()> {
        Box::pin(Self::settled(self, ticket))
    }

    fn flushed(&self) -> BoxFuture<'_, ()> {
        Box::pin(Self::flushed(self))
    }

    fn status(&self) -> LedgerStatus {
        Self::status(self)
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("status", &self.status()).finish_non_exhaustive()
    }
}
