//! Day, time and zone of a date while it is being read.

use jiff::{civil::DateTime, tz::TimeZone};

const DAY_MS: i64 = 86_400_000;
const HOUR_S: i64 = 3600;
/// Longest distance from 1970 that JavaScript knows.
const MOST_MS: i64 = 8_640_000_000_000_000;
/// Years beyond are no dates, and their days are not reckoned.
const MOST_YEAR: i64 = 400_000;

/// Up to three numbers and the name of a month.
#[derive(Default)]
pub(super) struct Day {
    numbers: Vec<i64>,
    month: Option<i64>,
    /// Whether the numbers are year, month and day for sure.
    pub(super) ordered: bool,
}

impl Day {
    /// Whether there was room.
    pub(super) fn add(&mut self, number: i64) -> bool {
        let room = self.numbers.len() < 3;
        if room {
            self.numbers.push(number);
        }
        room
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    pub(super) fn name_month(&mut self, month: i64) {
        self.month = Some(month);
    }

    /// Days since 1970, with days that a month does not have running over into the next.
    fn since_1970(&self) -> Option<i64> {
        let first = *self.numbers.first()?;
        let second = self.numbers.get(1).copied().unwrap_or(1);
        let third = self.numbers.get(2).copied().unwrap_or(1);
        let (year, month, day) = match self.month {
            None if self.ordered || !is_day(first) => (first, second, third),
            None => (third, first, second),
            Some(month) if is_day(first) => (second, month, first),
            Some(month) => (first, month, second),
        };
        let year = match year {
            0..=49 if !self.ordered => year + 2000,
            50..=99 if !self.ordered => year + 1900,
            _ => year,
        };
        let fine = (1..=12).contains(&month) && is_day(day) && year.abs() < MOST_YEAR;
        fine.then(|| days(year, month) + day - 1)
    }
}

fn is_day(number: i64) -> bool {
    (1..=31).contains(&number)
}

/// Days from 1970 to the first of a month, in the calendar of today.
fn days(year: i64, month: i64) -> i64 {
    // Years begin in March, so that the odd day stands last.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (month * 153 + 2) / 5 - 719_468
}

/// Hour, minute, second and millisecond.
#[derive(Default)]
pub(super) struct Time {
    numbers: Vec<i64>,
    half: Option<i64>,
}

impl Time {
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Whether the number can be what comes next.
    pub(super) fn expects(&self, number: i64) -> bool {
        match self.numbers.len() {
            1 | 2 => (0..60).contains(&number),
            3 => (0..1000).contains(&number),
            _ => false,
        }
    }

    /// Whether there was room.
    pub(super) fn add(&mut self, number: i64) -> bool {
        let room = self.numbers.len() < 4;
        if room {
            self.numbers.push(number);
        }
        room
    }

    /// Adds the last number; what is left is nothing.
    pub(super) fn finish(&mut self, number: i64) {
        self.add(number);
        self.numbers.resize(4, 0);
    }

    /// Morning (0) or afternoon (12).
    pub(super) fn set_half(&mut self, hours: i64) {
        self.half = Some(hours);
    }

    fn ms(&self) -> Option<i64> {
        let part = |at: usize| self.numbers.get(at).copied().unwrap_or(0);
        let (mut hour, minute, second, ms) = (part(0), part(1), part(2), part(3));
        if let Some(half) = self.half {
            if !(0..=12).contains(&hour) {
                return None;
            }
            hour = hour % 12 + half;
        }
        let fine = hour < 24 && minute < 60 && second < 60 && ms < 1000;
        let midnight = (hour, minute, second, ms) == (24, 0, 0, 0);
        (fine || midnight).then_some(((hour * 60 + minute) * 60 + second) * 1000 + ms)
    }
}

/// Distance from Greenwich.
#[derive(Default)]
pub(super) struct Zone {
    sign: Option<i64>,
    hour: Option<i64>,
    minute: Option<i64>,
}

impl Zone {
    pub(super) fn set(&mut self, hours: i64) {
        let sign = if hours < 0 { -1 } else { 1 };
        *self = Self { sign: Some(sign), hour: Some(hours.abs()), minute: Some(0) };
    }

    pub(super) fn set_sign(&mut self, sign: i64) {
        self.sign = Some(sign);
    }

    /// Hours without a sign; minutes may still come when there are none.
    pub(super) fn set_distance(&mut self, hour: i64, minute: Option<i64>) {
        self.hour = Some(hour);
        self.minute = minute;
    }

    pub(super) fn set_minute(&mut self, minute: i64) {
        self.minute = Some(minute);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hour.is_none()
    }

    pub(super) fn is_utc(&self) -> bool {
        (self.hour, self.minute) == (Some(0), Some(0))
    }

    /// Whether the number can be the minutes that are still to come.
    pub(super) fn expects(&self, number: i64) -> bool {
        self.hour.is_some() && self.minute.is_none() && (0..60).contains(&number)
    }

    fn seconds(&self) -> Option<i64> {
        let sign = self.sign?;
        Some(sign * (self.hour.unwrap_or(0) * HOUR_S + self.minute.unwrap_or(0) * 60))
    }
}

/// The moment that they make up, in epoch milliseconds; `local` is for dates that name no zone.
pub(super) fn moment(
    day: &Day,
    time: &Time,
    zone: &Zone,
    local: impl FnOnce() -> TimeZone,
) -> Option<i64> {
    let there = day.since_1970()?.checked_mul(DAY_MS)?.checked_add(time.ms()?)?;
    let at = match zone.seconds() {
        Some(seconds) => there - seconds.checked_mul(1000)?,
        None => greenwich(there, &local())?,
    };
    (at.abs() <= MOST_MS).then_some(at)
}

/// A moment of a zone's own clock at Greenwich.
fn greenwich(there: i64, zone: &TimeZone) -> Option<i64> {
    let at = jiff::Timestamp::from_millisecond(there).ok();
    let Some(clock) = at.map(|at| TimeZone::UTC.to_datetime(at)) else {
        // Further away than time zones are known for.
        let offset = zone.to_offset(jiff::Timestamp::UNIX_EPOCH);
        return there.checked_sub(i64::from(offset.seconds()) * 1000);
    };
    let clock: DateTime = clock;
    Some(zone.to_timestamp(clock).ok()?.as_millisecond())
}
