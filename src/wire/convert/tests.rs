//! All directions against the tables of what they drop, against cuts of streams, and against anything.

mod responses;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    anthropic_to_chat::Naming,
    chat_to_anthropic,
    dropped::{
        CHAT_REQUEST, CHAT_TO_RESPONSES, Dropped, MESSAGES_ANSWER, RESPONSES_ANSWER, named, rule,
    },
    prompt_to_chat,
};
use crate::wire::{json::Doc, sse::LineSplitter};

/// A text that the walk below replaces by one of its own.
const LEAF: &str = "?";
const JSON_LEAF: &str = "?json";
const URL_LEAF: &str = "?url";

fn doc(value: &Value) -> Doc {
    Doc::parse_deep(Bytes::from(value.to_string())).unwrap()
}

/// Gives every leaf a text of its own and lists the places: segments as `dropped` names them.
fn mark(value: &mut Value, path: &[String], places: &mut Vec<(String, Vec<String>)>) {
    match value {
        Value::String(text) if text.starts_with(LEAF) => {
            let marker = format!("m{}x", places.len());
            places.push((marker.clone(), path.to_vec()));
            *text = match text.as_str() {
                JSON_LEAF => format!("{{\"a\":\"{marker}\"}}"),
                URL_LEAF => format!("data:image/png;base64,{marker}"),
                _ => marker,
            };
        }
        Value::Array(items) => {
            for item in items {
                let name = |member: &str| item.get(member)?.as_str().map(str::to_owned);
                let plain = name("role").or_else(|| name("type"));
                let mut segment = plain.unwrap_or_else(|| "-".to_owned());
                if item.get("tool_calls").is_some() {
                    segment.push_str("+calls");
                }
                mark(item, &[path, &[segment]].concat(), places);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                mark(member, &[path, std::slice::from_ref(name)].concat(), places);
            }
        }
        _ => {}
    }
}

/// Whatever was sent comes out, or a row says why not; and no row says so of what comes out.
fn nothing_is_lost(
    out: &str,
    places: &[(String, Vec<String>)],
    table: &[Dropped],
) -> Result<(), TestCaseError> {
    for (marker, path) in places {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let row = rule(table, &path);
        let came = out.contains(marker.as_str());
        prop_assert_eq!(came, row.is_none(), "{:?}: {:?} in {}", path, row, out);
    }
    Ok(())
}

/// Members under other names than those that mean something.
fn extras(names: &'static [&'static str]) -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![Just(json!(LEAF)), Just(json!({ "a": [LEAF] })), Just(json!([LEAF]))];
    prop::collection::btree_map(prop::sample::select(names), leaf, 0..3)
        .prop_map(|members| members.into_iter().map(|(n, v)| (n.to_owned(), v)).collect())
}

fn with(mut value: Value, extras: Map<String, Value>) -> Value {
    value.as_object_mut().unwrap().extend(extras);
    value
}

fn part() -> impl Strategy<Value = Value> {
    let image = json!({ "url": URL_LEAF, "detail": LEAF });
    let part = prop::sample::select(vec![
        json!({ "type": "text", "text": LEAF }),
        json!({ "type": "image_url", "image_url": image }),
        json!({ "type": "input_audio", "input_audio": { "data": LEAF } }),
        json!({ "type": "file", "file": { "file_id": LEAF } }),
    ]);
    (part, extras(&["cache_control", "annotations"])).prop_map(|(part, extras)| with(part, extras))
}

fn content() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(LEAF)),
        Just(json!({ "odd": LEAF })),
        prop::collection::vec(part(), 0..4).prop_map(Value::from),
    ]
}

fn call() -> impl Strategy<Value = Value> {
    let call = json!({
        "id": LEAF, "type": "function", "function": { "name": LEAF, "arguments": JSON_LEAF }
    });
    (extras(&["index", "custom"]), extras(&["parsed"])).prop_map(move |(outer, inner)| {
        let mut call = with(call.clone(), outer);
        let function = call["function"].take();
        call["function"] = with(function, inner);
        call
    })
}

fn message() -> impl Strategy<Value = Value> {
    let role = prop::sample::select(vec!["user", "assistant", "system", "developer", "tool"]);
    let calls = prop::option::of(prop::collection::vec(call(), 0..3));
    let others = extras(&["name", "refusal", "audio", "tool_call_id"]);
    (role, content(), calls, others).prop_map(|(role, content, calls, others)| {
        let mut message = with(json!({ "role": role, "content": content }), others);
        if let Some(calls) = calls {
            message["tool_calls"] = calls.into();
        }
        message
    })
}

fn tool() -> impl Strategy<Value = Value> {
    let function = json!({
        "name": LEAF, "description": LEAF, "parameters": { "properties": { "a": LEAF } }
    });
    let functions = (extras(&["x"]), extras(&["strict"])).prop_map(move |(outer, inner)| {
        let function = with(function.clone(), inner);
        with(json!({ "type": "function", "function": function }), outer)
    });
    prop_oneof![functions, Just(json!({ "type": "web_search", "name": LEAF, "max_uses": LEAF }))]
}

fn chat() -> impl Strategy<Value = Value> {
    const OTHERS: &[&str] = &[
        "n",
        "seed",
        "user",
        "metadata",
        "response_format",
        "max_completion_tokens",
        "logit_bias",
        "stream_options",
        "functions",
        "system",
        "thinking",
        "speed",
        "top_k",
    ];
    let stop = prop_oneof![Just(json!(LEAF)), Just(json!([LEAF, LEAF]))];
    let choice = extras(&["mode"]).prop_map(|extras| {
        with(json!({ "type": "function", "function": { "name": LEAF, "x": LEAF } }), extras)
    });
    (
        prop::collection::vec(message(), 0..6),
        prop::option::of((prop::collection::vec(tool(), 0..4), choice)),
        stop,
        extras(OTHERS),
    )
        .prop_map(|(messages, tools, stop, others)| {
            let mut chat = json!({
                "model": LEAF, "messages": messages, "max_tokens": LEAF, "temperature": LEAF,
                "top_p": LEAF, "stream": LEAF, "stop": stop
            });
            if let Some((tools, choice)) = tools {
                chat["tools"] = tools.into();
                chat["tool_choice"] = choice;
            }
            with(chat, others)
        })
}

fn answer() -> impl Strategy<Value = Value> {
    let block = prop::sample::select(vec![
        json!({ "type": "text", "text": LEAF }),
        json!({ "type": "text", "text": LEAF, "citations": [LEAF] }),
        json!({ "type": "tool_use", "id": LEAF, "name": LEAF, "input": { "a": LEAF } }),
        json!({ "type": "tool_use", "id": LEAF, "name": LEAF, "input": {}, "caller": LEAF }),
        json!({ "type": "thinking", "thinking": LEAF, "signature": LEAF }),
        json!({ "type": "redacted_thinking", "data": LEAF }),
        json!({ "type": "server_tool_use", "id": LEAF, "input": { "query": LEAF } }),
    ]);
    (prop::collection::vec(block, 0..6), extras(&["container", "context_management"])).prop_map(
        |(content, others)| {
            let usage = json!({
                "input_tokens": LEAF, "output_tokens": LEAF, "cache_read_input_tokens": LEAF,
                "server_tool_use": { "web_search_requests": LEAF }
            });
            let message = json!({
                "id": LEAF, "type": "message", "role": "assistant", "model": LEAF,
                "content": content, "stop_reason": LEAF, "stop_sequence": LEAF, "usage": usage
            });
            with(message, others)
        },
    )
}

fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "model",
        "messages",
        "role",
        "content",
        "type",
        "text",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "tools",
        "tool_choice",
        "image_url",
        "url",
        "stop",
        "stream",
        "usage",
        "delta",
        "index",
        "content_block",
        "stop_reason",
        "input_tokens",
    ]);
    let texts = prop::sample::select(vec![
        "",
        "user",
        "system",
        "tool",
        "text",
        "image_url",
        "function",
        "tool_use",
        "data:a;base64,b",
        "data:",
        "{}",
        "5",
        "message_delta",
        "content_block_start",
        "You are currently in Xcode",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        texts.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 5, move |inner| {
        let members = prop::collection::vec((names.clone(), inner.clone()), 0..5);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| {
                Value::Object(members.into_iter().map(|(n, v)| (n.to_owned(), v)).collect())
            }),
        ]
    })
}

fn naming() -> Naming {
    Naming::new("chatcmpl-x".to_owned(), None)
}

/// Chunks of a stream that arrives in pieces of these sizes, without its marks of the end.
fn chunked(stream: &str, cuts: &[usize]) -> Vec<Value> {
    let (mut lines, mut out) = (LineSplitter::default(), Vec::new());
    let mut rest = Bytes::copy_from_slice(stream.as_bytes());
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let got = lines.push(rest.split_to(cut.min(rest.len())));
        out.extend_from_slice(&naming().chunks(got.iter(), 1));
    }
    let text = String::from_utf8(out).unwrap();
    let events = text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
    events.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

proptest! {
    #[test]
    fn what_a_client_sends_comes_through_or_a_rule_says_why_not(chat in chat()) {
        let (mut chat, mut places) = (chat, Vec::new());
        mark(&mut chat, &[], &mut places);
        let sent = doc(&chat);
        let out = chat_to_anthropic::request(sent.root());
        let out = String::from_utf8(out.unwrap().to_vec()).unwrap();
        prop_assert!(serde_json::from_str::<Value>(&out).is_ok(), "{}", out);
        nothing_is_lost(&out, &places, CHAT_REQUEST)?;
    }

    #[test]
    fn what_a_vendor_answers_comes_through_or_a_rule_says_why_not(answer in answer()) {
        let (mut answer, mut places) = (answer, Vec::new());
        mark(&mut answer, &[], &mut places);
        let sent = doc(&answer);
        let out = naming().answer(sent.root(), 1).unwrap();
        let out = String::from_utf8(out.to_vec()).unwrap();
        prop_assert!(serde_json::from_str::<Value>(&out).is_ok(), "{}", out);
        nothing_is_lost(&out, &places, MESSAGES_ANSWER)?;
    }

    #[test]
    fn anything_is_converted_to_json_or_refused(value in any_json()) {
        let sent = doc(&value);
        let root = sent.root();
        let is_json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).is_ok();
        if let Ok(out) = chat_to_anthropic::request(root) {
            prop_assert!(is_json(&out));
        }
        if let Some(out) = prompt_to_chat::request(root, Some("m")) {
            prop_assert!(is_json(&out));
        }
        if let Ok(out) = naming().answer(root, 1) {
            prop_assert!(is_json(&out));
        }
        let line = format!("data: {value}");
        let out = naming().chunks([line.as_bytes()].into_iter(), 1);
        let text = String::from_utf8(out.to_vec()).unwrap();
        for event in text.split("\n\n").filter(|event| !event.is_empty()) {
            let data = event.strip_prefix("data: ").unwrap();
            prop_assert!(data == "[DONE]" || is_json(data.as_bytes()), "{}", data);
        }
    }

    #[test]
    fn cutting_a_stream_changes_no_chunk(
        texts in prop::collection::vec("[a-zé世🌍\"\\\\\n]{0,12}", 0..8),
        cuts in prop::collection::vec(1usize..30, 0..60),
    ) {
        let mut stream = "event: message_start\ndata: {\"type\":\"message_start\"}\n\n".to_owned();
        for text in &texts {
            let delta = json!({ "type": "text_delta", "text": text });
            let event = json!({ "type": "content_block_delta", "index": 0, "delta": delta });
            stream.push_str(&format!("event: content_block_delta\ndata: {event}\n\n"));
        }
        let whole = chunked(&stream, &[]);
        prop_assert_eq!(whole.len(), texts.len() + 1);
        prop_assert_eq!(chunked(&stream, &cuts), whole);
    }
}

#[test]
fn known_members_without_a_counterpart_are_named() {
    let chat = doc(&json!({ "n": 2, "seed": 0, "user": "u", "x": 1, "messages": [] }));
    assert_eq!(named(CHAT_REQUEST, chat.root()), ["n", "user"]);
}

#[test]
fn every_row_has_its_place_and_reason() {
    for table in [CHAT_REQUEST, MESSAGES_ANSWER, CHAT_TO_RESPONSES, RESPONSES_ANSWER] {
        for (index, row) in table.iter().enumerate() {
            assert!(row.why.ends_with('.'), "{row:?}");
            assert!(table.iter().skip(index + 1).all(|other| other.at != row.at), "{row:?}");
        }
    }
}
