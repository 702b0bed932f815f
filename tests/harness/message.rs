//! The ordinary assistant message that the stand-in answers with, whole and as a stream.

use serde_json::{Map, Value, json};

fn model_of(message: &Map<String, Value>, request: &Value) -> Value {
    message.get("model").or_else(|| request.get("model")).cloned().unwrap_or(json!("unknown"))
}

fn usage_of(message: &Map<String, Value>) -> Map<String, Value> {
    let mut usage = Map::new();
    for (name, value) in [
        ("input_tokens", json!(11)),
        ("cache_creation_input_tokens", json!(0)),
        ("cache_read_input_tokens", json!(0)),
        ("output_tokens", json!(7)),
    ] {
        usage.insert(name.to_owned(), value);
    }
    for (name, value) in message.get("usage").and_then(Value::as_object).into_iter().flatten() {
        if value.is_null() {
            usage.shift_remove(name);
        } else {
            usage.insert(name.clone(), value.clone());
        }
    }
    usage
}

fn content_of(message: &Map<String, Value>) -> Vec<Value> {
    let mut content = Vec::new();
    if let Some(thinking) = message.get("thinking") {
        content.push(json!({ "type": "thinking", "thinking": thinking, "signature": "c2ln" }));
    }
    let tool = message.get("tool");
    if message.contains_key("text") || tool.is_none() {
        let text = message.get("text").cloned().unwrap_or(json!("Hello from the stand-in."));
        content.push(json!({ "type": "text", "text": text }));
    }
    if let Some(name) = tool {
        content.push(json!({
            "type": "tool_use", "id": "toolu_standin_1", "name": name, "input": { "city": "Köln" }
        }));
    }
    content
}

fn stop_reason(message: &Map<String, Value>) -> Value {
    let usual = if message.contains_key("tool") { "tool_use" } else { "end_turn" };
    message.get("stop_reason").cloned().unwrap_or(json!(usual))
}

/// An assistant message as one JSON answer.
pub fn message_json(message: &Map<String, Value>, request: &Value) -> Value {
    let mut answer = json!({
        "id": "msg_standin_1", "type": "message", "role": "assistant",
        "model": model_of(message, request), "content": content_of(message),
        "stop_reason": stop_reason(message), "stop_sequence": null
    });
    if message.get("usage") != Some(&Value::Null) {
        answer["usage"] = Value::Object(usage_of(message));
    }
    answer
}

/// The same message as the events of a stream.
pub fn message_events(message: &Map<String, Value>, request: &Value) -> Vec<Value> {
    let usage = usage_of(message);
    let mut start_usage = usage.clone();
    start_usage.insert("output_tokens".to_owned(), json!(1));
    let mut start = json!({
        "id": "msg_standin_1", "type": "message", "role": "assistant",
        "model": model_of(message, request), "content": [], "stop_reason": null,
        "stop_sequence": null
    });
    let counted = message.get("usage") != Some(&Value::Null);
    if counted {
        start["usage"] = Value::Object(start_usage);
    }
    let mut events = vec![json!({ "type": "message_start", "message": start })];
    for (index, block) in content_of(message).into_iter().enumerate() {
        let (opening, deltas) = match block["type"].as_str() {
            Some("tool_use") => {
                let mut opening = block.clone();
                opening["input"] = json!({});
                let input = block["input"].to_string();
                let cut = input.floor_char_boundary(input.len() / 2);
                let delta =
                    |part: &str| json!({ "type": "input_json_delta", "partial_json": part });
                (opening, vec![delta(&input[..cut]), delta(&input[cut..])])
            }
            Some("thinking") => (
                json!({ "type": "thinking", "thinking": "", "signature": "" }),
                vec![
                    json!({ "type": "thinking_delta", "thinking": block["thinking"] }),
                    json!({ "type": "signature_delta", "signature": block["signature"] }),
                ],
            ),
            _ => {
                let text = block["text"].as_str().unwrap_or_default();
                let cut = text.floor_char_boundary(text.len() / 2);
                let delta = |part: &str| json!({ "type": "text_delta", "text": part });
                let opening = json!({ "type": "text", "text": "" });
                (opening, vec![delta(&text[..cut]), delta(&text[cut..])])
            }
        };
        events.push(json!({
            "type": "content_block_start", "index": index, "content_block": opening
        }));
        for delta in deltas {
            events.push(json!({ "type": "content_block_delta", "index": index, "delta": delta }));
        }
        events.push(json!({ "type": "content_block_stop", "index": index }));
    }
    let mut delta = json!({
        "type": "message_delta",
        "delta": { "stop_reason": stop_reason(message), "stop_sequence": null }
    });
    if counted && let Some(output) = usage.get("output_tokens") {
        delta["usage"] = json!({ "output_tokens": output });
    }
    events.push(delta);
    events.push(json!({ "type": "message_stop" }));
    events
}
