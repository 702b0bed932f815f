//! Numbers as JavaScript reads and writes them.

/// Reads a checked number token as a double.
pub(super) fn parse(raw: &[u8]) -> f64 {
    std::str::from_utf8(raw).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

/// `JSON.stringify` of a number: [`js::print`], `null` when not finite.
pub fn format_js_number(n: f64) -> String {
    if n.is_finite() { js::print(n) } else { "null".to_owned() }
}
