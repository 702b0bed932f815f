//! Dates as they appear in Redis keys and values: the shifted local calendar, and plain UTC.
//!
//! Pure arithmetic on epoch milliseconds; nothing here reads the clock or the process time zone.

use jiff::{Timestamp, civil::DateTime, tz::Offset};

use crate::number::parse_int;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const DEFAULT_OFFSET_HOURS: i64 = 8;

/// The legacy "local" calendar: UTC plus a fixed number of whole hours, no daylight saving
/// (contract/redis.md §0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalCalendar {
    offset_ms: i64,
}

impl LocalCalendar {
    /// A calendar `hours` ahead of UTC. 0 becomes 8, as the legacy service cannot be set to UTC.
    pub fn new(hours: i64) -> Self {
        let hours = if hours == 0 { DEFAULT_OFFSET_HOURS } else { hours };
        Self { offset_ms: hours.saturating_mul(HOUR_MS) }
    }

    /// Reads `TIMEZONE_OFFSET`: its leading integer counts (`5.5` is 5); missing, unreadable or 0 is 8.
    pub fn from_setting(text: Option<&str>) -> Self {
        Self::new(text.and_then(parse_int).unwrap_or(0))
    }

    /// Hours ahead of UTC.
    pub fn offset_hours(self) -> i64 {
        self.offset_ms / HOUR_MS
    }

    /// `YYYY-MM-DD`.
    pub fn date(self, epoch_ms: i64) -> String {
        date_text(self.local(epoch_ms))
    }

    /// `YYYY-MM`.
    pub fn month(self, epoch_ms: i64) -> String {
        let at = self.local(epoch_ms);
        format!("{}-{:02}", at.year(), at.month())
    }

    /// `YYYY-MM-DD:HH`, the hour part of hourly keys.
    pub fn hour(self, epoch_ms: i64) -> String {
        let at = self.local(epoch_ms);
        format!("{}:{:02}", date_text(at), at.hour())
    }

    /// Hour of the day, 0 to 23.
    pub fn hour_of_day(self, epoch_ms: i64) -> i64 {
        (epoch_ms + self.offset_ms).rem_euclid(DAY_MS) / HOUR_MS
    }

    /// Day of the week, 1 Monday to 7 Sunday.
    pub fn weekday(self, epoch_ms: i64) -> i64 {
        ((epoch_ms + self.offset_ms).div_euclid(DAY_MS) + 3).rem_euclid(7) + 1
    }

    /// Start of the weekly cost period that `epoch_ms` lies in, as its key part `YYYY-MM-DDTHH`.
    /// `reset_day` counts 1 Monday to 7 Sunday; on the reset day before `reset_hour` the previous week
    /// still counts.
    pub fn period(self, epoch_ms: i64, reset_day: i64, reset_hour: i64) -> String {
        let mut days = (self.weekday(epoch_ms) - reset_day + 7) % 7;
        if days == 0 && self.hour_of_day(epoch_ms) < reset_hour {
            days = 7;
        }
        let start = self.midnight(epoch_ms) - days * DAY_MS + reset_hour * HOUR_MS;
        let at = civil(start);
        format!("{}T{:02}", date_text(at), at.hour())
    }

    /// The instant (epoch ms) at which the current weekly cost period ends.
    pub fn next_reset_ms(self, epoch_ms: i64, reset_day: i64, reset_hour: i64) -> i64 {
        let mut days = (reset_day - self.weekday(epoch_ms) + 7) % 7;
        if days == 0 && self.hour_of_day(epoch_ms) >= reset_hour {
            days = 7;
        }
        self.midnight(epoch_ms) + days * DAY_MS + reset_hour * HOUR_MS - self.offset_ms
    }

    /// Number of the local hour, the same for all instants of one `YYYY-MM-DD:HH`.
    pub fn hour_number(self, epoch_ms: i64) -> i64 {
        (epoch_ms + self.offset_ms).div_euclid(HOUR_MS)
    }

    /// An instant (epoch ms) inside the local hour with that number.
    pub fn hour_start_ms(self, hour_number: i64) -> i64 {
        hour_number * HOUR_MS - self.offset_ms
    }

    /// Local midnight on the shifted scale.
    fn midnight(self, epoch_ms: i64) -> i64 {
        (epoch_ms + self.offset_ms).div_euclid(DAY_MS) * DAY_MS
    }

    fn local(self, epoch_ms: i64) -> DateTime {
        civil(epoch_ms.saturating_add(self.offset_ms))
    }
}

/// `YYYY-MM-DDTHH:mm:ss.sssZ`, the spelling of every date in a record. Years of more than four digits have a
/// sign and six, as in JavaScript.
pub fn iso(epoch_ms: i64) -> String {
    let mut text = String::with_capacity(27);
    // Dates repeat after 400 years; the calendar in use here ends with the year 9999.
    let cycles = match epoch_ms {
        ms if ms >= YEAR_9999_MS => (ms - YEAR_9999_MS) / CYCLE_MS + 1,
        ms if ms < YEAR_ZERO_MS => (ms - YEAR_ZERO_MS + 1) / CYCLE_MS - 1,
        _ => 0,
    };
    let at = civil(epoch_ms - cycles * CYCLE_MS);
    match i64::from(at.year()) + 400 * cycles {
        0..=9999 if cycles == 0 => put_date(&mut text, at),
        year => {
            let at = (at.month(), at.day());
            let sign = if year < 0 {
                '-'
            } else if year > 9999 {
                '+'
            } else {
                ' '
            };
            let width = if sign == ' ' { 4 } else { 6 };
            if sign != ' ' {
                text.push(sign);
            }
            text.push_str(&format!("{:0width$}-{:02}-{:02}", year.abs(), at.0, at.1));
        }
    }
    let clock = [('T', at.hour()), (':', at.minute()), (':', at.second())];
    for (lead, number) in clock {
        text.push(lead);
        put(&mut text, number.into(), 2);
    }
    text.push('.');
    put(&mut text, at.millisecond(), 3);
    text.push('Z');
    text
}

/// UTC `YYYY-MM-DD` (request-detail day index).
pub fn utc_date(epoch_ms: i64) -> String {
    date_text(civil(epoch_ms))
}

/// Number of the UTC minute (`system:metrics:minute:{n}`).
pub fn minute_number(epoch_ms: i64) -> i64 {
    epoch_ms.div_euclid(60_000)
}

/// The length of 400 years of the Gregorian calendar.
const CYCLE_MS: i64 = 146_097 * DAY_MS;
const YEAR_ZERO_MS: i64 = -62_167_219_200_000;
const YEAR_9999_MS: i64 = 253_370_764_800_000;

fn civil(epoch_ms: i64) -> DateTime {
    Offset::UTC.to_datetime(Timestamp::from_millisecond(epoch_ms).unwrap_or_default())
}

fn date_text(at: DateTime) -> String {
    let mut text = String::with_capacity(10);
    put_date(&mut text, at);
    text
}

fn put_date(text: &mut String, at: DateTime) {
    put(text, at.year(), 4);
    for number in [at.month(), at.day()] {
        text.push('-');
        put(text, number.into(), 2);
    }
}

/// Writes a number with leading zeros, as `{:0width$}` does. Every record has several dates, which is why
/// this is done by hand.
fn put(text: &mut String, number: i16, width: u32) {
    let Ok(number) = u32::try_from(number) else {
        text.push_str(&format!("{number:0width$}", width = width as usize));
        return;
    };
    let digit = |place| char::from_digit(number / 10_u32.pow(place) % 10, 10).unwrap_or('0');
    text.extend((0..width).rev().map(digit));
}
