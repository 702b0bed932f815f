//! How JavaScript turns values into text or numbers where a conversion lets it.

use std::borrow::Cow;

use bytes::Bytes;

use super::ConvertError::{self, Shape};
use crate::wire::{
    body_rules::js_number,
    json::{Doc, Kind, Tree, Value, encode, inner, restringify},
};

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

/// `String(value)`, except where that throws: an object with a `toString` of its own, which is no function.
pub(super) fn primitive(value: Value<'_>) -> Result<Cow<'_, str>, ConvertError> {
    let odd = |value: Value<'_>| value.get("toString").is_some();
    if odd(value) || value.elements().any(odd) {
        return Err(Shape("a value has no text"));
    }
    Ok(text(value))
}

/// `Number(value)`; not a number where JavaScript says so.
pub(super) fn number(value: Value<'_>) -> f64 {
    match value.kind() {
        Kind::Null | Kind::False => 0.0,
        Kind::True => 1.0,
        Kind::Number => value.as_f64().unwrap_or(f64::NAN),
        Kind::Object => f64::NAN,
        Kind::String | Kind::Array => js_number(&text(value)).unwrap_or(f64::NAN),
    }
}

/// The value as JavaScript writes it.
pub(super) fn plain(value: Value<'_>) -> Vec<u8> {
    restringify(Bytes::copy_from_slice(value.raw())).unwrap_or_else(|_| value.raw().to_vec())
}

/// The value's JSON as a text.
pub(super) fn as_text(value: Value<'_>) -> Tree<'static> {
    Tree::string(&String::from_utf8_lossy(&plain(value)))
}

/// A line's data, indexed as far as `all` says, unless it is no JSON; the legacy parser takes no byte
/// order mark.
pub(super) fn document(data: &[u8], all: bool) -> Option<Doc> {
    if data.starts_with("\u{feff}".as_bytes()) {
        return None;
    }
    let data = Bytes::copy_from_slice(data);
    if all { Doc::parse_deep(data) } else { Doc::parse(data) }.ok()
}
