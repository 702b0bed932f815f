//! Numbers as JavaScript writes and reads them: amounts in Redis and in JSON records carry its spelling,
//! and stored text is read by leading digits.

use serde_json::{Number, Value};

/// Text of a number as JavaScript prints it: shortest digits that read back to the same double, plain
/// notation from 1e-6 up to 1e21 (`1`, `1.5`, `0.000001`, `1e-7`).
pub fn js(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN".into()
        } else if value > 0.0 {
            "Infinity".into()
        } else {
            "-Infinity".into()
        };
    }
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(value.abs());
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let written = [whole, fraction].concat();
    let significant = written.trim_start_matches('0');
    let leading = length(&written) - length(significant);
    let point = exponent.parse::<i32>().unwrap_or(0) + length(whole) - leading;
    let mut text = String::with_capacity(32);
    if value < 0.0 {
        text.push('-');
    }
    place_point(&mut text, significant.trim_end_matches('0'), point);
    text
}

/// JSON value of a number with [`js`] spelling; not-a-number and infinities are `null`, as in
/// `JSON.stringify`.
pub fn json(value: f64) -> Value {
    if !value.is_finite() {
        return Value::Null;
    }
    js(value).parse::<Number>().map_or(Value::Null, Value::Number)
}

/// `Number(value.toFixed(6))`: rounds to six decimals, exact halves away from zero.
pub fn round6(value: f64) -> f64 {
    if !value.is_finite() || value.abs() >= 1e21 {
        return value;
    }
    // The product is off by at most one in 2^53. When that cannot carry it over a half, the nearest
    // whole number is the right one, and dividing it gives the double nearest to the decimal.
    let scaled = value.abs() * 1e6;
    if scaled < 1e9 && (scaled.fract() - 0.5).abs() > 1e-6 {
        return (scaled.round() / 1e6).copysign(value);
    }
    to_fixed(value, 6).parse().unwrap_or(value)
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

/// `Math.round`: to the nearest integer, halves upwards.
pub fn round(value: f64) -> f64 {
    let floor = value.floor();
    if value - floor >= 0.5 { floor + 1.0 } else { floor }
}

/// `parseInt(text)`: leading integer after white space, `0x` read as hexadecimal; `None` where
/// JavaScript gives not-a-number.
pub fn parse_int(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        _ => (10, digits),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    if end == 0 {
        return None;
    }
    let value = i64::from_str_radix(&digits[..end], radix).unwrap_or(i64::MAX);
    Some(sign * value)
}

/// `parseFloat(text)`: leading decimal number after white space; `None` where JavaScript gives
/// not-a-number.
pub fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let bytes = text.as_bytes();
    let mut end = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    if text[end..].starts_with("Infinity") {
        return Some(if bytes[0] == b'-' { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let whole = digits(end);
    end += whole;
    let mut fraction = 0;
    if bytes.get(end) == Some(&b'.') {
        fraction = digits(end + 1);
        if whole + fraction > 0 {
            end += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return None;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits((end + 1 + sign).min(bytes.len()));
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    text[..end].trim_start_matches('+').parse().ok()
}

/// `Number(text)`: the whole text must be a number, blank is 0; `None` where JavaScript gives
/// not-a-number.
pub fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.is_empty() {
        return Some(0.0);
    }
    for (prefix, radix) in [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let regular = digits.bytes().all(|byte| char::from(byte).is_digit(radix));
            let value = if regular { u64::from_str_radix(digits, radix).ok() } else { None };
            #[expect(clippy::cast_precision_loss, reason = "JavaScript numbers are doubles")]
            return value.map(|value| value as f64);
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let decimal = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if unsigned == "Infinity" || decimal && text.parse::<f64>().is_ok() {
        parse_float(text)
    } else {
        None
    }
}

fn length(text: &str) -> i32 {
    i32::try_from(text.len()).unwrap_or(i32::MAX)
}

/// Writes digits with the decimal point `point` digits from their left, by the rules of
/// `Number::toString`.
fn place_point(out: &mut String, digits: &str, point: i32) {
    let count = length(digits);
    if (count..=21).contains(&point) {
        out.push_str(digits);
        out.extend((count..point).map(|_| '0'));
    } else if (1..=21).contains(&point) {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        out.extend([whole, ".", fraction]);
    } else if (-5..=0).contains(&point) {
        out.push_str("0.");
        out.extend((point..0).map(|_| '0'));
        out.push_str(digits);
    } else {
        let exponent = point - 1;
        let sign = if exponent < 0 { "-" } else { "+" };
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        out.extend([first, dot, rest, "e", sign, &exponent.abs().to_string()]);
    }
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0.0, "0")]
    #[case(-0.0, "0")]
    #[case(1.0, "1")]
    #[case(1.5, "1.5")]
    #[case(-12.25, "-12.25")]
    #[case(0.1 + 0.2, "0.30000000000000004")]
    #[case(0.000001, "0.000001")]
    #[case(0.00005, "0.00005")]
    #[case(1e-7, "1e-7")]
    #[case(1.25e-7, "1.25e-7")]
    #[case(123456789012345680000.0, "123456789012345680000")]
    #[case(1e21, "1e+21")]
    #[case(f64::NAN, "NaN")]
    #[case(f64::NEG_INFINITY, "-Infinity")]
    fn numbers_print_like_javascript(#[case] value: f64, #[case] text: &str) {
        assert_eq!(js(value), text);
    }

    #[rstest]
    #[case(0.0105, 0.0105)]
    #[case(0.0061965, 0.006196)]
    #[case(0.0000004999, 0.0)]
    #[case(0.0078125, 0.007813)]
    #[case(-0.0078125, -0.007813)]
    #[case(12.3456785, 12.345678)]
    fn six_decimals(#[case] value: f64, #[case] rounded: f64) {
        assert_eq!(js(round6(value)), js(rounded));
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

    #[rstest]
    #[case("12abc", Some(12))]
    #[case("  -7", Some(-7))]
    #[case("0x1F", Some(31))]
    #[case("", None)]
    #[case("x1", None)]
    fn leading_integer(#[case] text: &str, #[case] value: Option<i64>) {
        assert_eq!(parse_int(text), value);
    }

    #[rstest]
    #[case("1.5USD", Some(1.5))]
    #[case(".5", Some(0.5))]
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

    #[rstest]
    #[case("", Some(0.0))]
    #[case("  12 ", Some(12.0))]
    #[case("0x10", Some(16.0))]
    #[case("0b11", Some(3.0))]
    #[case("1.5e2", Some(150.0))]
    #[case("5.", Some(5.0))]
    #[case("-Infinity", Some(f64::NEG_INFINITY))]
    #[case("12px", None)]
    #[case("inf", None)]
    #[case("1e", None)]
    #[case("1 2", None)]
    #[case("0xg", None)]
    fn whole_text_as_a_number(#[case] text: &str, #[case] value: Option<f64>) {
        assert_eq!(parse_number(text), value);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_fail(text in ".{0,24}") {
            let _ = (parse_int(&text), parse_float(&text), parse_number(&text));
        }

        #[test]
        fn the_quick_rounding_is_the_exact_one(
            value in prop_oneof![-2e3..2e3, -1e-4..1e-4, (-4_000_000_i64..4_000_000).prop_map(|n| n as f64 / 2e6)],
        ) {
            prop_assert_eq!(js(round6(value)), js(to_fixed(value, 6).parse().unwrap()));
        }

        #[test]
        fn digits_are_the_shortest(value in any::<f64>().prop_filter("finite", |v| v.is_finite() && *v != 0.0)) {
            let bare = |text: &str| {
                let digits = text.split('e').next().unwrap_or_default();
                let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
                digits.trim_matches('0').to_owned()
            };
            prop_assert_eq!(bare(&js(value)), bare(&format!("{value:e}")));
        }

        #[test]
        fn printed_numbers_read_back(value in proptest::num::f64::NORMAL) {
            prop_assert_eq!(js(value).parse::<f64>().unwrap(), value);
            prop_assert_eq!(parse_float(&js(value)), Some(value));
        }
    }
}
