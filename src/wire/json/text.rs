//! JSON string tokens: decoding, encoding, and trimming without decoding.

use std::borrow::Cow;

use crate::wire::text::lossy;

/// Text of a checked string token (with its quotes). Lone surrogate escapes become U+FFFD, as when
/// JavaScript encodes such a string in UTF-8.
pub fn decode(raw: &[u8]) -> Cow<'_, str> {
    let inner = inner(raw);
    if memchr::memchr(b'\\', inner).is_none() {
        return lossy(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut high = None;
    for (unit, _) in Units(inner, 0) {
        match (high.take(), unit) {
            (Some(h), Unit::Escaped(low @ 0xdc00..=0xdfff)) => {
                out.extend(char::decode_utf16([h, low]).map(|c| c.unwrap_or('\u{fffd}')));
                continue;
            }
            (Some(_), _) => out.push('\u{fffd}'),
            (None, _) => {}
        }
        match unit {
            Unit::Escaped(h @ 0xd800..=0xdbff) => high = Some(h),
            Unit::Escaped(u) => out.push(char::from_u32(u32::from(u)).unwrap_or('\u{fffd}')),
            Unit::Plain(part) => out.push_str(&lossy(part)),
        }
    }
    if high.is_some() {
        out.push('\u{fffd}');
    }
    Cow::Owned(out)
}

/// Whether the token's text is `expected`.
pub(super) fn equals(raw: &[u8], expected: &str) -> bool {
    let inner = inner(raw);
    let escaped = || memchr::memchr(b'\\', inner).is_some();
    if inner == expected.as_bytes() { !escaped() } else { escaped() && decode(raw) == expected }
}

/// Writes `text` as a string token, escaped as `JSON.stringify` does.
pub fn encode(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    encode_inner(text, out);
    out.push(b'"');
}

/// [`encode`] without the quotes.
pub(super) fn encode_inner(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[written..at]);
        written = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => out.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&bytes[written..]);
}

/// A member's name in the spelling of `JSON.stringify`, which is most often the one it has.
pub(super) fn canonical_name(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut token = Vec::with_capacity(raw.len());
    canonical(raw, &mut token);
    Cow::Owned(token)
}

/// Rewrites a token in the spelling of `JSON.stringify`; lone surrogates stay escapes.
pub(super) fn canonical(raw: &[u8], out: &mut Vec<u8>) {
    let inner = inner(raw);
    out.push(b'"');
    if memchr::memchr(b'\\', inner).is_none() {
        out.extend_from_slice(inner);
    } else {
        let mut high = None;
        for (unit, _) in Units(inner, 0) {
            match (high.take(), unit) {
                (Some(h), Unit::Escaped(low @ 0xdc00..=0xdfff)) => {
                    let pair: String = char::decode_utf16([h, low]).flatten().collect();
                    out.extend_from_slice(pair.as_bytes());
                    continue;
                }
                (Some(h), _) => out.extend_from_slice(format!("\\u{h:04x}").as_bytes()),
                (None, _) => {}
            }
            match unit {
                Unit::Escaped(h @ 0xd800..=0xdbff) => high = Some(h),
                Unit::Escaped(u) => match char::from_u32(u32::from(u)) {
                    Some(c) => encode_inner(c.encode_utf8(&mut [0; 4]), out),
                    None => out.extend_from_slice(format!("\\u{u:04x}").as_bytes()),
                },
                Unit::Plain(part) => out.extend_from_slice(part),
            }
        }
        if let Some(h) = high {
            out.extend_from_slice(format!("\\u{h:04x}").as_bytes());
        }
    }
    out.push(b'"');
}

/// The token's content without leading and trailing JavaScript whitespace, still escaped and without
/// quotes, so that it can be put into another token byte for byte.
pub fn trim_raw(raw: &[u8]) -> &[u8] {
    trim_raw_inner(inner(raw))
}

/// [`trim_raw`] for content that already stands without quotes.
pub fn trim_raw_inner(inner: &[u8]) -> &[u8] {
    let (mut start, mut end) = (None, 0);
    for (unit, at) in Units(inner, 0) {
        match unit {
            Unit::Escaped(u) if js::is_space_unit(u) => {}
            Unit::Escaped(_) => {
                start = start.or(Some(at));
                end = at + if inner.get(at + 1) == Some(&b'u') { 6 } else { 2 };
            }
            Unit::Plain(part) => {
                let part = std::str::from_utf8(part).unwrap_or_default();
                let tail = part.trim_start_matches(js::is_space);
                if !tail.is_empty() {
                    start = start.or(Some(at + part.len() - tail.len()));
                    end = at + part.trim_end_matches(js::is_space).len();
                }
            }
        }
    }
    start.and_then(|start| inner.get(start..end)).unwrap_or_default()
}

/// A string token's text as JavaScript counts it: UTF-16 units, lone surrogates included.
pub fn units(raw: &[u8]) -> Vec<u16> {
    let mut out = Vec::with_capacity(raw.len());
    for (unit, _) in Units(inner(raw), 0) {
        match unit {
            Unit::Escaped(unit) => out.push(unit),
            Unit::Plain(part) => out.extend(lossy(part).encode_utf16()),
        }
    }
    out
}

/// The string token of such a text, lone surrogates as escapes.
pub fn from_units(units: &[u16]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for unit in char::decode_utf16(units.iter().copied()) {
        match unit {
            Ok(char) => encode_inner(char.encode_utf8(&mut [0; 4]), &mut out),
            Err(lone) => {
                let escape = format!("\\u{:04x}", lone.unpaired_surrogate());
                out.extend_from_slice(escape.as_bytes());
            }
        }
    }
    out.push(b'"');
    out
}

/// A string token without its quotes.
pub fn inner(raw: &[u8]) -> &[u8] {
    raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default()
}

#[derive(Clone, Copy)]
enum Unit<'t> {
    /// A run without escapes.
    Plain(&'t [u8]),
    /// The UTF-16 unit of one escape.
    Escaped(u16),
}

/// Pieces of a token's content with their offsets.
struct Units<'t>(&'t [u8], usize);

impl<'t> Iterator for Units<'t> {
    type Item = (Unit<'t>, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let (text, at) = (self.0, self.1);
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        if let Some(plain) = rest.get(..memchr::memchr(b'\\', rest).unwrap_or(rest.len()))
            && !plain.is_empty()
        {
            self.1 += plain.len();
            return Some((Unit::Plain(plain), at));
        }
        let unit = match rest.get(1) {
            Some(b'u') => {
                self.1 += 6;
                let hex = rest.get(2..6).and_then(|hex| std::str::from_utf8(hex).ok());
                hex.and_then(|hex| u16::from_str_radix(hex, 16).ok()).unwrap_or(0xfffd)
            }
            other => {
                self.1 += 2;
                match other {
                    Some(b'b') => 0x08,
                    Some(b'f') => 0x0c,
                    Some(b'n') => 0x0a,
                    Some(b'r') => 0x0d,
                    Some(b't') => 0x09,
                    Some(byte) => u16::from(*byte),
                    None => 0xfffd,
                }
            }
        };
        Some((Unit::Escaped(unit), at))
    }
}
