//! Answers of the Responses API, as text; see `messages` on why by hand.

use bytes::Bytes;

use super::{
    behaviour::{Behaviour, TokenCounts},
    messages::{MessageRequest, event, parts, quoted},
};

/// Headers that ChatGPT's backend sends with every answer and the relay reads.
pub(super) const LIMIT_HEADERS: [(&str, &str); 4] = [
    ("x-request-id", "req_standin"),
    ("x-codex-primary-used-percent", "12"),
    ("x-codex-primary-window-minutes", "300"),
    ("x-codex-primary-reset-after-seconds", "3600"),
];

/// The moment that every answer names, in seconds.
const CREATED: u64 = 1_735_689_600;

/// A complete response.
pub(super) fn whole(
    request: &MessageRequest<'_>,
    behaviour: &Behaviour,
    usage: TokenCounts,
) -> String {
    let output = format!("[{}]", item(&quoted(&behaviour.text()), "completed"));
    response(request, "completed", &output, &counts(usage))
}

/// The events of a streamed response.
pub(super) fn events(
    request: &MessageRequest<'_>,
    behaviour: &Behaviour,
    usage: TokenCounts,
) -> Vec<Bytes> {
    let begun = format!("\"response\":{}", response(request, "in_progress", "[]", "null"));
    let place = "\"output_index\":0,\"item_id\":\"msg_standin\",\"content_index\":0";
    let text = behaviour.text();
    let all = quoted(&text);
    let part = |text: &str| {
        format!("{place},\"part\":{{\"type\":\"output_text\",\"text\":{text},\"annotations\":[]}}")
    };
    let mut events = Vec::with_capacity(behaviour.deltas + 8);
    events.push(event("response.created", &begun));
    events.push(event("response.in_progress", &begun));
    let opening = "{\"id\":\"msg_standin\",\"type\":\"message\",\"status\":\"in_progress\",\
                   \"role\":\"assistant\",\"content\":[]}";
    let opening = format!("\"output_index\":0,\"item\":{opening}");
    events.push(event("response.output_item.added", &opening));
    events.push(event("response.content_part.added", &part("\"\"")));
    for delta in parts(&text, behaviour.deltas) {
        let delta = format!("{place},\"delta\":{}", quoted(delta));
        events.push(event("response.output_text.delta", &delta));
    }
    events.push(event("response.output_text.done", &format!("{place},\"text\":{all}")));
    events.push(event("response.content_part.done", &part(&all)));
    let item = item(&all, "completed");
    let done = format!("\"output_index\":0,\"item\":{item}");
    events.push(event("response.output_item.done", &done));
    let last = response(request, "completed", &format!("[{item}]"), &counts(usage));
    events.push(event("response.completed", &format!("\"response\":{last}")));
    events
}

fn response(request: &MessageRequest<'_>, status: &str, output: &str, usage: &str) -> String {
    let model = quoted(&request.model);
    format!(
        "{{\"id\":\"resp_standin\",\"object\":\"response\",\"created_at\":{CREATED},\
         \"status\":\"{status}\",\"error\":null,\"incomplete_details\":null,\"model\":{model},\
         \"output\":{output},\"usage\":{usage}}}"
    )
}

fn item(text: &str, status: &str) -> String {
    format!(
        "{{\"id\":\"msg_standin\",\"type\":\"message\",\"status\":\"{status}\",\
         \"role\":\"assistant\",\"content\":[{{\"type\":\"output_text\",\"annotations\":[],\
         \"text\":{text}}}]}}"
    )
}

/// This vendor counts what was read from the cache as input, too.
fn counts(usage: TokenCounts) -> String {
    let TokenCounts { input, output, cache_read, .. } = usage;
    let input = input + cache_read;
    format!(
        "{{\"input_tokens\":{input},\"input_tokens_details\":{{\"cached_tokens\":{cache_read}}},\
         \"output_tokens\":{output},\"output_tokens_details\":{{\"reasoning_tokens\":0}},\
         \"total_tokens\":{}}}",
        input + output
    )
}
