//! How JavaScript turns values into text where a conversion lets it.

use std::borrow::Cow;

use crate::wire::json::{Kind, Value, encode, inner};

/// `String(value)`. Elements of arrays nested more deeply than documents are indexed count as empty.
pub(super) fn text(value: Value<'_>) -> Cow<'_, str> {
    match value.kind() {
        Kind::Null => Cow::Borrowed("null"),
        _ => element(value),
    }
}

/// The value as an element of a joined array: `null` is empty there.
pub(super) fn element(value: Value<'_>) -> Cow<'_, str> {
    if !value.is_array() {
        return value.to_js_text();
    }
    let elements: Vec<Cow<'_, str>> = value.elements().map(element).collect();
    Cow::Owned(elements.join(","))
}

/// `values.join(separator)` as the inside of a string token. Texts keep the spelling they came in, so
/// that what is no text to Rust (lone surrogates) survives; a missing value is empty.
pub(super) fn joined<'d>(
    values: impl Iterator<Item = Option<Value<'d>>>,
    separator: &[u8],
) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.extend_from_slice(separator);
        }
        match value {
            Some(value) if value.is_string() => out.extend_from_slice(inner(value.raw())),
            Some(value) => {
                let mut token = Vec::new();
                encode(&element(value), &mut token);
                out.extend_from_slice(inner(&token));
            }
            None => {}
        }
    }
    out
}

/// The inside of a string token as a token.
pub(super) fn quoted(inside: &[u8]) -> Vec<u8> {
    [b"\"", inside, b"\""].concat()
}
