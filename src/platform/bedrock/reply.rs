//! What clients get: the message made anew, the stream's events, the errors.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use serde_json::json;

use super::{Fault, from_vendor};
use crate::wire::{
    json::{self, Doc, Kind, Value, complaint, stringify},
    sse,
};

/// The end of every stream that was not broken off by an error.
pub const DONE: &[u8] = b"event: done\ndata: [DONE]\n\n";

/// A plain answer made anew: known members only, with defaults. `default_model` names answers that name
/// no model, `fallback_id` those without an id.
///
/// # Errors
/// When the answer is no message.
pub fn message(
    answer: Bytes,
    default_model: &str,
    fallback_id: impl FnOnce() -> String,
) -> Result<Vec<u8>, Fault> {
    let doc = parse(answer)?;
    let root = doc.root();
    if root.kind() == Kind::Null {
        return Err(Fault::local("Cannot read properties of null (reading 'id')"));
    }
    let part = |name: &str, otherwise: &str| match root.get_truthy(name) {
        Some(value) => stringify(value),
        None => otherwise.as_bytes().to_vec(),
    };
    let mut model = Vec::new();
    match root.get_truthy("model") {
        Some(name) if !name.is_string() => {
            return Err(Fault::local("bedrockModelId.includes is not a function"));
        }
        name => {
            let name = name.and_then(Value::as_str);
            json::encode(
                name.as_deref().map_or(default_model.into(), from_vendor).as_ref(),
                &mut model,
            );
        }
    }
    let mut id = Vec::new();
    match root.get_truthy("id") {
        Some(given) => id = stringify(given),
        None => json::encode(&fallback_id(), &mut id),
    }
    let members = [
        ("id", id),
        ("type", b"\"message\"".to_vec()),
        ("role", part("role", "\"assistant\"")),
        ("content", part("content", "[]")),
        ("model", model),
        ("stop_reason", part("stop_reason", "\"end_turn\"")),
        ("stop_sequence", part("stop_sequence", "null")),
        ("usage", part("usage", "{\"input_tokens\":0,\"output_tokens\":0}")),
    ];
    let mut out = Vec::with_capacity(doc.text().len() + 64);
    for (place, (name, value)) in members.iter().enumerate() {
        out.push(if place == 0 { b'{' } else { b',' });
        json::encode(name, &mut out);
        out.push(b':');
        out.extend_from_slice(value);
    }
    out.push(b'}');
    Ok(out)
}

/// One event of a stream as clients get it, and what it says of usage.
#[derive(Debug, Default)]
pub struct Event {
    /// Bytes for the client; none for chunks that are no events.
    pub out: Option<Bytes>,
    /// Usage, when the event is a `message_delta` with any.
    pub usage: Option<Counted>,
    /// Whether the message is over.
    pub last: bool,
}

/// Input and output of a `message_delta`. Anything but positive numbers is zero.
pub type Counted = (u64, u64);

/// Reads the payload of a `chunk` event.
///
/// # Errors
/// When it is none; the stream ends there.
pub fn chunk(payload: &Bytes) -> Result<Event, Fault> {
    let bytes = if payload.is_empty() {
        Bytes::new()
    } else {
        let doc = parse(payload.clone())?;
        match doc.root().get("bytes").and_then(Value::as_str) {
            Some(text) => decoded(&text)?,
            None => Bytes::new(),
        }
    };
    let doc = parse(bytes)?;
    let root = doc.root();
    if root.kind() == Kind::Null {
        return Err(Fault::local("Cannot read properties of null (reading 'type')"));
    }
    let Some(kind) = root.get_truthy("type") else { return Ok(Event::default()) };
    let kind = kind.to_js_text();
    let data = match renamed(root).filter(|_| kind == "message_start") {
        Some(data) => data?,
        None => stringify(root),
    };
    let usage = root.get_truthy("usage").filter(|_| kind == "message_delta").map(counted);
    let out = Some(sse::event(&kind, &String::from_utf8_lossy(&data)));
    Ok(Event { out, usage, last: kind == "message_stop" })
}

/// A `message_start` whose message names a model, under the plain name.
fn renamed(root: Value<'_>) -> Option<Result<Vec<u8>, Fault>> {
    let name = root.get_truthy("message")?.get_truthy("model")?;
    let Some(name) = name.as_str() else {
        return Some(Err(Fault::local("bedrockModelId.includes is not a function")));
    };
    let plain = from_vendor(&name);
    if plain == name {
        return None;
    }
    let mut tree = json::Tree::Raw(root);
    tree.member("message")?.set("model", json::Tree::string(&plain));
    let mut out = Vec::new();
    tree.write(&mut out);
    Some(json::restringify(out.into()).map_err(|error| Fault::local(error.to_string())))
}

fn counted(usage: Value<'_>) -> Counted {
    let count = |name: &str| usage.get(name).and_then(Value::as_f64).map_or(0, |n| n as u64);
    (count("input_tokens"), count("output_tokens"))
}

/// JSON, or the runtime's complaint about what is none.
fn parse(text: Bytes) -> Result<Doc, Fault> {
    Doc::parse_deep(text.clone()).map_err(|error| {
        let said = complaint(&String::from_utf8_lossy(&text));
        Fault::local(said.unwrap_or_else(|| error.to_string()))
    })
}

fn decoded(text: &str) -> Result<Bytes, Fault> {
    // What follows the last whole byte is passed over, as the client library does.
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    if !text.len().is_multiple_of(4) {
        return Err(Fault::local("Incorrect padding on base64 string."));
    }
    let bytes = GeneralPurpose::new(&STANDARD, config).decode(text);
    bytes.map(Bytes::from).map_err(|_| Fault::local("Invalid base64 string."))
}

/// The event of a stream that failed.
pub fn error_event(fault: &Fault) -> Bytes {
    sse::event("error", &json!({ "error": fault.told() }).to_string())
}

/// Body of a plain request that failed, and of streams whose account cannot be used.
pub fn error_body(told: &str) -> serde_json::Value {
    json!({ "error": "Bedrock service error", "message": told })
}
