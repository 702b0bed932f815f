//! More JavaScript value semantics that legacy data relies on: `new Date(text)` and `toFixed`.

use jiff::fmt::rfc2822;

use crate::date;

const YEAR_2000_MS: i64 = 946_684_800_000;

/// Milliseconds of `new Date(text)`; `None` is an invalid date.
///
/// Reads what [`date::date_ms`](crate::date::date_ms) reads, and also mail and HTTP dates (of vendor
/// headers) and `0`, which V8 takes for the year 2000.
pub fn date_ms(text: &str) -> Option<i64> {
    if text.trim() == "0" {
        return Some(YEAR_2000_MS);
    }
    date::date_ms(text).or_else(|| {
        let parser = rfc2822::DateTimeParser::new().relaxed_weekday(true);
        parser.parse_timestamp(text.trim()).ok().map(|timestamp| timestamp.as_millisecond())
    })
}

/// `value.toFixed(places)` for ordinary amounts: decimal, ties away from zero, no exponent.
pub fn to_fixed(value: f64, places: usize) -> String {
    // 60 digits after the point spell every tie of two places exactly.
    let exact = format!("{:.60}", value.abs());
    let Some(point) = exact.find('.') else { return exact };
    let cut = point + 1 + places;
    let mut digits: Vec<u8> = exact.as_bytes()[..cut].to_vec();
    if exact.as_bytes()[cut] >= b'5' {
        let mut carry = true;
        for digit in digits.iter_mut().rev().filter(|digit| **digit != b'.') {
            if *digit == b'9' {
                *digit = b'0';
            } else {
                *digit += 1;
                carry = false;
                break;
            }
        }
        if carry {
            digits.insert(0, b'1');
        }
    }
    if places == 0 {
        digits.pop();
    }
    let text = String::from_utf8_lossy(&digits).into_owned();
    if value < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_places_round_ties_away_from_zero() {
        // As Node 20 prints them.
        assert_eq!(to_fixed(0.125, 2), "0.13");
        assert_eq!(to_fixed(1.005, 2), "1.00");
        assert_eq!(to_fixed(9.995, 2), "9.99");
        assert_eq!(to_fixed(99.999, 2), "100.00");
        assert_eq!(to_fixed(2.5, 0), "3");
        assert_eq!(to_fixed(0.0, 2), "0.00");
    }

    #[test]
    fn dates_in_all_legacy_spellings() {
        assert_eq!(date_ms("2026-07-23T16:00:00.000Z"), Some(1_784_822_400_000));
        assert_eq!(date_ms("2026-07-23"), Some(1_784_764_800_000));
        assert_eq!(date_ms("2026-07-24T00:00:00+08:00"), Some(1_784_822_400_000));
        assert_eq!(date_ms("Thu, 23 Jul 2026 16:00:00 GMT"), Some(1_784_822_400_000));
        assert_eq!(date_ms("1784822400"), None, "unix seconds are no date text");
        assert_eq!(date_ms("0"), Some(946_684_800_000));
        assert_eq!(date_ms("soon"), None);
        assert_eq!(date_ms(""), None);
    }
}
