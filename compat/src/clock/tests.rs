use rstest::rstest;
use serde::Deserialize;

use super::*;
use crate::date::date_ms;

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    input: Input,
    expected: Expected,
}

#[derive(Deserialize)]
struct Input {
    now: String,
    timezone_offset_hours: i64,
    reset_day: i64,
    reset_hour: i64,
}

#[derive(Deserialize)]
struct Expected {
    period: String,
    next_reset: String,
}

#[test]
fn weekly_periods_match_the_legacy_vectors() {
    let file: Vectors =
        serde_json::from_str(include_str!("../../vectors/weekly-period.json")).unwrap();
    assert_eq!(file.vectors.len(), 15);
    for Vector { input, expected } in file.vectors {
        let calendar = LocalCalendar::new(input.timezone_offset_hours);
        let now = date_ms(&input.now).unwrap();
        let period = calendar.period(now, input.reset_day, input.reset_hour);
        let reset = iso(calendar.next_reset_ms(now, input.reset_day, input.reset_hour));
        assert_eq!((period, reset), (expected.period, expected.next_reset), "at {}", input.now);
    }
}

#[rstest]
#[case(None, 8)]
#[case(Some(""), 8)]
#[case(Some("0"), 8)]
#[case(Some("5.5"), 5)]
#[case(Some(" -5 "), -5)]
#[case(Some("+3h"), 3)]
#[case(Some("UTC"), 8)]
fn offset_setting_is_read_like_the_legacy_service(#[case] text: Option<&str>, #[case] hours: i64) {
    assert_eq!(LocalCalendar::from_setting(text).offset_hours(), hours);
}

#[test]
fn key_parts_come_from_the_shifted_clock() {
    let calendar = LocalCalendar::new(8);
    let at = date_ms("2026-07-23T16:00:00.000Z").unwrap();
    assert_eq!(calendar.date(at), "2026-07-24");
    assert_eq!(calendar.month(at), "2026-07");
    assert_eq!(calendar.hour(at), "2026-07-24:00");
    assert_eq!(calendar.period(at, 1, 0), "2026-07-20T00");
    assert_eq!(utc_date(at), "2026-07-23");
    assert_eq!(iso(at), "2026-07-23T16:00:00.000Z");
    let west = LocalCalendar::new(-5);
    assert_eq!(west.hour(date_ms("2026-01-01T04:59:59.999Z").unwrap()), "2025-12-31:23");
    let year_end = date_ms("2024-12-30T10:00:00Z").unwrap();
    assert_eq!(calendar.period(year_end, 3, 9), "2024-12-25T09");
}

#[test]
fn hour_numbers_name_hours() {
    let calendar = LocalCalendar::new(-3);
    let at = date_ms("2026-07-23T02:59:59.999Z").unwrap();
    let start = calendar.hour_start_ms(calendar.hour_number(at));
    assert_eq!(calendar.hour(start), calendar.hour(at));
    assert_eq!(iso(start), "2026-07-23T02:00:00.000Z");
}

#[test]
fn dates_have_their_zeros() {
    for (at, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        (1_767_225_600_007, "2026-01-01T00:00:00.007Z"),
    ] {
        assert_eq!(iso(at), text);
    }
}

#[test]
fn far_years_are_spelled_as_javascript_does() {
    for (at, text) in [
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
        (1_700_000_000_000_000, "+055840-11-08T22:13:20.000Z"),
        (8_640_000_000_000_000, "+275760-09-13T00:00:00.000Z"),
        (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
        (-62_167_219_200_001, "-000001-12-31T23:59:59.999Z"),
        (-62_198_755_200_000, "-000001-01-01T00:00:00.000Z"),
    ] {
        assert_eq!(iso(at), text);
        assert_eq!(crate::date::date_ms(text), Some(at), "{text}");
    }
    // No date of JavaScript's, and no fault here.
    assert!(iso(i64::MAX).starts_with('+') && iso(i64::MIN).starts_with('-'));
}
