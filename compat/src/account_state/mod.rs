//! How the legacy service moves accounts between states: pure rules from a record and a moment to the
//! fields to write (contract/anthropic.md §4.3–§5.1, contract/openai-azure-droid.md §2–§4).
//!
//! The legacy service rewrites whole records; a [`Patch`] here has the fields that such a rewrite would
//! change, nothing more. No rule runs a command or reads a clock.

pub mod ccr;
pub mod console;
pub mod official;
pub mod openai;
pub mod responses;

use crate::{
    clock::LocalCalendar,
    js, number,
    pool::{DayUsage, Entry, Patch},
};

/// Model families with a limit of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Opus.
    Opus,
    /// Sonnet.
    Sonnet,
    /// Haiku.
    Haiku,
    /// Fable.
    Fable,
}

impl Family {
    /// Family of a model name (its `ccr,` prefix does not matter); `None` when no family is named.
    pub fn of(model: &str) -> Option<Self> {
        let model = model.to_lowercase();
        let base = match model.trim().strip_prefix("ccr,") {
            Some(base) => base,
            None => model.as_str(),
        };
        [Self::Opus, Self::Sonnet, Self::Haiku, Self::Fable]
            .into_iter()
            .find(|family| base.contains(family.as_str()))
    }

    /// Name in record fields.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Sonnet => "sonnet",
            Self::Haiku => "haiku",
            Self::Fable => "fable",
        }
    }

    /// Field with the time of the limit.
    pub fn limited_at_field(self) -> &'static str {
        match self {
            Self::Opus => "opusRateLimitedAt",
            Self::Sonnet => "sonnetRateLimitedAt",
            Self::Haiku => "haikuRateLimitedAt",
            Self::Fable => "fableRateLimitedAt",
        }
    }

    /// Field with the end of the limit.
    pub fn limit_end_field(self) -> &'static str {
        match self {
            Self::Opus => "opusRateLimitEndAt",
            Self::Sonnet => "sonnetRateLimitEndAt",
            Self::Haiku => "haikuRateLimitEndAt",
            Self::Fable => "fableRateLimitEndAt",
        }
    }
}

/// Whether a temporary state holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not in that state.
    Off,
    /// In it.
    On,
    /// Its time is over; the next check lifts it.
    Elapsed,
}

impl Phase {
    fn until(end_ms: Option<i64>, now_ms: i64) -> Self {
        // An unreadable end never comes, as in comparisons with an invalid date.
        if end_ms.is_some_and(|end| now_ms >= end) { Self::Elapsed } else { Self::On }
    }
}

/// What a day's usage of an account costs; implemented by the price list.
pub trait UsageCost: Send + Sync {
    /// Cost in US dollars.
    fn cost(&self, usage: &DayUsage) -> f64;
}

/// Cost of all models of one day, added in the order given.
pub fn day_cost(usage: &[DayUsage], prices: &dyn UsageCost) -> f64 {
    usage.iter().map(|usage| prices.cost(usage)).sum()
}

/// `$1.50 / $2.00`, as in messages about quotas.
fn quota_text(cost: f64, quota: f64) -> String {
    format!("Daily quota exceeded: ${} / ${}", js::to_fixed(cost, 2), js::to_fixed(quota, 2))
}

fn minutes(entry: &Entry, field: &str, default: i64) -> i64 {
    number::parse_int(entry.get(field)).unwrap_or(default)
}

/// Adds the minutes that a state lasts to its start; an unreadable start gives no end.
fn end_after(start: &str, minutes: i64) -> Option<i64> {
    js::date_ms(start).map(|start| start.saturating_add(minutes.saturating_mul(60_000)))
}

/// What a moment means to the rules: the clock and the operator's calendar.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Epoch milliseconds.
    pub now_ms: i64,
    /// Local calendar of quotas.
    pub calendar: LocalCalendar,
}

/// A change and whether operators should hear of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Fields to write.
    pub patch: Patch,
    /// The change is worth a message.
    pub notable: bool,
}
