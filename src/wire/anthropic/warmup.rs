//! Warm-up and title requests that may be answered without asking a vendor
//! (`contract/anthropic.md §6`, `src/utils/warmupInterceptor.js`).

use std::time::Duration;

use bytes::Bytes;

use crate::wire::{json, json::Value, sse};

/// Pause between two events of the canned stream.
pub const EVENT_INTERVAL: Duration = Duration::from_millis(20);

const TITLE_REQUEST: &str = "Please write a 5-10 word title for the following conversation:";
const TITLE_SYSTEM: &str = "nalyze if this message indicates a new conversation topic. \
                            If it does, extract a 2-3 word title";
const DEFAULT_MODEL: &str = "claude-3-5-sonnet-20241022";

/// Whether the request is one that accounts with interception answer themselves.
pub fn is_warmup(body: Value<'_>) -> bool {
    let messages = body.get("messages").filter(|m| m.is_array());
    let wanted = |text: &str| text == "Warmup" || text.contains(TITLE_REQUEST);
    messages.into_iter().flat_map(Value::elements).any(|message| {
        let Some(content) = message.get("content") else { return false };
        content.as_str().is_some_and(|text| wanted(&text))
            || content.elements().any(|block| {
                block.get("type").is_some_and(|kind| kind.is_str("text"))
                    && block.get_str("text").is_some_and(|text| wanted(&text))
            })
    }) || body.get_truthy("system").is_some_and(|system| system_text(system).contains(TITLE_SYSTEM))
}

/// The canned reply. `id` is 20 random hex digits; without a model a default is named.
pub fn reply(model: Option<&str>, id: &str) -> String {
    let model = model_token(model);
    format!(
        r#"{{"id":"msg_warmup_{id}","type":"message","role":"assistant","content":[{{"type":"text","text":"New Conversation"}}],"model":{model},"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":10,"output_tokens":2}}}}"#
    )
}

/// The canned stream, to be sent one event every [`EVENT_INTERVAL`].
pub fn events(model: Option<&str>, id: &str) -> Vec<Bytes> {
    let model = model_token(model);
    let start = format!(
        r#"{{"message":{{"content":[],"id":"msg_warmup_{id}","model":{model},"role":"assistant","stop_reason":null,"stop_sequence":null,"type":"message","usage":{{"input_tokens":10,"output_tokens":0}}}},"type":"message_start"}}"#
    );
    let delta = |text: &str| {
        format!(
            r#"{{"delta":{{"text":"{text}","type":"text_delta"}},"index":0,"type":"content_block_delta"}}"#
        )
    };
    vec![
        sse::event("message_start", &start),
        sse::event(
            "content_block_start",
            r#"{"content_block":{"text":"","type":"text"},"index":0,"type":"content_block_start"}"#,
        ),
        sse::event("content_block_delta", &delta("New")),
        sse::event("content_block_delta", &delta(" Conversation")),
        sse::event("content_block_stop", r#"{"index":0,"type":"content_block_stop"}"#),
        sse::event(
            "message_delta",
            r#"{"delta":{"stop_reason":"end_turn","stop_sequence":null},"type":"message_delta","usage":{"input_tokens":10,"output_tokens":2}}"#,
        ),
        sse::event("message_stop", r#"{"type":"message_stop"}"#),
    ]
}

fn model_token(model: Option<&str>) -> String {
    let mut out = Vec::new();
    json::encode(model.filter(|model| !model.is_empty()).unwrap_or(DEFAULT_MODEL), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn system_text(system: Value<'_>) -> String {
    if system.is_string() {
        return system.to_js_text().into_owned();
    }
    let text = |part: Value<'_>| {
        let text = if part.is_object() { part.get_truthy("text") } else { Some(part) };
        text.map(|text| text.to_js_text().into_owned()).unwrap_or_default()
    };
    system.elements().map(text).collect()
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::wire::json::Doc;

    #[test]
    fn recorded_decisions_and_replies() {
        let recorded = include_str!("../fixtures/warmup.json");
        let recorded = Doc::parse_deep(Bytes::from_static(recorded.as_bytes())).unwrap();
        let root = recorded.root();
        for row in root.get("cases").unwrap().elements() {
            let expected = row.get("warmup").unwrap().truthy();
            let shown = String::from_utf8_lossy(row.raw());
            assert_eq!(is_warmup(row.get("body").unwrap()), expected, "{shown}");
        }
        let id = "0123456789abcdef0123";
        assert_eq!(reply(Some("m\"x"), id), root.get_str("reply").unwrap());
        assert_eq!(reply(None, id), root.get_str("replyDefault").unwrap());
        let events: Vec<_> = events(Some("m"), id);
        let expected: Vec<_> =
            root.get("events").unwrap().elements().filter_map(Value::as_str).collect();
        assert_eq!(events, expected.iter().map(|e| e.as_bytes()).collect::<Vec<_>>());
    }
}
