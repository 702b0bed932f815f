//! What both directions of an exchange look at.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{
    Forwarder,
    observe::{Observed, Observer},
};

/// Most bytes read from either side at once; the only buffer of a direction.
pub(super) const READ: usize = 16 * 1024;

/// State of one exchange.
pub(super) struct Shared<'a> {
    pub observed: Mutex<Observed>,
    /// The request was passed on whole.
    pub sent: AtomicBool,
    /// Its framing was broken; Node judges, and neither connection is used again.
    pub broken: AtomicBool,
    /// The client said that it sends no more.
    pub half_open: AtomicBool,
    /// Milliseconds since `began`, plus 1, since when it has been Node's turn; 0: it is the client's.
    pub nodes_turn: AtomicU64,
    pub began: Instant,
    pub forwarder: &'a Forwarder,
}

impl<'a> Shared<'a> {
    pub fn new(forwarder: &'a Forwarder, observer: Option<Box<dyn Observer>>) -> Self {
        Self {
            observed: Mutex::new(Observed::new(observer)),
            sent: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            half_open: AtomicBool::new(false),
            nodes_turn: AtomicU64::new(1),
            began: Instant::now(),
            forwarder,
        }
    }

    pub fn turn(&self, nodes: bool) {
        let now = if nodes { self.elapsed() + 1 } else { 0 };
        if !self.has_answered() {
            self.nodes_turn.store(now, Ordering::Relaxed);
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    /// Node's answer has begun: its time is not measured any more.
    pub fn answered(&self) {
        self.nodes_turn.store(u64::MAX, Ordering::Relaxed);
    }

    pub fn has_answered(&self) -> bool {
        self.nodes_turn.load(Ordering::Relaxed) == u64::MAX
    }

    /// How long Node may still take; `None` when its time is over.
    pub fn patience(&self) -> Option<Duration> {
        let limit = self.forwarder.head_timeout;
        let since = match self.nodes_turn.load(Ordering::Relaxed) {
            0 => return Some(limit),
            since => Duration::from_millis(self.elapsed().saturating_sub(since - 1)),
        };
        limit.checked_sub(since).filter(|left| !left.is_zero())
    }
}
