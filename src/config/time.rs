//! Time zones.

use super::{ConfigError, reader::Reader};

/// The zone of dates in Redis keys and in texts for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeConfig {
    /// `TIMEZONE_OFFSET` (8), whole hours east of UTC. Legacy quirk: 0 means 8.
    pub offset_hours: i32,
    /// `SYSTEM_TIMEZONE` (Asia/Shanghai): zone named in notifications.
    pub zone_name: String,
    /// `TZ` of the process, when set: the daily cost limit's `resetAt` is midnight in this zone.
    pub process_zone: Option<String>,
}

impl TimeConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, ConfigError> {
        let offset = reader.int_or("TIMEZONE_OFFSET", 8);
        let offset_hours = i32::try_from(offset)
            .ok()
            .filter(|hours| (-24..=24).contains(hours))
            .ok_or_else(|| ConfigError::Value {
                name: "TIMEZONE_OFFSET",
                value: reader.raw("TIMEZONE_OFFSET").unwrap_or_default(),
                expected: "whole hours east of UTC, from -24 to 24".into(),
            })?;
        Ok(Self {
            offset_hours,
            zone_name: reader.text("SYSTEM_TIMEZONE", "Asia/Shanghai"),
            process_zone: reader.optional("TZ"),
        })
    }
}
