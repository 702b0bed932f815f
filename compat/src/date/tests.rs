//! Dates against what V8 makes of them (`compat/vectors/dates.js`).

use jiff::tz::{Offset, TimeZone};
use proptest::prelude::*;
use rstest::rstest;

use super::{date_ms, read};

#[test]
fn every_date_reads_as_in_node() {
    let cases: Vec<(String, Option<i64>)> =
        serde_json::from_str(include_str!("../../vectors/dates.json")).unwrap();
    assert!(cases.len() > 1500, "{} cases", cases.len());
    let east = || TimeZone::fixed(Offset::constant(8));
    let wrong: Vec<String> = cases
        .iter()
        .map(|(text, expected)| (text, expected, read(text, east)))
        .filter(|(_, expected, own)| *expected != own)
        .map(|(text, expected, own)| format!("{text:?}: {expected:?}, not {own:?}"))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[rstest]
#[case("2025-01-31", Some(1_738_281_600_000))]
#[case("2025-01-31T08:00:00.123Z", Some(1_738_310_400_123))]
#[case("2025-01-31T16:00:00+08:00", Some(1_738_310_400_000))]
#[case("Fri, 31 Jan 2025 08:00:00 GMT", Some(1_738_310_400_000))]
#[case("0 UTC", Some(946_684_800_000))]
#[case("soon", None)]
#[case("", None)]
fn dates_of_any_machine(#[case] text: &str, #[case] expected: Option<i64>) {
    assert_eq!(date_ms(text), expected);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_fail(text in ".{0,24}") {
        let _ = date_ms(&text);
    }

    #[test]
    fn no_likely_text_makes_the_reader_fail(text in "[-+0-9TZ:./ ()a-z]{0,24}") {
        let _ = date_ms(&text);
    }
}
