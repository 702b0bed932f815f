//! JavaScript's view of stored JSON: what counts as set, and how a value reads inside a text.

use compat::number;
use serde_json::Value;

/// Whether a value counts as set: not missing, `null`, `false`, 0 or empty text.
pub(super) fn is_set(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Bool(yes)) => *yes,
        Some(Value::Number(number)) => number.as_f64().is_none_or(|n| n != 0.0),
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(_) | Value::Object(_)) => true,
    }
}

/// The value if it counts as set.
pub(super) fn set(value: Option<&Value>) -> Option<&Value> {
    value.filter(|_| is_set(value))
}

/// A value inside a text.
pub(super) fn text(value: Option<&Value>) -> String {
    match value {
        None => "undefined".to_owned(),
        Some(Value::Null) => "null".to_owned(),
        Some(Value::Bool(yes)) => yes.to_string(),
        Some(Value::Number(n)) => n.as_f64().map_or_else(|| n.to_string(), number::js),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => joined(items, ","),
        Some(Value::Object(_)) => "[object Object]".to_owned(),
    }
}

/// The items of a list with a separator; `null` is empty.
pub(super) fn joined(items: &[Value], separator: &str) -> String {
    let item = |item: &Value| if item.is_null() { String::new() } else { text(Some(item)) };
    items.iter().map(item).collect::<Vec<_>>().join(separator)
}

/// A value as a number, the way arithmetic takes it; `None` for what is no number.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::String(text) => number::parse_number(text),
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        Value::Null => Some(0.0),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// Compact JSON with numbers as the legacy service spells them.
pub(super) fn json(value: &Value) -> Vec<u8> {
    spelled(value.clone()).to_string().into_bytes()
}

fn spelled(value: Value) -> Value {
    match value {
        Value::Number(n) => n.as_f64().map_or(Value::Number(n), number::json),
        Value::Array(items) => items.into_iter().map(spelled).collect(),
        Value::Object(fields) => fields.into_iter().map(|(k, v)| (k, spelled(v))).collect(),
        other => other,
    }
}
