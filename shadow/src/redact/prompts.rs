//! Texts that people or models wrote, by the member they stand under.

use serde_json::Value;

use super::secrets::nested;

/// Members whose text is content, whatever they belong to.
const CONTENT: [&str; 14] = [
    "text",
    "content",
    "thinking",
    "partial_json",
    "arguments",
    "instructions",
    "prompt",
    "input",
    "output",
    "system",
    "data",
    "signature",
    "delta",
    "reasoning_content",
];

/// Members that may hold content of any shape below them, such as a tool's input.
const WHOLE: [&str; 4] = ["input", "args", "output", "response_content"];

/// Shorter texts that look like JSON hold no content to speak of.
const LONG: usize = 64;

/// Members that name kinds and ids; they are needed to tell requests apart and are no content.
const KEPT: [&str; 8] =
    ["type", "role", "id", "tool_use_id", "call_id", "name", "media_type", "model"];

pub(super) fn value(value: &mut Value, stand_in: &impl Fn(&str) -> String) {
    walk("", false, value, stand_in);
}

fn walk(name: &str, inside: bool, value: &mut Value, stand_in: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => {
            if CONTENT.contains(&name) || (inside && !KEPT.contains(&name)) {
                *text = stand_in(text);
            } else if let Some(mut inner) = nested(text) {
                let before = inner.clone();
                walk("", false, &mut inner, stand_in);
                if before != inner {
                    *text = inner.to_string();
                }
            } else if text.trim_start().starts_with(['{', '[']) && text.len() > LONG {
                // JSON that was cut, such as a preview of a body.
                *text = stand_in(text);
            }
        }
        Value::Array(members) => {
            for member in members {
                walk(name, inside, member, stand_in);
            }
        }
        Value::Object(members) => {
            let inside = inside || WHOLE.contains(&name);
            for (name, member) in members.iter_mut() {
                walk(name, inside, member, stand_in);
            }
        }
        _ => {}
    }
}
