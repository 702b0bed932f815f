//! Request size, concurrency leases and the wait queue.

use std::time::Duration;

use super::{ConfigError, reader::Reader};

/// Limits that apply before or beside an API key's own.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// `REQUEST_MAX_SIZE_MB` (100) in MiB, compared with `content-length`. Legacy quirks: 0 refuses
    /// every body, and text that is no number (`None`) switches the check off.
    pub request_max_mib: Option<i64>,
    /// `CONCURRENCY_MAX_LIFETIME_MINUTES` (10): a slot is given back after this much renewal.
    pub concurrency_max_lifetime: Duration,
    /// `CLEAR_CONCURRENCY_QUEUES_ON_STARTUP` (true): reset wait-queue counters at start.
    pub clear_queues_on_start: bool,
    /// `METRICS_WINDOW` (5 minutes): system metrics live twice as long.
    pub metrics_window_minutes: u64,
    /// `BILLING_EVENTS_ENABLED` (true): write `billing:events`.
    pub billing_events: bool,
    /// `CRS_AZURE_EXACT_USAGE` (false): charge Azure's cached input once and read events of any size.
    pub azure_exact_usage: bool,
    /// `CLEANUP_INTERVAL` (3600000 ms): how often expired data is swept.
    pub cleanup_interval: Duration,
}

impl LimitsConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, ConfigError> {
        let minutes = reader.count("CONCURRENCY_MAX_LIFETIME_MINUTES", 10, 525_600)?;
        let window = reader.count("METRICS_WINDOW", 5, 525_600)?;
        Ok(Self {
            request_max_mib: js::parse_int_decimal(&reader.text("REQUEST_MAX_SIZE_MB", "100")),
            concurrency_max_lifetime: Duration::from_secs(u64::from(minutes) * 60),
            clear_queues_on_start: reader.is_not_false("CLEAR_CONCURRENCY_QUEUES_ON_STARTUP"),
            metrics_window_minutes: u64::from(window),
            billing_events: reader.is_not_false("BILLING_EVENTS_ENABLED"),
            azure_exact_usage: reader.is_true("CRS_AZURE_EXACT_USAGE"),
            cleanup_interval: reader.millis("CLEANUP_INTERVAL", 3_600_000)?,
        })
    }
}
