//! The vendor's request body: the members it knows, in its order, with the client's own spelling.

use std::borrow::Cow;

use crate::wire::{
    body::RequestBody,
    json::{Doc, Kind, Tree, Value, format_js_number},
};

const VERSION: &str = "\"bedrock-2023-05-31\"";
/// Containers deeper than this pass as they are.
const MAX_DEPTH: usize = 256;
const CACHE_CONTROL: &str = "cache_control";

/// When a member is passed on.
#[derive(Clone, Copy)]
enum When {
    /// Unless it is falsy.
    Truthy,
    /// Whenever it is there.
    Present,
}

/// Members that pass as they are, in the order in which the legacy service writes them.
const PASSED: [(&str, When); 7] = [
    ("system", When::Truthy),
    ("temperature", When::Present),
    ("top_p", When::Present),
    ("top_k", When::Present),
    ("stop_sequences", When::Truthy),
    ("tools", When::Truthy),
    ("tool_choice", When::Truthy),
];

/// Makes the body. `default_max_tokens` stands in for a missing limit.
pub(super) fn build(body: &RequestBody, default_max_tokens: i64) -> Vec<u8> {
    // Only what may hold a cache mark has to be looked at in depth.
    let deep = mentions_cache(body.bytes()).then(|| Doc::parse_deep(body.bytes().clone()).ok());
    let deep = deep.flatten();
    let root = deep.as_ref().map_or_else(|| body.root(), Doc::root);
    let mut out = Vec::with_capacity(body.bytes().len() + 64);
    out.extend_from_slice(b"{\"anthropic_version\":");
    out.extend_from_slice(VERSION.as_bytes());
    let limit = root.get_truthy("max_tokens");
    let limit_text = limit.map_or_else(
        || Cow::Owned(default_max_tokens.to_string().into_bytes()),
        |limit| Cow::Borrowed(limit.raw()),
    );
    member(&mut out, "max_tokens");
    out.extend_from_slice(&limit_text);
    member(&mut out, "messages");
    match root.get_truthy("messages") {
        Some(messages) => write(messages, 0, &mut out),
        None => out.extend_from_slice(b"[]"),
    }
    for (name, when) in PASSED {
        let value = match when {
            When::Truthy => root.get_truthy(name),
            When::Present => root.get(name),
        };
        if let Some(value) = value {
            member(&mut out, name);
            write(value, 0, &mut out);
        }
    }
    if let Some(thinking) = root.get_truthy("thinking") {
        member(&mut out, "thinking");
        let budget = less_one(limit, default_max_tokens);
        out.extend_from_slice(&self::thinking(thinking, &budget));
    }
    if let Some(metadata) = root.get_truthy("metadata") {
        member(&mut out, "metadata");
        write(metadata, 0, &mut out);
    }
    out.push(b'}');
    out
}

fn member(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Whether a text may hold a cache mark, escapes in its name included.
fn mentions_cache(text: &[u8]) -> bool {
    let has = |needle: &[u8]| memchr::memmem::find(text, needle).is_some();
    has(CACHE_CONTROL.as_bytes()) || has(b"\\u00")
}

/// Writes a value; each `cache_control` that is an object or a list keeps only its type, which is all
/// that the vendor takes.
fn write(value: Value<'_>, depth: usize, out: &mut Vec<u8>) {
    if depth >= MAX_DEPTH || !mentions_cache(value.raw()) {
        out.extend_from_slice(value.raw());
        return;
    }
    match value.kind() {
        Kind::Object => {
            out.push(b'{');
            for (place, (name, inner)) in value.members().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(name.raw());
                out.push(b':');
                if name.is_str(CACHE_CONTROL) && (inner.is_object() || inner.is_array()) {
                    out.extend_from_slice(b"{\"type\":");
                    match inner.get_truthy("type") {
                        Some(kind) => write(kind, depth + 1, out),
                        None => out.extend_from_slice(b"\"ephemeral\""),
                    }
                    out.push(b'}');
                } else {
                    write(inner, depth + 1, out);
                }
            }
            out.push(b'}');
        }
        Kind::Array => {
            out.push(b'[');
            for (place, inner) in value.elements().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write(inner, depth + 1, out);
            }
            out.push(b']');
        }
        _ => out.extend_from_slice(value.raw()),
    }
}

/// The vendor knows no adaptive thinking: it becomes enabled thinking with a budget.
fn thinking(value: Value<'_>, budget: &str) -> Vec<u8> {
    let mut tree = match value.kind() {
        Kind::Object => Tree::Raw(value),
        // What JavaScript's spread makes of lists and texts.
        Kind::Array => Tree::Object(
            (0..).zip(value.elements()).map(|(at, one)| (index(at), Tree::Raw(one))).collect(),
        ),
        Kind::String => {
            let text = value.as_str().unwrap_or_default();
            let chars = (0..).zip(text.chars());
            Tree::Object(chars.map(|(at, c)| (index(at), Tree::string(&c.to_string()))).collect())
        }
        _ => Tree::Object(Vec::new()),
    };
    if value.get("type").is_some_and(|kind| kind.is_str("adaptive")) {
        tree.set("type", Tree::string("enabled"));
        if value.get_truthy("budget_tokens").is_none() {
            tree.set("budget_tokens", Tree::Text(budget.as_bytes().to_vec()));
        }
    }
    let mut out = Vec::with_capacity(value.raw().len() + 32);
    tree.write(&mut out);
    out
}

fn index(at: usize) -> Vec<u8> {
    format!("\"{at}\"").into_bytes()
}

/// The limit less one as JavaScript reckons.
fn less_one(limit: Option<Value<'_>>, default: i64) -> String {
    let Some(limit) = limit else { return (default - 1).to_string() };
    let number = match limit.kind() {
        Kind::True => 1.0,
        Kind::String => {
            limit.as_str().and_then(|text| text.trim().parse().ok()).unwrap_or(f64::NAN)
        }
        // A list of one is that one.
        Kind::Array => {
            let mut own = limit.elements();
            return match (own.next(), own.next()) {
                (None, _) => "-1".to_owned(),
                (Some(one), None) => less_one(Some(one), default),
                _ => "null".to_owned(),
            };
        }
        _ => limit.as_f64().unwrap_or(f64::NAN),
    };
    format_js_number(number - 1.0)
}
