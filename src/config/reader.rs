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
        match self.raw(name).as_deref().and_then(js::parse_int) {
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
        match self.raw(name).as_deref().and_then(js::parse_float) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
