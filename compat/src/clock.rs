//! Time, and the legacy service's shifted local calendar.
//!
//! Every "local" date in a Redis key is UTC plus a fixed number of whole hours
//! (`TIMEZONE_OFFSET`, contract/redis.md §0).

mod calendar;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

pub use calendar::{LocalCalendar, iso, minute_number, utc_date};

/// Source of the current time in epoch milliseconds; a manual one in tests.
#[derive(Clone)]
pub struct Clock(Inner);

#[derive(Clone)]
enum Inner {
    System,
    Shifted(i64),
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Inner::System)
    }

    /// The machine's clock, so many milliseconds off: for looking at what a later day would do.
    pub fn shifted(by_ms: i64) -> Self {
        Self(Inner::Shifted(by_ms))
    }

    /// A clock that stands still at `epoch_ms` until it is moved.
    pub fn manual(epoch_ms: i64) -> Self {
        Self(Inner::Manual(Arc::new(AtomicI64::new(epoch_ms))))
    }

    /// Now, in milliseconds since the epoch.
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Inner::System => system_ms(),
            Inner::Shifted(by_ms) => system_ms().saturating_add(*by_ms),
            Inner::Manual(at) => at.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock; does nothing on the system clock.
    pub fn advance_ms(&self, by: i64) {
        if let Inner::Manual(at) = &self.0 {
            at.fetch_add(by, Ordering::SeqCst);
        }
    }
}

fn system_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now_ms())
    }
}
