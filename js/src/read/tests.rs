use proptest::prelude::*;
use rstest::rstest;

use super::*;

/// Texts, and what Node reads out of them: `Number`, `parseFloat`, `parseInt`.
#[test]
fn as_node_reads() {
    let print = |value: Option<f64>| value.map_or("NaN".to_owned(), crate::print);
    let mut seen = 0;
    for row in include_str!("../../vectors/read.json").lines().filter(|line| line.len() > 1) {
        let [text, number, float, int] = cells(row);
        assert_eq!(print(parse_number(&text)), number, "Number({text:?})");
        assert_eq!(print(parse_float(&text)), float, "parseFloat({text:?})");
        match parse_int(&text) {
            Some(i64::MAX | i64::MIN) => assert!(int.len() > 18, "parseInt({text:?})"),
            value => assert_eq!(print(value.map(|value| value as f64)), int, "parseInt({text:?})"),
        }
        seen += 1;
    }
    assert!(seen > 400);
}

/// The texts of one row. None holds a quote or a backslash.
fn cells(row: &str) -> [String; 4] {
    let texts: Vec<String> = row.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    texts.try_into().unwrap()
}

#[rstest]
#[case("12abc", Some(12))]
#[case("  -7", Some(-7))]
#[case("0x1F", Some(31))]
#[case("99999999999999999999", Some(i64::MAX))]
#[case("", None)]
#[case("x1", None)]
fn leading_integer(#[case] text: &str, #[case] value: Option<i64>) {
    assert_eq!(parse_int(text), value);
}

#[rstest]
#[case("1.5USD", Some(1.5))]
#[case("5.", Some(5.0))]
#[case("1e-7x", Some(1e-7))]
#[case("1e", Some(1.0))]
#[case("-Infinity", Some(f64::NEG_INFINITY))]
#[case("+2.5", Some(2.5))]
#[case(".", None)]
#[case("", None)]
fn leading_decimal(#[case] text: &str, #[case] value: Option<f64>) {
    assert_eq!(parse_float(text), value);
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_fail(text in ".{0,24}") {
        let _ = (parse_int(&text), parse_float(&text), parse_number(&text));
    }

    #[test]
    fn hexadecimal_is_exact(value in any::<u128>()) {
        prop_assert_eq!(parse_number(&format!("0x{value:x}")), Some(value as f64));
        prop_assert_eq!(parse_number(&format!("0b{value:b}")), Some(value as f64));
    }
}
