//! Reading the vendor's errors, as far as the same request is answered differently for them
//! (`contract/anthropic.md §3.7, §4.4`). What an answer means for the account is the business of its
//! state machine.

use bytes::Bytes;

use crate::{
    domain::HeaderList,
    wire::{
        json::{Doc, Kind, Value},
        text::lossy,
    },
};

/// What was asked, as far as answers are read differently for it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The client's body.
    pub body: Value<'a>,
    /// The client's headers.
    pub headers: &'a HeaderList,
}

/// Whether the vendor refused the tool names, so that the request should be sent once more with
/// suffixed ones. Plain replies are asked at any status, after the retries of a 403, and are retried
/// with that many tries again; only the last answer has effects. Streams are asked at any status but
/// 200 and 429, and both rounds share the retries of a 403.
pub fn refuses_tool_names(body: &[u8]) -> bool {
    let text = error_text(body).to_lowercase();
    text.contains("only authorized for use with claude code")
        || text.contains("cannot be used for other api requests")
}

/// Whether the request is one of Claude Code's background helpers, whose limits say nothing of the
/// account.
pub fn is_background_helper(asked: Asked<'_>) -> bool {
    let body = asked.body;
    if asked.headers.get("x-app") != Some("cli-bg")
        || body.get("stream").is_some_and(|stream| stream.kind() == Kind::True)
    {
        return false;
    }
    let system = body.get("system").map(joined_text).unwrap_or_default();
    let messages = body.get("messages").into_iter().flat_map(Value::elements);
    let texts = messages.map(|m| m.get("content").map(joined_text).unwrap_or_default());
    system.contains("A user kicked off a Claude Code agent")
        || texts.collect::<Vec<_>>().join("\n").contains("2-4 word lowercase label for this job")
}

/// Message of an error body: of JSON `error`, `error.message`, `error.error` or `message`; of anything
/// else the trimmed text.
fn error_text(body: &[u8]) -> String {
    message_in(js::trim(&lossy(body)), 0)
}

fn message_in(text: &str, depth: u8) -> String {
    /// JSON strings that hold JSON are read again, but not for ever.
    const MAX_DEPTH: u8 = 8;
    let Ok(doc) = Doc::parse(Bytes::copy_from_slice(text.as_bytes())) else {
        return text.to_owned();
    };
    let root = doc.root();
    if let Some(inner) = root.as_str() {
        let inner = js::trim(&inner);
        return if depth < MAX_DEPTH { message_in(inner, depth + 1) } else { inner.to_owned() };
    }
    let error = root.get("error");
    let found = error
        .and_then(Value::as_str)
        .or_else(|| error?.get_str("message"))
        .or_else(|| error?.get_str("error"))
        .or_else(|| root.get_str("message"));
    found.map(|text| text.into_owned()).unwrap_or_default()
}

/// Text of a string, or of the text blocks of an array.
fn joined_text(content: Value<'_>) -> String {
    if let Some(text) = content.as_str() {
        return text.into_owned();
    }
    let texts = content.elements().filter_map(|block| {
        block.get("type").filter(|kind| kind.is_str("text"))?;
        block.get_str("text").map(|text| text.into_owned())
    });
    texts.collect::<Vec<_>>().join("\n")
}
