//! Reads single settings with the number rules of the legacy service (JavaScript's).

use std::{cell::RefCell, collections::BTreeSet, time::Duration};

use super::{ConfigError, Source};

/// Typed access to a [`Source`]. It notes each name it is asked for, which is how the settings table
/// is kept complete.
pub struct Reader<'a> {
    source: &'a dyn Source,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Reader<'a> {
    /// A reader over `source`.
    pub fn new(source: &'a dyn Source) -> Self {
        Self { source, asked: RefCell::default() }
    }

    /// Names asked for so far.
    pub fn asked(&self) -> BTreeSet<&'static str> {
        self.asked.borrow().clone()
    }

    /// The raw value; empty text is a value.
    pub fn raw(&self, name: &'static str) -> Option<String> {
        self.asked.borrow_mut().insert(name);
        self.source.get(name)
    }

    /// The value unless it is missing or empty.
    pub fn optional(&self, name: &'static str) -> Option<String> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    /// The value, or `default` when it is missing or empty.
    pub fn text(&self, name: &'static str, default: &str) -> String {
        self.optional(name).unwrap_or_else(|| default.to_owned())
    }

    /// Whether the value is exactly `true`.
    pub fn is_true(&self, name: &'static str) -> bool {
        self.raw(name).as_deref() == Some("true")
    }

    /// Whether the value is anything but exactly `false`.
    pub fn is_not_false(&self, name: &'static str) -> bool {
        self.raw(name).as_deref() != Some("false")
    }

    /// Leading digits; missing, unreadable and **0** give `default`.
    pub fn int_or(&self, name: &'static str, default: i64) -> i64 {
        match self.raw(name).as_deref().and_then(parse_int) {
            None | Some(0) => default,
            Some(value) => value,
        }
    }

    /// As [`Reader::int_or`], refusing what cannot be used.
    ///
    /// # Errors
    /// When the number is outside `1..=max`.
    pub fn count(&self, name: &'static str, default: u32, max: u32) -> Result<u32, ConfigError> {
        let value = self.int_or(name, i64::from(default));
        u32::try_from(value).ok().filter(|v| (1..=max).contains(v)).ok_or_else(|| {
            ConfigError::Value {
                name,
                value: self.raw(name).unwrap_or_default(),
                expected: format!("a whole number from 1 to {max}"),
            }
        })
    }

    /// A span in milliseconds, read as [`Reader::int_or`].
    ///
    /// # Errors
    /// When the number is negative.
    pub fn millis(&self, name: &'static str, default: u64) -> Result<Duration, ConfigError> {
        self.span(name, default, "milliseconds").map(Duration::from_millis)
    }

    /// A span in seconds, read as [`Reader::int_or`].
    ///
    /// # Errors
    /// When the number is negative.
    pub fn seconds(&self, name: &'static str, default: u64) -> Result<u64, ConfigError> {
        self.span(name, default, "seconds")
    }

    /// Leading decimal number; missing, unreadable and 0 give `default`.
    pub fn float_or(&self, name: &'static str, default: f64) -> f64 {
        match self.raw(name).as_deref().and_then(parse_float) {
            None | Some(0.0) => default,
            Some(value) => value,
        }
    }

    /// Parts of a comma list, trimmed, lower-cased, empty ones dropped.
    pub fn list(&self, name: &'static str) -> Vec<String> {
        self.raw(name)
            .unwrap_or_default()
            .split(',')
            .map(|part| part.trim().to_lowercase())
            .filter(|part| !part.is_empty())
            .collect()
    }

    fn span(&self, name: &'static str, default: u64, unit: &str) -> Result<u64, ConfigError> {
        let default = i64::try_from(default).unwrap_or(i64::MAX);
        u64::try_from(self.int_or(name, default)).map_err(|_| ConfigError::Value {
            name,
            value: self.raw(name).unwrap_or_default(),
            expected: format!("a positive number of {unit}"),
        })
    }
}

/// JavaScript `parseInt(text)`: leading white space, a sign, `0x` for hexadecimal, then as many
/// digits as there are; `None` for no digits. Values beyond `i64` saturate.
pub fn parse_int(text: &str) -> Option<i64> {
    let (negative, rest) = sign(text);
    let (digits, radix) = match rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None => (rest, 10),
    };
    digits_value(digits, radix, negative)
}

/// JavaScript `parseInt(text, 10)`: as [`parse_int`] without the hexadecimal form.
pub fn parse_int_decimal(text: &str) -> Option<i64> {
    let (negative, rest) = sign(text);
    digits_value(rest, 10, negative)
}

/// JavaScript `parseFloat(text)`: the longest leading decimal number; `None` for none.
pub fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim_start_matches(is_js_space);
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    if body.starts_with("Infinity") {
        return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    // Only shapes such as "1", "1.", ".5", "1e3" are numbers; Rust would also take "inf" and "nan".
    let end = text
        .find(|c: char| !matches!(c, '0'..='9' | '.' | 'e' | 'E' | '+' | '-'))
        .unwrap_or(text.len());
    (1..=end).rev().filter_map(|len| text.get(..len)).find_map(|head| head.parse().ok())
}

/// JavaScript `Number(text)` for plain decimal text: the whole text must be a number and empty text
/// is 0.
pub fn to_number(text: &str) -> Option<f64> {
    let text = text.trim_matches(is_js_space);
    if text.is_empty() {
        return Some(0.0);
    }
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))
        .then(|| text.parse().ok())
        .flatten()
        .filter(|value: &f64| value.is_finite())
}

fn sign(text: &str) -> (bool, &str) {
    let text = text.trim_start_matches(is_js_space);
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn digits_value(digits: &str, radix: u32, negative: bool) -> Option<i64> {
    let mut value: Option<i64> = None;
    for digit in digits.chars().map_while(|c| c.to_digit(radix)) {
        let so_far = value.unwrap_or(0).saturating_mul(i64::from(radix));
        value = Some(so_far.saturating_add(i64::from(digit)));
    }
    value.map(|v| if negative { -v } else { v })
}

fn is_js_space(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("10", Some(10))]
    #[case(" 10m", Some(10))]
    #[case("-5", Some(-5))]
    #[case("1e3", Some(1))]
    #[case("0x10", Some(16))]
    #[case("08", Some(8))]
    #[case("5.9", Some(5))]
    #[case("", None)]
    #[case("ten", None)]
    #[case("99999999999999999999", Some(i64::MAX))]
    fn parse_int_is_javascripts(#[case] text: &str, #[case] expected: Option<i64>) {
        assert_eq!(parse_int(text), expected);
    }

    #[rstest]
    #[case("1.5h", Some(1.5))]
    #[case(".5", Some(0.5))]
    #[case("1e3x", Some(1000.0))]
    #[case("1e", Some(1.0))]
    #[case("inf", None)]
    #[case("nan", None)]
    #[case("-0.25", Some(-0.25))]
    fn parse_float_is_javascripts(#[case] text: &str, #[case] expected: Option<f64>) {
        assert_eq!(parse_float(text), expected);
    }

    #[rstest]
    #[case("", Some(0.0))]
    #[case(" 0.7 ", Some(0.7))]
    #[case("0.7x", None)]
    #[case("nan", None)]
    fn to_number_wants_the_whole_text(#[case] text: &str, #[case] expected: Option<f64>) {
        assert_eq!(to_number(text), expected);
    }

    #[test]
    fn zero_means_the_default() {
        let source = [("A", "0"), ("B", "7x"), ("C", "x")];
        let reader = Reader::new(&source);
        assert_eq!(reader.int_or("A", 8), 8);
        assert_eq!(reader.int_or("B", 8), 7);
        assert_eq!(reader.int_or("C", 8), 8);
        assert_eq!(reader.int_or("D", 8), 8);
    }
}
