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
}
