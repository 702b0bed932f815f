//! White space, which differs from Rust's in U+0085 and U+FEFF.

/// Whether a UTF-16 unit is white space (`\s`, `trim`).
pub fn is_space_unit(unit: u16) -> bool {
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

/// Whether a character is white space.
pub fn is_space(c: char) -> bool {
    u16::try_from(u32::from(c)).is_ok_and(is_space_unit)
}

/// `String.prototype.trim`.
pub fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `String.prototype.trimStart`.
pub fn trim_start(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trims_what_javascript_trims() {
        assert_eq!(trim("\u{feff}\u{2028}\u{3000} a\u{85} \t"), "a\u{85}");
        assert_eq!(trim_start("\u{a0}\na "), "a ");
    }

    #[test]
    fn space_is_rusts_but_for_two() {
        for c in (0..=0xffff).filter_map(char::from_u32) {
            let rusts = c.is_whitespace() && c != '\u{85}' || c == '\u{feff}';
            assert_eq!(is_space(c), rusts, "{c:?}");
        }
    }
}
