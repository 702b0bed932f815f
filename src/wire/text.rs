//! JavaScript's idea of whitespace and trimming, which differs from Rust's in U+0085 and U+FEFF, and of
//! bytes that are not UTF-8.

use std::borrow::Cow;

/// Bytes as text, what is not UTF-8 replaced by U+FFFD. Good text, the usual case, is checked several
/// times faster than by `String::from_utf8_lossy`.
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// Whether a UTF-16 unit is whitespace for JavaScript (`\s`, `trim`).
pub fn is_js_space(unit: u16) -> bool {
    matches!(
        unit,
        0x09..=0x0d
            | 0x20
            | 0xa0
            | 0x1680
            | 0x2000..=0x200a
            | 0x2028
            | 0x2029
            | 0x202f
            | 0x205f
            | 0x3000
            | 0xfeff
    )
}

/// Whether a character is whitespace for JavaScript.
pub fn is_js_space_char(c: char) -> bool {
    u16::try_from(u32::from(c)).is_ok_and(is_js_space)
}

/// `String.prototype.trim`.
pub fn js_trim(text: &str) -> &str {
    text.trim_matches(is_js_space_char)
}

/// `String.prototype.trimStart`.
pub fn js_trim_start(text: &str) -> &str {
    text.trim_start_matches(is_js_space_char)
}

/// Whether a line, read as UTF-8, has nothing but whitespace.
pub fn is_blank(line: &[u8]) -> bool {
    match line.first() {
        None => true,
        Some(first) if first.is_ascii_graphic() => false,
        Some(_) => js_trim(&lossy(line)).is_empty(),
    }
}
