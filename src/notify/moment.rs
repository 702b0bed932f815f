//! The moment of a notice, in the two spellings of the legacy service.

use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{Offset, TimeZone},
};

/// Where the operator's clocks stand.
#[derive(Clone, Debug)]
pub struct Locale {
    /// `TIMEZONE_OFFSET`, hours east of UTC: dates in data.
    pub offset_hours: i32,
    /// `SYSTEM_TIMEZONE`: dates in texts for people.
    pub zone: TimeZone,
}

impl Locale {
    /// Zones by their settings. A zone that nobody knows is the offset; the legacy service sends no text
    /// at all then.
    pub fn new(offset_hours: i32, zone: &str) -> Self {
        let fixed = || TimeZone::fixed(offset(offset_hours));
        Self { offset_hours, zone: TimeZone::get(zone).unwrap_or_else(|_| fixed()) }
    }
}

/// A point in time and where its reader is.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Epoch milliseconds.
    pub at_ms: i64,
    /// The operator's clocks.
    pub locale: &'a Locale,
}

impl Moment<'_> {
    /// `2026-03-06T00:07:09+08:00`.
    pub fn iso_local(self) -> String {
        let hours = self.locale.offset_hours;
        let at = offset(hours).to_datetime(self.timestamp());
        let sign = if hours < 0 { '-' } else { '+' };
        format!("{}T{}{sign}{:02}:00", date(at), time(at), hours.abs())
    }

    /// `2026/3/6 00:07:09`.
    pub fn shown(self) -> String {
        let at = self.timestamp().to_zoned(self.locale.zone.clone()).datetime();
        format!("{}/{}/{} {}", at.year(), at.month(), at.day(), time(at))
    }

    fn timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.at_ms).unwrap_or_default()
    }
}

fn offset(hours: i32) -> Offset {
    Offset::from_seconds(hours.saturating_mul(3600)).unwrap_or(Offset::UTC)
}

fn date(at: DateTime) -> String {
    format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.day())
}

fn time(at: DateTime) -> String {
    format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
}
