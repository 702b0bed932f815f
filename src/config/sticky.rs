//! Sticky sessions.

use super::reader::Reader;

/// Life and renewal of the session-to-account mapping.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StickyConfig {
    /// `STICKY_SESSION_TTL_HOURS` (1, fractions allowed).
    pub ttl_hours: f64,
    /// `STICKY_SESSION_RENEWAL_THRESHOLD_MINUTES` (0 = never renew).
    pub renewal_threshold_minutes: i64,
}

impl StickyConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Self {
        Self {
            ttl_hours: reader.float_or("STICKY_SESSION_TTL_HOURS", 1.0),
            renewal_threshold_minutes: reader.int_or("STICKY_SESSION_RENEWAL_THRESHOLD_MINUTES", 0),
        }
    }

    /// Life of a mapping in seconds, at least 1.
    pub fn ttl_seconds(&self) -> u64 {
        // A float-to-int cast saturates, so absurd hours stay a number.
        (self.ttl_hours * 3600.0).floor().max(1.0) as u64
    }

    /// A mapping with less than this many seconds left is renewed on use; `None` = never.
    pub fn renewal_threshold_seconds(&self) -> Option<u64> {
        match self.renewal_threshold_minutes {
            0 => None,
            minutes => Some(u64::try_from(minutes).unwrap_or(0).saturating_mul(60)),
        }
    }
}
