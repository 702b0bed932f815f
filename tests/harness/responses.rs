//! The ordinary assistant message in the dialects of the OpenAI family: the Responses API, and chat
//! completions and embeddings as Azure speaks them.

use serde_json::{Map, Value, json};

/// What a host speaks at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Responses,
    Chat,
    Embeddings,
}

/// The moment that every answer names.
const CREATED: u64 = 1_704_164_645;

impl Dialect {
    /// `None` for the hosts of other families.
    pub fn of(host: &str, target: &str) -> Option<Self> {
        let host = host.split(':').next().unwrap_or_default();
        let azure = host.ends_with(".openai.azure.com");
        if !azure && !matches!(host, "chatgpt.com" | "responses.example.test") {
            return None;
        }
        let path = target.split('?').next().unwrap_or_default();
        Some(if path.ends_with("/chat/completions") {
            Self::Chat
        } else if path.ends_with("/embeddings") {
            Self::Embeddings
        } else {
            Self::Responses
        })
    }
}

/// The message as one JSON answer.
pub fn whole(dialect: Dialect, message: &Map<String, Value>, request: &Value) -> Value {
    match dialect {
        Dialect::Responses => response(message, request),
        Dialect::Chat => {
            let mut answer = chat(message, request, "chat.completion");
            answer["choices"] = json!([{
                "index": 0, "message": { "role": "assistant", "content": text_of(message) },
                "logprobs": null, "finish_reason": "stop"
            }]);
            put_usage(&mut answer, message, chat_usage());
            answer
        }
        Dialect::Embeddings => {
            let usage = Map::from_iter([
                ("prompt_tokens".to_owned(), json!(5)),
                ("total_tokens".to_owned(), json!(5)),
            ]);
            let mut answer = json!({
                "object": "list", "model": model_of(message, request),
                "data": [{ "object": "embedding", "index": 0, "embedding": [0.25, -0.5] }]
            });
            put_usage(&mut answer, message, usage);
            answer
        }
    }
}

/// The message as the events of a stream.
pub fn events(dialect: Dialect, message: &Map<String, Value>, request: &Value) -> Vec<Value> {
    match dialect {
        Dialect::Responses => response_events(message, request),
        Dialect::Chat => chat_events(message, request),
        Dialect::Embeddings => vec![whole(dialect, message, request)],
    }
}

fn model_of(message: &Map<String, Value>, request: &Value) -> Value {
    message.get("model").or_else(|| request.get("model")).cloned().unwrap_or(json!("unknown"))
}

fn text_of(message: &Map<String, Value>) -> Value {
    message.get("text").cloned().unwrap_or(json!("Hello from the stand-in."))
}

/// Members of the script's `usage` change the ordinary ones, `null` removes; `"usage": null` leaves it out.
fn put_usage(answer: &mut Value, message: &Map<String, Value>, mut usage: Map<String, Value>) {
    match message.get("usage") {
        Some(Value::Null) => return,
        Some(Value::Object(changes)) => {
            for (name, value) in changes {
                if value.is_null() {
                    usage.shift_remove(name);
                } else {
                    usage.insert(name.clone(), value.clone());
                }
            }
        }
        _ => {}
    }
    answer["usage"] = Value::Object(usage);
}

fn response_usage() -> Map<String, Value> {
    Map::from_iter([
        ("input_tokens".to_owned(), json!(11)),
        ("input_tokens_details".to_owned(), json!({ "cached_tokens": 0 })),
        ("output_tokens".to_owned(), json!(7)),
        ("output_tokens_details".to_owned(), json!({ "reasoning_tokens": 0 })),
        ("total_tokens".to_owned(), json!(18)),
    ])
}

fn chat_usage() -> Map<String, Value> {
    Map::from_iter([
        ("prompt_tokens".to_owned(), json!(11)),
        ("completion_tokens".to_owned(), json!(7)),
        ("total_tokens".to_owned(), json!(18)),
        ("prompt_tokens_details".to_owned(), json!({ "cached_tokens": 0 })),
    ])
}

fn output_of(message: &Map<String, Value>) -> Vec<Value> {
    let mut output = Vec::new();
    if let Some(thinking) = message.get("thinking") {
        output.push(json!({
            "id": "rs_standin_1", "type": "reasoning", "encrypted_content": "c2VhbGVk",
            "summary": [{ "type": "summary_text", "text": thinking }]
        }));
    }
    let tool = message.get("tool");
    if message.contains_key("text") || tool.is_none() {
        output.push(json!({
            "id": "msg_standin_1", "type": "message", "status": "completed", "role": "assistant",
            "content": [{ "type": "output_text", "annotations": [], "text": text_of(message) }]
        }));
    }
    if let Some(name) = tool {
        output.push(json!({
            "id": "fc_standin_1", "type": "function_call", "status": "completed",
            "call_id": "call_standin_1", "name": name, "arguments": "{\"city\":\"Köln\"}"
        }));
    }
    output
}

fn head(message: &Map<String, Value>, request: &Value, status: &str) -> Value {
    json!({
        "id": "resp_standin_1", "object": "response", "created_at": CREATED, "status": status,
        "error": null, "incomplete_details": null, "model": model_of(message, request),
        "output": []
    })
}

/// A `stop_reason` is why the response is incomplete.
fn response(message: &Map<String, Value>, request: &Value) -> Value {
    let stopped = message.get("stop_reason");
    let status = if stopped.is_some() { "incomplete" } else { "completed" };
    let mut response = head(message, request, status);
    if let Some(reason) = stopped {
        response["incomplete_details"] = json!({ "reason": reason });
    }
    response["output"] = Value::Array(output_of(message));
    put_usage(&mut response, message, response_usage());
    response
}

fn response_events(message: &Map<String, Value>, request: &Value) -> Vec<Value> {
    let begun = head(message, request, "in_progress");
    let mut events = vec![
        json!({ "type": "response.created", "response": begun }),
        json!({ "type": "response.in_progress", "response": begun }),
    ];
    for (index, item) in output_of(message).into_iter().enumerate() {
        item_events(index, &item, &mut events);
    }
    let last = response(message, request);
    let name = format!("response.{}", last["status"].as_str().unwrap_or_default());
    events.push(json!({ "type": name, "response": last }));
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    events
}

fn item_events(index: usize, item: &Value, events: &mut Vec<Value>) {
    let mut opening = item.clone();
    let (name, text) = match item["type"].as_str() {
        Some("reasoning") => {
            opening["summary"] = json!([]);
            ("reasoning_summary_text", item.pointer("/summary/0/text"))
        }
        Some("function_call") => {
            opening["arguments"] = json!("");
            ("function_call_arguments", item.get("arguments"))
        }
        _ => {
            opening["content"] = json!([]);
            ("output_text", item.pointer("/content/0/text"))
        }
    };
    if opening.get("status").is_some() {
        opening["status"] = json!("in_progress");
    }
    let text = text.and_then(Value::as_str).unwrap_or_default();
    let about = |kind: &str, member: &str, value: &str| {
        let mut event = json!({
            "type": format!("response.{name}.{kind}"), "item_id": item["id"],
            "output_index": index
        });
        match name {
            "output_text" => event["content_index"] = json!(0),
            "reasoning_summary_text" => event["summary_index"] = json!(0),
            _ => {}
        }
        event[member] = json!(value);
        event
    };
    let of_item = |kind: &str, item: &Value| json!({ "type": format!("response.output_item.{kind}"), "output_index": index, "item": item });
    events.push(of_item("added", &opening));
    let part = |kind: &str, text: &str| {
        json!({
            "type": format!("response.content_part.{kind}"), "item_id": item["id"],
            "output_index": index, "content_index": 0,
            "part": { "type": "output_text", "annotations": [], "text": text }
        })
    };
    if name == "output_text" {
        events.push(part("added", ""));
    }
    let cut = text.floor_char_boundary(text.len() / 2);
    events.push(about("delta", "delta", &text[..cut]));
    events.push(about("delta", "delta", &text[cut..]));
    let member = if name == "function_call_arguments" { "arguments" } else { "text" };
    events.push(about("done", member, text));
    if name == "output_text" {
        events.push(part("done", text));
    }
    events.push(of_item("done", item));
}

fn chat(message: &Map<String, Value>, request: &Value, object: &str) -> Value {
    json!({
        "id": "chatcmpl-standin1", "object": object, "created": CREATED,
        "model": model_of(message, request), "system_fingerprint": "fp_standin", "choices": []
    })
}

/// Chunks as Azure sends them, with the usage at the end.
fn chat_events(message: &Map<String, Value>, request: &Value) -> Vec<Value> {
    let line = |chunk: &Value| Value::String(format!("data: {chunk}\n\n"));
    let chunk = |delta: Value, finish: Value| {
        let mut chunk = chat(message, request, "chat.completion.chunk");
        chunk["choices"] = json!([{ "index": 0, "delta": delta, "finish_reason": finish }]);
        line(&chunk)
    };
    let text = text_of(message);
    let text = text.as_str().unwrap_or_default();
    let cut = text.floor_char_boundary(text.len() / 2);
    let mut events = vec![
        chunk(json!({ "role": "assistant", "content": "" }), Value::Null),
        chunk(json!({ "content": &text[..cut] }), Value::Null),
        chunk(json!({ "content": &text[cut..] }), Value::Null),
        chunk(json!({}), json!("stop")),
    ];
    let mut last = chat(message, request, "chat.completion.chunk");
    put_usage(&mut last, message, chat_usage());
    if last.get("usage").is_some() {
        events.push(line(&last));
    }
    events.push(json!("data: [DONE]\n\n"));
    events
}
