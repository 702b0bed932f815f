//! Dates as JavaScript reads them, for the forms found in stored records.

use jiff::{
    Span,
    civil::DateTime,
    fmt::rfc2822,
    tz::{Offset, TimeZone},
};

/// `new Date(text).getTime()` in epoch milliseconds, or `None` where JavaScript gives an invalid date.
///
/// Reads the ISO forms (`2025-01-31`, `2025-01-31T08:00`, with seconds, fraction, `Z` or offset) and the
/// same with a space between date and time. A date alone is UTC; a time without offset is in the
/// machine's own time zone, as in Node. Mail and HTTP dates are read too, and `0`, which V8 takes for the
/// year 2000. Other spellings that Node guesses at are not read.
pub fn date_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    if text == "0" {
        return Some(YEAR_2000_MS);
    }
    iso_ms(text).or_else(|| {
        let mail = rfc2822::DateTimeParser::new().relaxed_weekday(true);
        Some(mail.parse_timestamp(text).ok()?.as_millisecond())
    })
}

const YEAR_2000_MS: i64 = 946_684_800_000;

fn iso_ms(text: &str) -> Option<i64> {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (text.get(..at)?, Some(text.get(at + 1..)?)),
        None => (text, None),
    };
    let (year, month, day) = read_date(date)?;
    let Some(time) = time else {
        return to_ms(&civil(year, month, day, Clock::default())?, &TimeZone::UTC);
    };
    let (time, zone) = read_zone(time.trim_start())?;
    let clock = read_clock(time)?;
    to_ms(&civil(year, month, day, clock)?, &zone.unwrap_or_else(TimeZone::system))
}

#[derive(Default)]
struct Clock {
    hour: i8,
    minute: i8,
    second: i8,
    milli: i32,
}

fn read_date(text: &str) -> Option<(i16, i8, i8)> {
    let mut parts = text.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    let day = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    if parts.next().is_some() {
        return None;
    }
    Some((i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?))
}

fn read_zone(text: &str) -> Option<(&str, Option<TimeZone>)> {
    if let Some(time) = text.strip_suffix(['Z', 'z']) {
        return Some((time.trim_end(), Some(TimeZone::UTC)));
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, None));
    };
    let (time, offset) = (text.get(..at)?.trim_end(), text.get(at + 1..)?);
    let (hours, minutes) = match offset.split_once(':') {
        Some((hours, minutes)) => (digits(hours, 2)?, digits(minutes, 2)?),
        None => (digits(offset.get(..2)?, 2)?, digits(offset.get(2..)?, 2)?),
    };
    let seconds = (hours * 60 + minutes) * 60;
    let seconds = if text.as_bytes().get(at) == Some(&b'-') { -seconds } else { seconds };
    Some((time, Some(TimeZone::fixed(Offset::from_seconds(seconds).ok()?))))
}

fn read_clock(text: &str) -> Option<Clock> {
    let mut parts = text.split(':');
    let hour = i8::try_from(digits(parts.next()?, 2)?).ok()?;
    let minute = i8::try_from(digits(parts.next()?, 2)?).ok()?;
    let (second, milli) = match parts.next() {
        None => (0, 0),
        Some(second) => match second.split_once('.') {
            None => (digits(second, 2)?, 0),
            Some((second, fraction)) => (digits(second, 2)?, read_milli(fraction)?),
        },
    };
    let second = i8::try_from(second).ok()?;
    parts.next().is_none().then_some(Clock { hour, minute, second, milli })
}

/// The first three digits of a fraction of a second.
fn read_milli(fraction: &str) -> Option<i32> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("00".chars()).take(3).collect();
    digits.parse().ok()
}

fn digits(text: &str, length: usize) -> Option<i32> {
    let exact = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if exact { text.parse().ok() } else { None }
}

/// Days up to 31 are accepted in every month and run over into the next, and 24:00 is the next day.
fn civil(year: i16, month: i8, day: i8, clock: Clock) -> Option<DateTime> {
    let Clock { hour, minute, second, milli } = clock;
    let midnight = hour == 24 && (minute, second, milli) == (0, 0, 0);
    if !(1..=31).contains(&day) || !(hour < 24 || midnight) || minute > 59 || second > 59 {
        return None;
    }
    let after = Span::new()
        .days(i64::from(day) - 1)
        .hours(i64::from(hour))
        .minutes(i64::from(minute))
        .seconds(i64::from(second))
        .milliseconds(i64::from(milli));
    DateTime::new(year, month, 1, 0, 0, 0, 0).ok()?.checked_add(after).ok()
}

fn to_ms(at: &DateTime, zone: &TimeZone) -> Option<i64> {
    Some(zone.to_timestamp(*at).ok()?.as_millisecond())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2025-01-31", Some(1_738_281_600_000))]
    #[case("2025-01", Some(1_735_689_600_000))]
    #[case("2025-01-31T08:00:00.123Z", Some(1_738_310_400_123))]
    #[case("2025-01-31T08:00Z", Some(1_738_310_400_000))]
    #[case("2025-01-31T08:00:00.1234567Z", Some(1_738_310_400_123))]
    #[case("2025-01-31T16:00:00+08:00", Some(1_738_310_400_000))]
    #[case("2025-01-31 03:30:00 -0430", Some(1_738_310_400_000))]
    #[case("2025-13-01", None)]
    #[case("2025-02-30T00:00:00Z", Some(1_740_873_600_000))]
    #[case("2025-01-31T24:00:00Z", Some(1_738_368_000_000))]
    #[case("2025-01-31T24:00:01Z", None)]
    #[case("2025-01-00", None)]
    #[case("2025", Some(1_735_689_600_000))]
    #[case("Fri, 31 Jan 2025 08:00:00 GMT", Some(1_738_310_400_000))]
    #[case("0", Some(946_684_800_000))]
    #[case("1738310400", None)]
    #[case("soon", None)]
    #[case("", None)]
    #[case("1738310400000", None)]
    fn dates_read_like_javascript(#[case] text: &str, #[case] expected: Option<i64>) {
        assert_eq!(date_ms(text), expected);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_fail(text in ".{0,24}") {
            let _ = date_ms(&text);
        }
    }
}
