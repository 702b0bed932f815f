//! Numbers out of text.

use crate::space::{trim, trim_start};

/// `parseInt(text)`: leading integer after white space, `0x` read as hexadecimal; `None` where
/// JavaScript gives not-a-number. Values beyond the type stop at its ends.
pub fn parse_int(text: &str) -> Option<i64> {
    let text = trim_start(text);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (radix, digits) = match unsigned.get(..2) {
        Some("0x" | "0X") => (16, &unsigned[2..]),
        _ => (10, unsigned),
    };
    leading_digits(digits, radix, text.starts_with('-'))
}

/// `parseInt(text, 10)`: as [`parse_int`] without the hexadecimal form.
pub fn parse_int_decimal(text: &str) -> Option<i64> {
    let text = trim_start(text);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    leading_digits(digits, 10, text.starts_with('-'))
}

fn leading_digits(digits: &str, radix: u32, negative: bool) -> Option<i64> {
    let mut value: Option<i64> = None;
    for digit in digits.chars().map_while(|c| c.to_digit(radix)) {
        let so_far = value.unwrap_or(0).saturating_mul(i64::from(radix));
        value = Some(so_far.saturating_add(i64::from(digit)));
    }
    value.map(|value| if negative { -value } else { value })
}

/// `parseFloat(text)`: leading decimal number after white space; `None` where JavaScript gives
/// not-a-number.
pub fn parse_float(text: &str) -> Option<f64> {
    let text = trim_start(text);
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
    let text = trim(text);
    if text.is_empty() {
        return Some(0.0);
    }
    for (prefix, radix) in [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return in_radix(digits, radix);
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let decimal = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if unsigned == "Infinity" || decimal { text.parse().ok() } else { None }
}

/// Digits of a radix that is a power of two: the nearest double, halves to even.
fn in_radix(digits: &str, radix: u32) -> Option<f64> {
    let mut value: u128 = 0;
    let mut dropped: i32 = 0;
    if digits.is_empty() {
        return None;
    }
    let width = i32::try_from(radix.trailing_zeros()).unwrap_or(0);
    for c in digits.chars() {
        let digit = u128::from(c.to_digit(radix)?);
        if value >> 120 == 0 {
            value = value << width | digit;
        } else {
            // Far beyond the precision: what is cut off matters only by being there.
            value |= u128::from(digit != 0);
            dropped = dropped.saturating_add(width);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "JavaScript numbers are doubles")]
    Some(value as f64 * 2_f64.powi(dropped))
}

#[cfg(test)]
mod tests;
