//! A copy of a request body for request details: long texts cut, secrets masked, tools reduced to their
//! names. Lengths count UTF-16 units, as in the legacy service.

use std::fmt::Write;

use compat::number::js;
use serde_json::{Map, Value};

const MAX_STRING: usize = 80;
const MAX_ITEMS: usize = 24;
const MAX_DEPTH: usize = 6;
const MAX_TOTAL: usize = 12_000;

/// A field whose lower-cased name contains one of these is masked. Other spellings that the legacy
/// service lists contain one of them.
const SECRET_MARKS: [&str; 12] = [
    "authorization",
    "apikey",
    "api_key",
    "api-key",
    "token",
    "secret",
    "password",
    "cookie",
    "privatekey",
    "private_key",
    "private-key",
    "proxy",
];

/// JSON text of the copy.
pub(in crate::billing) fn snapshot(body: &Value) -> String {
    let mut json = String::new();
    write_value(&mut json, body, 0);
    let length = units(&json);
    if length <= MAX_TOTAL {
        return json;
    }
    let mut short = format!(
        r#"{{"summary":"request body snapshot truncated","originalChars":{length},"maxChars":{MAX_TOTAL},"preview":"#
    );
    write_cut(&mut short, &json, MAX_TOTAL);
    short.push('}');
    short
}

fn write_value(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::String(text) => write_cut(out, text, MAX_STRING),
        Value::Array(items) if depth >= MAX_DEPTH => {
            write_text(out, &format!("[Array({})]", items.len()))
        }
        Value::Object(_) if depth >= MAX_DEPTH => write_text(out, "[Object]"),
        Value::Array(items) => {
            write_items(out, items, |out, item| write_value(out, item, depth + 1))
        }
        Value::Object(fields) => write_fields(out, fields, depth),
        plain => stringify(out, plain),
    }
}

fn write_fields(out: &mut String, fields: &Map<String, Value>, depth: usize) {
    out.push('{');
    for (place, (name, value)) in fields.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write_text(out, name);
        out.push(':');
        match (name.as_str(), value) {
            ("encrypted_content", value) => {
                write_text(out, &format!("...[{} chars]", length_of(value)));
            }
            ("tools", Value::Array(tools)) => write_items(out, tools, write_tool),
            ("tools", Value::Object(_)) => write_tool(out, value),
            ("tools", value) => write_value(out, value, depth + 1),
            (name, value) if is_secret(name) => write_masked(out, value),
            (_, value) => write_value(out, value, depth + 1),
        }
    }
    out.push('}');
}

fn write_items(out: &mut String, items: &[Value], mut write: impl FnMut(&mut String, &Value)) {
    out.push('[');
    for (place, item) in items.iter().take(MAX_ITEMS).enumerate() {
        if place > 0 {
            out.push(',');
        }
        write(out, item);
    }
    if items.len() > MAX_ITEMS {
        out.push(',');
        write_text(out, &format!("...[{} more items]", items.len() - MAX_ITEMS));
    }
    out.push(']');
}

/// A tool's type and name; anything but an object is copied as usual.
fn write_tool(out: &mut String, tool: &Value) {
    let Value::Object(fields) = tool else { return write_value(out, tool, 0) };
    let kind = fields.get("type").and_then(Value::as_str);
    let nested = || fields.get("function").and_then(|f| f.get("name")).and_then(Value::as_str);
    let name = fields.get("name").and_then(Value::as_str).or_else(nested);
    let named = [("type", kind), ("name", name)];
    out.push('{');
    let mut first = true;
    for (field, text) in named.into_iter().filter_map(|(f, text)| Some((f, text?))) {
        if text.is_empty() {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        write_text(out, field);
        out.push(':');
        write_text(out, text);
    }
    out.push('}');
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_MARKS.iter().any(|mark| name.contains(mark))
}

fn write_masked(out: &mut String, value: &Value) {
    if value.is_null() {
        return out.push_str("null");
    }
    let text: Vec<u16> = as_text(value).encode_utf16().collect();
    if text.len() <= 8 {
        return write_text(out, "[REDACTED]");
    }
    let mut masked = text[..3].to_vec();
    masked.extend("***".encode_utf16());
    masked.extend(&text[text.len() - 3..]);
    write_units(out, &masked);
}

/// `String(value)`.
fn as_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => js(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(as_text).collect::<Vec<_>>().join(","),
        Value::Object(_) => "[object Object]".into(),
    }
}

fn length_of(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::String(text) => units(text),
        other => {
            let mut json = String::new();
            stringify(&mut json, other);
            units(&json)
        }
    }
}

/// `JSON.stringify`.
fn stringify(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Value::Number(number) => match number.as_f64().filter(|n| n.is_finite()) {
            Some(number) => out.push_str(&js(number)),
            None => out.push_str("null"),
        },
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                stringify(out, item);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (place, (name, value)) in fields.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write_text(out, name);
                out.push(':');
                stringify(out, value);
            }
            out.push('}');
        }
    }
}

/// A JSON string of at most `most` units of the text and a note of how many are missing.
fn write_cut(out: &mut String, text: &str, most: usize) {
    let length = units(text);
    if length <= most {
        return write_text(out, text);
    }
    let mut cut: Vec<u16> = text.encode_utf16().take(most).collect();
    cut.extend(format!("...[{} chars]", length - most).encode_utf16());
    write_units(out, &cut);
}

fn write_text(out: &mut String, text: &str) {
    out.push_str(&Value::from(text).to_string());
}

/// A JSON string; half a surrogate pair is escaped.
fn write_units(out: &mut String, text: &[u16]) {
    out.push('"');
    for unit in char::decode_utf16(text.iter().copied()) {
        match unit {
            Ok(c) => {
                let quoted = Value::from(c.to_string()).to_string();
                out.push_str(quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default());
            }
            Err(half) => {
                let _ = write!(out, "\\u{:04x}", half.unpaired_surrogate());
            }
        }
    }
    out.push('"');
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {

    use serde_json::json;

    use super::*;

    #[test]
    fn legacy_vectors_are_met() {
        let file = include_str!("../../../tests/fixtures/vectors/request-snapshot.json");
        let file: Value = serde_json::from_str(file).unwrap();
        let vectors = file["vectors"].as_array().unwrap();
        assert_eq!(vectors.len(), 5);
        for vector in vectors {
            assert_eq!(snapshot(&vector["input"]), vector["expected"].to_string());
        }
    }

    #[test]
    fn large_bodies_become_a_preview() {
        let items: Vec<Value> = (0..400).map(|n| json!({"n": n, "t": "y".repeat(90)})).collect();
        let fields: Map<String, Value> =
            (0..10).map(|n| (format!("f{n}"), Value::from(items.clone()))).collect();
        let short: Value = serde_json::from_str(&snapshot(&Value::Object(fields))).unwrap();
        assert_eq!(short["maxChars"], 12_000);
        let original = short["originalChars"].as_u64().unwrap();
        let preview = short["preview"].as_str().unwrap();
        assert!(preview.ends_with(&format!("...[{} chars]", original - 12_000)), "{preview}");
    }

    #[test]
    fn odd_values_are_copied_like_the_legacy_service_does() {
        let body = json!({
            "emoji": format!("{}\u{1F600}tail", "x".repeat(79)),
            "token": {"a": 1}, "proxy": [1, null, "abcdefg"], "secret": null, "cookie": true,
            "n": 1.0, "quote": "\"\\\n"
        });
        let text = format!(
            concat!(
                r#"{{"emoji":"{}\ud83d...[5 chars]","token":"[ob***ct]","proxy":"1,,***efg","#,
                r#""secret":null,"cookie":"[REDACTED]","n":1,"quote":"\"\\\n"}}"#
            ),
            "x".repeat(79)
        );
        assert_eq!(snapshot(&body), text);
    }
}
