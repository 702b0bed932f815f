//! Times of day as crontab lines name them: five fields, or six with seconds in front. All fields must agree.
//! Names of months and days, lists, ranges and steps are known; anything else is no time.

use jiff::civil::DateTime;

/// Longest text that is looked at.
const LONGEST: usize = 100;
/// Lowest and highest value of each field: second, minute, hour, day, month, weekday.
const BOUNDS: [(u8, u8); 6] = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A repeated time: one bit per value of each field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cron([u64; 6]);

impl Cron {
    /// Reads a line; `None` when it names no time.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let mut fields: Vec<&str> = text.split_whitespace().collect();
        if fields.len() == 5 {
            fields.insert(0, "0");
        }
        if fields.len() != BOUNDS.len() {
            return None;
        }
        let mut bits = [0; 6];
        for (place, field) in fields.into_iter().enumerate() {
            bits[place] = read(field, place)?;
        }
        // Both 0 and 7 are Sunday.
        bits[5] = (bits[5] | bits[5] >> 7 & 1) & 0x7f;
        Some(Self(bits))
    }

    /// Whether the second of the local time is named.
    pub(super) fn names(self, at: DateTime) -> bool {
        let weekday = at.date().weekday().to_sunday_zero_offset();
        let values = [at.second(), at.minute(), at.hour(), at.day(), at.month(), weekday];
        self.0.iter().zip(values).all(|(bits, value)| bits >> value & 1 == 1)
    }
}

fn read(field: &str, place: usize) -> Option<u64> {
    field.to_lowercase().split(',').try_fold(0, |bits, part| Some(bits | part_of(part, place)?))
}

fn part_of(part: &str, place: usize) -> Option<u64> {
    let (low, high) = BOUNDS[place];
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(step.parse::<u8>().ok().filter(|step| *step > 0)?)),
        None => (part, None),
    };
    let (from, to) = match range.split_once('-') {
        _ if range == "*" => (low, high),
        Some((from, to)) => (value(from, place)?, value(to, place)?),
        None if step.is_none() => {
            let only = value(range, place)?;
            (only, only)
        }
        None => return None,
    };
    let values = (from..=to).step_by(usize::from(step.unwrap_or(1)));
    (from <= to).then(|| values.fold(0, |bits, value| bits | 1 << value))
}

fn value(text: &str, place: usize) -> Option<u8> {
    let names: &[&str] = match place {
        4 => &MONTHS,
        5 => &DAYS,
        _ => &[],
    };
    let first = u8::from(place == 4);
    let named = names.iter().position(|name| text.get(..3) == Some(*name));
    let value = match named {
        Some(at) => u8::try_from(at).ok()? + first,
        None => text.parse().ok()?,
    };
    let (low, high) = BOUNDS[place];
    (low..=high).contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0 8 * * *", "2026-03-04T08:00:00", true)]
    #[case("0 8 * * *", "2026-03-04T08:00:01", false)]
    #[case("0 8 * * *", "2026-03-04T09:00:00", false)]
    #[case("*/15 * * * *", "2026-03-04T09:45:00", true)]
    #[case("*/15 * * * *", "2026-03-04T09:46:00", false)]
    #[case("30 */5 * * * *", "2026-03-04T09:05:30", true)]
    #[case("0 9-17/4 * * mon-fri", "2026-03-04T13:00:00", true)]
    #[case("0 9-17/4 * * Sat,Sun", "2026-03-04T13:00:00", false)]
    #[case("0 0 1 January *", "2026-01-01T00:00:00", true)]
    #[case("0 0 * * 7", "2026-03-08T00:00:00", true)]
    #[case("0 0 * * 0", "2026-03-08T00:00:00", true)]
    #[case("0 0 4 * 7", "2026-03-04T00:00:00", false)]
    fn lines_name_times(#[case] line: &str, #[case] at: &str, #[case] named: bool) {
        assert_eq!(Cron::parse(line).unwrap().names(at.parse().unwrap()), named);
    }

    #[rstest]
    #[case("")]
    #[case("* * * *")]
    #[case("60 * * * *")]
    #[case("* 24 * * *")]
    #[case("* * 0 * *")]
    #[case("* * * 13 *")]
    #[case("* * * * 8")]
    #[case("5/2 * * * *")]
    #[case("*/0 * * * *")]
    #[case("9-5 * * * *")]
    #[case("x * * * *")]
    fn other_lines_name_none(#[case] line: &str) {
        assert_eq!(Cron::parse(line), None);
    }
}
