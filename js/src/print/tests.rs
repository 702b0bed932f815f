use proptest::prelude::*;
use rstest::rstest;

use super::*;

/// Bits of a double, and what Node makes of it: text, `toFixed(6)` as a number, `toFixed(2)`.
#[test]
fn as_node_prints() {
    let mut seen = 0;
    for row in include_str!("../../vectors/print.tsv").lines() {
        let cells: Vec<&str> = row.split('\t').collect();
        let value = f64::from_bits(u64::from_str_radix(cells[0], 16).unwrap());
        assert_eq!(print(value), cells[1]);
        assert_eq!(print(round6(value)), cells[2], "{value}");
        if !cells[3].is_empty() {
            assert_eq!(to_fixed(value, 2), cells[3], "{value}");
        }
        seen += 1;
    }
    assert!(seen > 1_000);
}

#[rstest]
#[case(0.0, "0")]
#[case(-0.0, "0")]
#[case(0.1 + 0.2, "0.30000000000000004")]
#[case(0.000001, "0.000001")]
#[case(1.25e-7, "1.25e-7")]
#[case(123456789012345680000.0, "123456789012345680000")]
#[case(1e21, "1e+21")]
#[case(f64::NAN, "NaN")]
#[case(f64::INFINITY, "Infinity")]
#[case(f64::NEG_INFINITY, "-Infinity")]
fn numbers_print_like_javascript(#[case] value: f64, #[case] text: &str) {
    assert_eq!(print(value), text);
}

/// Halfway between two shortest spellings the even one is printed, unlike Rust's own formatting.
#[rstest]
#[case(5847830560140674.0 / 8.0, "730978820017584.2")]
#[case(4503599627370498.0 / 8.0, "562949953421312.2")]
#[case(4503599627370502.0 / 8.0, "562949953421312.8")]
#[case(2251799813685248.5, "2251799813685248.5")]
fn ties_are_even(#[case] value: f64, #[case] text: &str) {
    assert_eq!(print(value), text);
}

#[rstest]
#[case(0.0105, 0.0105)]
#[case(0.0061965, 0.006196)]
#[case(0.0000004999, 0.0)]
#[case(0.0078125, 0.007813)]
#[case(-0.0078125, -0.007813)]
#[case(12.3456785, 12.345678)]
fn six_decimals(#[case] value: f64, #[case] rounded: f64) {
    assert_eq!(print(round6(value)), print(rounded));
}

#[rstest]
#[case(0.125, 2, "0.13")]
#[case(1.005, 2, "1.00")]
#[case(9.995, 2, "9.99")]
#[case(99.999, 2, "100.00")]
#[case(2.5, 0, "3")]
#[case(0.0, 2, "0.00")]
#[case(-0.0078125, 6, "-0.007813")]
fn fixed_places(#[case] value: f64, #[case] places: usize, #[case] text: &str) {
    assert_eq!(to_fixed(value, places), text);
}

#[rstest]
#[case(2.5, 3.0)]
#[case(-2.5, -2.0)]
#[case(0.49999999999999994, 0.0)]
fn halves_round_upwards(#[case] value: f64, #[case] rounded: f64) {
    assert_eq!(round(value), rounded);
}

/// The significant digits of a text.
fn digits(text: &str) -> String {
    let mantissa = text.split('e').next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').to_owned()
}

fn doubles() -> impl Strategy<Value = f64> {
    let any = any::<f64>().prop_filter("finite", |v| v.is_finite() && *v != 0.0);
    // One binary place behind sixteen digits: half of these are halfway between two spellings.
    let ties = (1_u64 << 52..1 << 53, 1_i32..8).prop_map(|(n, e)| n as f64 / 2_f64.powi(e));
    prop_oneof![any, ties]
}

proptest! {
    #[test]
    fn the_quick_rounding_is_the_exact_one(
        value in prop_oneof![-2e3..2e3, -1e-4..1e-4, (-4_000_000_i64..4_000_000).prop_map(|n| n as f64 / 2e6)],
    ) {
        prop_assert_eq!(print(round6(value)), print(to_fixed(value, 6).parse().unwrap()));
    }

    /// As few digits as can be, and of those the nearest.
    #[test]
    fn digits_are_the_shortest(value in doubles()) {
        let ours = digits(&print(value));
        prop_assert_eq!(ours.len(), digits(&format!("{value:e}")).len());
        // The exact value rounded to as many places, halves to even.
        let nearest = format!("{value:.*e}", ours.len() - 1);
        // At a power of two it may lie outside the span of what reads back the same.
        if nearest.parse::<f64>().unwrap() == value {
            prop_assert_eq!(ours, digits(&nearest));
        }
    }

    #[test]
    fn printed_numbers_read_back(value in doubles()) {
        prop_assert_eq!(print(value).parse::<f64>().unwrap(), value);
        prop_assert_eq!(crate::parse_float(&print(value)), Some(value));
        prop_assert_eq!(crate::parse_number(&print(value)), Some(value));
    }
}
