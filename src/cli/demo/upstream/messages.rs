//! The stand-in's answers, as text. Written by hand rather than through a JSON value: this is the hot
//! path of the thing that must not be the bottleneck.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::behaviour::{Behaviour, TokenCounts};

/// Headers that the vendor sends with every message and the relay reads.
pub(super) const LIMIT_HEADERS: [(&str, &str); 4] = [
    ("request-id", "req_standin"),
    ("anthropic-organization-id", "00000000-0000-4000-8000-000000000000"),
    ("anthropic-ratelimit-unified-status", "allowed"),
    ("anthropic-ratelimit-unified-5h-status", "allowed"),
];

/// What the stand-in looks at in a request.
#[derive(Deserialize)]
pub(super) struct MessageRequest<'a> {
    #[serde(default)]
    pub stream: bool,
    #[serde(borrow, default)]
    pub model: Cow<'a, str>,
}

/// A rough count of the tokens in so many bytes.
pub(super) fn tokens_in(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

/// A complete message.
pub(super) fn whole(
    request: &MessageRequest<'_>,
    behaviour: &Behaviour,
    usage: TokenCounts,
) -> String {
    let (model, text, usage) = (quoted(&request.model), quoted(&behaviour.text()), counts(usage));
    format!(
        "{{\"id\":\"msg_standin\",\"type\":\"message\",\"role\":\"assistant\",\"model\":{model},\
         \"content\":[{{\"type\":\"text\",\"text\":{text}}}],\"stop_reason\":\"end_turn\",\
         \"stop_sequence\":null,\"usage\":{usage}}}"
    )
}

/// The events of a streamed message.
pub(super) fn events(
    request: &MessageRequest<'_>,
    behaviour: &Behaviour,
    usage: TokenCounts,
) -> Vec<Bytes> {
    let (model, output) = (quoted(&request.model), usage.output);
    let opening = counts(TokenCounts { output: 1, ..usage });
    let mut events = Vec::with_capacity(behaviour.deltas + 6);
    events.push(event(
        "message_start",
        &format!(
            "\"message\":{{\"id\":\"msg_standin\",\"type\":\"message\",\"role\":\"assistant\",\
             \"model\":{model},\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\
             \"usage\":{opening}}}"
        ),
    ));
    events.push(event(
        "content_block_start",
        "\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}",
    ));
    events.push(Bytes::from_static(b"event: ping\ndata: {\"type\": \"ping\"}\n\n"));
    let text = behaviour.text();
    for part in parts(&text, behaviour.deltas) {
        let part = quoted(part);
        events.push(event(
            "content_block_delta",
            &format!("\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":{part}}}"),
        ));
    }
    events.push(event("content_block_stop", "\"index\":0"));
    events.push(event(
        "message_delta",
        &format!(
            "\"delta\":{{\"stop_reason\":\"end_turn\",\"stop_sequence\":null}},\
             \"usage\":{{\"output_tokens\":{output}}}"
        ),
    ));
    events.push(Bytes::from_static(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
    events
}

/// One more event of a held stream.
pub(super) fn tick(number: usize) -> Bytes {
    event(
        "content_block_delta",
        &format!("\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"t{number};\"}}"),
    )
}

/// What the OAuth token endpoint grants.
pub(super) fn token() -> Value {
    json!({
        "token_type": "Bearer",
        "access_token": "standin-access-token",
        "refresh_token": "standin-refresh-token",
        "expires_in": 28_800,
        "scope": "user:inference user:profile",
    })
}

/// The model list.
pub(super) fn models() -> Value {
    let model = |id: &str, name: &str| json!({ "type": "model", "id": id, "display_name": name, "created_at": "2025-01-01T00:00:00Z" });
    json!({
        "data": [
            model("claude-opus-4-1-20250805", "Claude Opus 4.1"),
            model("claude-sonnet-4-20250514", "Claude Sonnet 4"),
        ],
        "has_more": false,
    })
}

/// One event of that type.
pub(super) fn event(name: &str, fields: &str) -> Bytes {
    format!("event: {name}\ndata: {{\"type\":\"{name}\",{fields}}}\n\n").into()
}

fn counts(usage: TokenCounts) -> String {
    let TokenCounts { input, output, cache_5m, cache_1h, cache_read } = usage;
    let written = cache_5m + cache_1h;
    format!(
        "{{\"input_tokens\":{input},\"cache_creation_input_tokens\":{written},\
         \"cache_read_input_tokens\":{cache_read},\"cache_creation\":{{\
         \"ephemeral_5m_input_tokens\":{cache_5m},\"ephemeral_1h_input_tokens\":{cache_1h}}},\
         \"output_tokens\":{output},\"service_tier\":\"standard\"}}"
    )
}

/// `text` in at most `count` parts, none of them empty. The text is ASCII.
pub(super) fn parts(text: &str, count: usize) -> impl Iterator<Item = &str> {
    let size = text.len().div_ceil(count.max(1)).max(1);
    (0..text.len().div_ceil(size)).map(move |n| &text[n * size..text.len().min((n + 1) * size)])
}

/// `text` as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
