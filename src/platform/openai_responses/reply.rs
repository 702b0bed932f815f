//! Providers' refusals: what the account's state takes from them and what the client is told.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::json;

use crate::wire::{
    body_rules::in_words,
    json::{Doc, Kind, Value, stringify},
    openai::{data, events::resets_in},
};

const DATA: &str = "data: ";

/// A limit told in a whole answer: seconds until it ends, and the client's error as JSON.
pub fn limit(body: Bytes) -> (Option<f64>, Bytes) {
    let doc = data::as_data(body);
    let root = doc.root();
    let error = match root.kind() {
        Kind::String if root.truthy() => {
            let text = root.as_str().unwrap_or_default();
            // JSON text may hold JSON once more.
            let inner = Doc::parse_deep(Bytes::copy_from_slice(text.as_bytes()));
            Some(inner.unwrap_or_else(|_| data::message(&text)))
        }
        _ => root.truthy().then_some(doc),
    };
    told(error)
}

/// A limit told in an answer to a call that wanted events.
pub fn limit_of_stream(body: &[u8]) -> (Option<f64>, Bytes) {
    let text = String::from_utf8_lossy(body);
    let in_event = || data_lines(&text).find_map(parsed);
    let event = if text.contains(DATA) { in_event() } else { None };
    // What is told there as nothing counts as not told.
    let event = event.filter(|event| event.root().truthy());
    told(event.or_else(|| parsed(&text)))
}

fn told(error: Option<Doc>) -> (Option<f64>, Bytes) {
    let error = error.filter(|error| error.root().truthy());
    let inner = error.as_ref().and_then(|error| error.root().get_truthy("error"));
    let resets_in_s = inner.and_then(|error| resets_in(error).or_else(|| resets_in_words(error)));
    match &error {
        Some(error) => (resets_in_s, stringify(error.root()).into()),
        None => {
            let own = json!({ "error": {
                "message": "Rate limit exceeded",
                "type": "rate_limit_error",
                "code": "rate_limit_exceeded",
                "resets_in_seconds": null,
            } });
            (None, own.to_string().into())
        }
    }
}

/// `resets_in`: the number that the text begins with.
fn resets_in_words(error: Value<'_>) -> Option<f64> {
    let told = error.get_truthy("resets_in")?;
    let text = in_words(told);
    let text = js::trim(&text);
    let sign = text.strip_prefix(['+', '-']).map_or(0, |_| 1);
    let digits = text.bytes().skip(sign).take_while(u8::is_ascii_digit).count();
    let number: f64 = text.get(..sign + digits)?.parse().ok()?;
    (number != 0.0).then_some(number)
}

/// The error in an answer to a call that wanted events: the first data, else the whole as JSON, else its
/// text.
pub fn error_of_stream(body: &[u8]) -> Doc {
    let text = String::from_utf8_lossy(body);
    let found =
        if text.contains(DATA) { data_lines(&text).next().and_then(parsed) } else { parsed(&text) };
    found.unwrap_or_else(|| data::message(if text.is_empty() { "Unknown error" } else { &text }))
}

/// What a client is told of a 401.
pub fn unauthorized(error: &Doc) -> Bytes {
    let root = error.root();
    if data::is_object(root) {
        return stringify(root).into();
    }
    let text = root.as_str().unwrap_or(Cow::Borrowed(""));
    let text = js::trim(&text);
    let told = json!({ "error": {
        "message": if text.is_empty() { "Unauthorized" } else { text },
        "type": "unauthorized",
        "code": "unauthorized",
    } });
    told.to_string().into()
}

fn data_lines(text: &str) -> impl Iterator<Item = &str> {
    let data = text.split('\n').filter_map(|line| line.strip_prefix(DATA)).map(js::trim);
    data.filter(|data| !data.is_empty() && *data != "[DONE]")
}

fn parsed(text: &str) -> Option<Doc> {
    data::of_written(Bytes::copy_from_slice(text.as_bytes()))
}
