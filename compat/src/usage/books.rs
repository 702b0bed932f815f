//! Where finished requests are booked: the seam between billing and what becomes of an event.
//!
//! A service books in its [`Ledger`](super::Ledger). A run without side effects books in
//! [`ScratchBooks`], straight into the store that it was given.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::{LedgerStatus, Ticket, UsageEvent, UsageSettings, WriteSet};
use crate::store::{Batch, Store};

/// Takes usage events and brings them to a store.
pub trait Books: Send + Sync + 'static {
    /// Takes an event without waiting.
    fn append(&self, event: UsageEvent) -> Ticket;

    /// Waits until the event is in the store; during an outage as long as the outage.
    fn settled(&self, ticket: Ticket) -> BoxFuture<'_, ()>;

    /// Waits until everything taken so far is in the store.
    fn flushed(&self) -> BoxFuture<'_, ()>;

    /// Figures for health checks and metrics.
    fn status(&self) -> LedgerStatus;
}

/// Books without a journal. Events wait in memory until somebody asks for them to be settled; the owner
/// calls [`Books::flushed`] in the end. The store is one in memory, so nothing is lost by that.
pub struct ScratchBooks {
    settings: UsageSettings,
    store: Arc<dyn Store>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: WriteSet,
    last: u64,
    booked: u64,
}

impl ScratchBooks {
    /// Books into this store.
    pub fn new(settings: UsageSettings, store: Arc<dyn Store>) -> Self {
        Self { settings, store, state: Mutex::default() }
    }

    async fn flush(&self) {
        let waiting = std::mem::take(&mut self.state.lock().waiting);
        if waiting.is_empty() {
            return;
        }
        let events = waiting.len() as u64;
        let mut batch = Batch::new();
        batch.cmds = waiting.change(&self.settings).commands();
        match self.store.run(batch).await {
            Ok(_) => self.state.lock().booked += events,
            Err(error) => tracing::warn!(%error, "usage of a run without effects was not booked"),
        }
    }
}

impl Books for ScratchBooks {
    fn append(&self, event: UsageEvent) -> Ticket {
        let mut state = self.state.lock();
        state.waiting.add(&event, &self.settings);
        state.last += 1;
        Ticket::numbered(state.last)
    }

    fn settled(&self, _: Ticket) -> BoxFuture<'_, ()> {
        Box::pin(self.flush())
    }

    fn flushed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.flush())
    }

    fn status(&self) -> LedgerStatus {
        let state = self.state.lock();
        let backlog = state.waiting.len() as u64;
        LedgerStatus { backlog, booked: state.booked, ..LedgerStatus::default() }
    }
}
