//! What one served request changes in Redis: counters, costs, records, events.
//!
//! A [`UsageEvent`] holds everything that is known about a finished request. A [`WriteSet`] merges events
//! into one net change, the same that the legacy service makes for each of them (contract/redis.md §d).
//! The [`Ledger`] keeps events on disk until Redis has them, exactly once. Prices are computed elsewhere;
//! nothing here judges limits.

mod amount;
mod books;
mod counters;
mod entries;
mod event;
mod ledger;
mod model;
mod stats;
#[cfg(test)]
pub(crate) mod tests;
mod write_set;

use crate::clock::LocalCalendar;

pub use books::{Books, ScratchBooks};
pub use event::{
    CostBreakdown, DetailCapture, KeyRef, Recording, RequestMeta, TokenCounts, UsageEvent,
    WindowCharge,
};
pub use ledger::{Ledger, LedgerConfig, LedgerError, LedgerStatus, Ticket};
pub use model::{is_claude_family, normalized};
pub use stats::{StatsOptions, usage_stats};
pub use write_set::{Change, WriteSet};

/// Settings that shape the keys.
#[derive(Clone, Copy, Debug)]
pub struct UsageSettings {
    /// Local dates in keys (`TIMEZONE_OFFSET`).
    pub calendar: LocalCalendar,
    /// `METRICS_WINDOW`, minutes; minute counters live twice as long. Default 5.
    pub metrics_window_minutes: i64,
    /// Whether `billing:events` is fed (`BILLING_EVENTS_ENABLED` is not `false`).
    pub billing_events: bool,
}

impl Default for UsageSettings {
    fn default() -> Self {
        Self {
            calendar: LocalCalendar::from_setting(None),
            metrics_window_minutes: 5,
            billing_events: true,
        }
    }
}
