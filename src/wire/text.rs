//! Bytes that are not UTF-8, and lines with nothing in them.

use std::borrow::Cow;

/// Bytes as text, what is not UTF-8 replaced by U+FFFD. Good text, the usual case, is checked several
/// times faster than by `String::from_utf8_lossy`.
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// Whether a line, read as UTF-8, has nothing but whitespace.
pub fn is_blank(line: &[u8]) -> bool {
    match line.first() {
        None => true,
        Some(first) if first.is_ascii_graphic() => false,
        Some(_) => js::trim(&lossy(line)).is_empty(),
    }
}
