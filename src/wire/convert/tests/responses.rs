//! Chat completions and the Responses API: what the legacy service makes of the same inputs, and the
//! tables of what is dropped.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    super::{
        chat_to_responses::request,
        dropped::{CHAT_TO_RESPONSES, RESPONSES_ANSWER},
        responses_to_chat::{Moment, Naming},
    },
    LEAF, any_json, chat, doc, extras, mark, nothing_is_lost, with,
};
use crate::wire::{
    json::{Doc, restringify},
    sse::LineSplitter,
};

/// The legacy service's clock when the vectors were made.
const MOMENT: Moment = Moment { now_ms: 1_767_225_600_123, date };

fn date(text: &str) -> Option<i64> {
    let day = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10);
    let midnight = day.map(|_| format!("{text}T00:00:00Z"));
    let at = midnight.as_deref().unwrap_or(text).parse::<jiff::Timestamp>();
    Some(at.ok()?.as_millisecond())
}

fn vectors(list: &str) -> Vec<Value> {
    let all: Value =
        serde_json::from_str(include_str!("../../fixtures/chat-responses.json")).unwrap();
    all[list].as_array().unwrap().clone()
}

/// A text of a vector; a lone surrogate in it stays an escape.
fn text(row: &Value, name: &str) -> Option<String> {
    row[name].as_str().map(str::to_owned)
}

fn naming(row: &Value) -> Naming {
    let names = text(row, "chat").map(|chat| {
        let chat = Doc::parse(chat.into()).unwrap();
        request(chat.root()).unwrap().names
    });
    Naming::new(names.unwrap_or_default(), &text(row, "model").unwrap())
}

#[test]
fn requests_become_what_the_legacy_service_makes_of_them() {
    for row in vectors("requests") {
        let chat = Doc::parse(text(&row, "input").unwrap().into()).unwrap();
        let ours = request(chat.root()).ok();
        let ours = ours.map(|ours| String::from_utf8(restringify(ours.body).unwrap()).unwrap());
        assert_eq!(ours, text(&row, "ok"), "{}", row["why"]);
    }
}

#[test]
fn answers_become_what_the_legacy_service_makes_of_them() {
    for row in vectors("answers") {
        let reply = Doc::parse_deep(text(&row, "input").unwrap().into()).unwrap();
        let ours = naming(&row).answer(reply.root(), MOMENT);
        let ours = ours.map(|ours| String::from_utf8(ours.to_vec()).unwrap());
        assert_eq!(ours, text(&row, "ok"), "{}", row["why"]);
    }
}

/// Chunks of a stream that arrives in pieces of these sizes.
fn chunked(naming: Naming, stream: &str, cuts: &[usize]) -> String {
    let (mut lines, mut chunks, mut out) = (LineSplitter::default(), naming.chunks(), Vec::new());
    let mut rest = Bytes::copy_from_slice(stream.as_bytes());
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let got = lines.push(rest.split_to(cut.min(rest.len())));
        out.extend_from_slice(&chunks.of_lines(got.iter(), MOMENT));
    }
    if let Some(last) = lines.finish() {
        out.extend_from_slice(&chunks.of_lines([&last[..]].into_iter(), MOMENT));
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn streams_become_what_the_legacy_service_makes_of_them() {
    for row in vectors("streams") {
        let ours = chunked(naming(&row), &text(&row, "input").unwrap(), &[]);
        assert_eq!(Some(ours), text(&row, "ok"), "{}", row["why"]);
    }
}

#[test]
fn names_that_every_object_has_are_names_like_others() {
    let names = ["constructor", "toString", "__proto__", "valueOf"];
    let functions = names.map(|name| json!({ "type": "function", "function": { "name": name } }));
    let chat = doc(&json!({ "messages": [], "tools": functions }));
    let converted = request(chat.root()).unwrap();
    let asked: Value = serde_json::from_slice(&converted.body).unwrap();
    let calls = names.map(|name| json!({ "type": "function_call", "name": name }));
    let reply = doc(&json!({ "object": "response", "output": calls }));
    let answer = Naming::new(converted.names, "m").answer(reply.root(), MOMENT).unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    for (index, name) in names.iter().enumerate() {
        assert_eq!(asked["tools"][index]["name"], *name);
        let call = &answer["choices"][0]["message"]["tool_calls"][index];
        assert_eq!(call["function"]["name"], *name);
    }
}

fn schema() -> impl Strategy<Value = Value> {
    let inner = extras(&["description", "x"]).prop_map(|extras| {
        with(json!({ "name": LEAF, "strict": LEAF, "schema": { "a": LEAF } }), extras)
    });
    (inner, extras(&["y"])).prop_map(|(schema, extras)| {
        with(json!({ "type": "json_schema", "json_schema": schema }), extras)
    })
}

fn answer() -> impl Strategy<Value = Value> {
    let item = prop::sample::select(vec![
        json!({ "type": "message", "id": LEAF, "content": [
            { "type": "output_text", "text": LEAF, "annotations": [LEAF] },
            { "type": "refusal", "refusal": LEAF }
        ] }),
        json!({ "type": "reasoning", "encrypted_content": LEAF, "summary": [
            { "type": "summary_text", "text": LEAF, "x": LEAF }, { "type": "y", "text": LEAF }
        ] }),
        json!({ "type": "function_call", "id": LEAF, "call_id": LEAF, "name": LEAF,
            "arguments": LEAF, "status": LEAF }),
        json!({ "type": "web_search_call", "action": { "query": LEAF } }),
    ]);
    let others = extras(&["reasoning", "tools", "metadata", "instructions", "temperature"]);
    (prop::collection::vec(item, 0..6), others).prop_map(|(output, others)| {
        let response = json!({
            "id": LEAF, "object": "response", "status": "incomplete", "model": LEAF,
            "created_at": 5, "incomplete_details": { "reason": LEAF }, "output": output,
            "usage": {
                "input_tokens": LEAF, "output_tokens": LEAF, "total_tokens": LEAF, "x": LEAF,
                "input_tokens_details": { "cached_tokens": 1, "x": LEAF },
                "output_tokens_details": { "reasoning_tokens": 1, "y": LEAF }
            }
        });
        with(response, others)
    })
}

proptest! {
    #[test]
    fn what_a_client_sends_comes_through_or_a_rule_says_why_not(
        (chat, format) in (chat(), prop::option::of(schema())),
        sessions in extras(&["session_id", "prompt_cache_key", "reasoning_effort", "verbosity"]),
    ) {
        let (mut chat, mut places) = (with(chat, sessions), Vec::new());
        chat.as_object_mut().unwrap().shift_remove("response_format");
        if let Some(format) = format {
            chat["response_format"] = format;
        }
        // An object in place of a text becomes `[object Object]`, as JavaScript writes it.
        for message in chat["messages"].as_array_mut().unwrap() {
            if message["content"].is_object() && message["role"] != "tool" {
                message["content"] = json!(LEAF);
            }
        }
        mark(&mut chat, &[], &mut places);
        let sent = doc(&chat);
        let out = String::from_utf8(request(sent.root()).unwrap().body.to_vec()).unwrap();
        prop_assert!(serde_json::from_str::<Value>(&out).is_ok(), "{}", out);
        nothing_is_lost(&out, &places, CHAT_TO_RESPONSES)?;
    }

    #[test]
    fn what_a_vendor_answers_comes_through_or_a_rule_says_why_not(answer in answer()) {
        let (mut answer, mut places) = (answer, Vec::new());
        mark(&mut answer, &[], &mut places);
        let sent = doc(&answer);
        let naming = Naming::new(Default::default(), "m");
        let out = naming.answer(sent.root(), MOMENT).unwrap();
        let out = String::from_utf8(out.to_vec()).unwrap();
        prop_assert!(serde_json::from_str::<Value>(&out).is_ok(), "{}", out);
        nothing_is_lost(&out, &places, RESPONSES_ANSWER)?;
    }

    #[test]
    fn anything_is_converted_to_json_or_refused(value in any_json()) {
        let sent = doc(&value);
        let is_json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).is_ok();
        if let Ok(out) = request(sent.root()) {
            prop_assert!(is_json(&out.body));
        }
        let naming = Naming::new(Default::default(), "m");
        if let Some(out) = naming.answer(sent.root(), MOMENT) {
            prop_assert!(is_json(&out));
        }
        let out = chunked(naming, &format!("data: {value}\n\n"), &[]);
        for event in out.split("\n\n").filter(|event| !event.is_empty()) {
            prop_assert!(is_json(event.strip_prefix("data: ").unwrap().as_bytes()), "{}", event);
        }
    }

    #[test]
    fn cutting_a_stream_changes_no_chunk(
        index in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(1usize..60, 0..80),
        crlf in any::<bool>(),
    ) {
        let rows = vectors("streams");
        let row = &rows[index.index(rows.len())];
        let mut stream = text(row, "input").unwrap();
        if crlf {
            stream = stream.replace("\r\n", "\n").replace('\n', "\r\n");
        }
        prop_assert_eq!(Some(chunked(naming(row), &stream, &cuts)), text(row, "ok"));
    }
}
