//! What a stream amounts to: text, thinking and tool input by content block, and the last usage.
//!
//! Reads the four streaming formats by the names of their members and ignores what it does not know;
//! events themselves are compared elsewhere.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::sse::Event;

/// `{"content": {<block>: {…}}, "usage": {…}}`, without what is empty.
pub(super) fn assemble(events: &[Event]) -> Value {
    let mut parts = Parts::default();
    for event in events {
        parts.read(&event.data);
    }
    let mut whole = Map::new();
    if !parts.content.is_empty() {
        let blocks = parts.content.into_iter().map(|(block, fields)| {
            let fields = fields.into_iter().map(|(name, text)| (name, parsed(text)));
            (block, Value::Object(fields.collect()))
        });
        whole.insert("content".into(), Value::Object(blocks.collect()));
    }
    if !parts.usage.is_empty() {
        whole.insert("usage".into(), Value::Object(parts.usage));
    }
    Value::Object(whole)
}

#[derive(Default)]
struct Parts {
    content: BTreeMap<String, BTreeMap<String, String>>,
    usage: Map<String, Value>,
}

impl Parts {
    fn read(&mut self, data: &Value) {
        let response = data.get("response").unwrap_or(data);
        for holder in [data, &data["message"], response] {
            for name in ["usage", "usageMetadata"] {
                if let Some(Value::Object(usage)) = holder.get(name) {
                    self.usage.extend(usage.clone());
                }
            }
        }
        match data.get("type").and_then(Value::as_str) {
            Some("content_block_start") => self.start(data),
            Some("content_block_delta") => self.delta(data),
            Some(kind) if kind.ends_with(".delta") => self.response_delta(kind, data),
            _ => {}
        }
        self.choices(data);
        self.candidates(response);
    }

    fn append(&mut self, block: String, field: &str, text: &str) {
        let fields = self.content.entry(block).or_default();
        fields.entry(field.to_owned()).or_default().push_str(text);
    }

    fn start(&mut self, data: &Value) {
        for field in ["type", "name", "text", "thinking"] {
            if let Some(text) = data["content_block"][field].as_str() {
                self.append(index(&data["index"]), field, text);
            }
        }
    }

    fn delta(&mut self, data: &Value) {
        for (from, field) in [
            ("text", "text"),
            ("thinking", "thinking"),
            ("partial_json", "input"),
            ("signature", "signature"),
        ] {
            if let Some(text) = data["delta"][from].as_str() {
                self.append(index(&data["index"]), field, text);
            }
        }
    }

    fn response_delta(&mut self, kind: &str, data: &Value) {
        let Some(text) = data["delta"].as_str() else { return };
        let part = data.get("content_index").or_else(|| data.get("summary_index"));
        let block = match part {
            Some(part) => format!("{}.{}", index(&data["output_index"]), index(part)),
            None => index(&data["output_index"]),
        };
        let field = match kind {
            _ if kind.contains("arguments") => "input",
            _ if kind.contains("reasoning") => "thinking",
            _ => "text",
        };
        self.append(block, field, text);
    }

    fn choices(&mut self, data: &Value) {
        for choice in data["choices"].as_array().into_iter().flatten() {
            let (block, delta) = (index(&choice["index"]), &choice["delta"]);
            for (from, field) in
                [("content", "text"), ("reasoning_content", "thinking"), ("reasoning", "thinking")]
            {
                if let Some(text) = delta[from].as_str() {
                    self.append(block.clone(), field, text);
                }
            }
            for call in delta["tool_calls"].as_array().into_iter().flatten() {
                let block = format!("{block}.tool{}", index(&call["index"]));
                for (from, field) in [("name", "name"), ("arguments", "input")] {
                    if let Some(text) = call["function"][from].as_str() {
                        self.append(block.clone(), field, text);
                    }
                }
            }
        }
    }

    fn candidates(&mut self, data: &Value) {
        for candidate in data["candidates"].as_array().into_iter().flatten() {
            let block = index(&candidate["index"]);
            for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
                let field = if part["thought"] == true { "thinking" } else { "text" };
                if let Some(text) = part["text"].as_str() {
                    self.append(block.clone(), field, text);
                }
                if let Some(call) = part.get("functionCall") {
                    self.append(block.clone(), "calls", &call.to_string());
                }
            }
        }
    }
}

fn index(value: &Value) -> String {
    value.as_u64().unwrap_or(0).to_string()
}

/// Tool input that is whole JSON is compared as such.
fn parsed(text: String) -> Value {
    match text.as_bytes().first() {
        Some(b'{' | b'[') => serde_json::from_str(&text).unwrap_or(Value::from(text)),
        _ => Value::from(text),
    }
}
