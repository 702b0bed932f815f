//! JSON values under JavaScript's rules: what the legacy service makes of a field of a request body
//! before it stores it. `None` stands for `undefined`, a field that was not sent.

use serde_json::{Map, Value};

use crate::number;

/// Whether a condition on the value holds.
pub fn truthy(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Number(number)) => {
            number.as_f64().is_some_and(|number| number != 0.0 && !number.is_nan())
        }
        Some(_) => true,
    }
}

/// The value if a condition on it holds: `value || …`.
pub fn or(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| truthy(Some(value)))
}

/// The value unless it is `null` or not there: `value ?? …`.
pub fn given(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

/// `String(value)`.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number::js(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            items.iter().map(|item| field(Some(item))).collect::<Vec<_>>().join(",")
        }
        Value::Object(_) => "[object Object]".into(),
    }
}

/// What the legacy Redis client stores for a hash field: `null` and `undefined` are empty.
pub fn field(value: Option<&Value>) -> String {
    given(value).map(text).unwrap_or_default()
}

/// `Number(value)`; not-a-number for what has none.
pub fn number(value: Option<&Value>) -> f64 {
    match value {
        None => f64::NAN,
        Some(Value::Null | Value::Bool(false)) => 0.0,
        Some(Value::Bool(true)) => 1.0,
        Some(Value::Number(number)) => number.as_f64().unwrap_or(f64::NAN),
        Some(value @ (Value::String(_) | Value::Array(_))) => {
            number::parse_number(&trim(&text(value))).unwrap_or(f64::NAN)
        }
        Some(Value::Object(_)) => f64::NAN,
    }
}

/// `Number.isInteger`.
pub fn is_integer(value: f64) -> bool {
    value.is_finite() && value.fract() == 0.0
}

/// Length in UTF-16 units, as `text.length` counts.
pub fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// `text.trim()`.
pub fn trim(text: &str) -> String {
    js::trim(text).to_owned()
}

/// `JSON.stringify` of a value that came out of `JSON.parse`: numbers in JavaScript's spelling, members
/// named like array indexes first.
pub fn stringify(value: &Value) -> String {
    parsed(value).to_string()
}

/// The value as `JSON.parse` would hold it, see [`stringify`].
pub fn parsed(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            number.as_f64().map_or(Value::Null, |number| number::json(number + 0.0))
        }
        Value::Array(items) => items.iter().map(parsed).collect(),
        Value::Object(members) => members_in_order(members)
            .map(|(name, value)| (name.clone(), parsed(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// The members in the order of a JavaScript object: those named like array indexes first.
pub fn members_in_order(members: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let mut indexed: Vec<_> = members.iter().filter_map(|m| Some((index(m.0)?, m))).collect();
    indexed.sort_unstable_by_key(|(index, _)| *index);
    let named = members.iter().filter(|(name, _)| index(name).is_none());
    indexed.into_iter().map(|(_, member)| member).chain(named)
}

/// An array index as a member's name.
fn index(name: &str) -> Option<u32> {
    let number: u32 = name.parse().ok()?;
    (number != u32::MAX && number.to_string() == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!(null), "null", "", 0.0, false)]
    #[case(json!(true), "true", "true", 1.0, true)]
    #[case(json!("  7 "), "  7 ", "  7 ", 7.0, true)]
    #[case(json!(""), "", "", 0.0, false)]
    #[case(json!(0), "0", "0", 0.0, false)]
    #[case(json!(["a", null, 2]), "a,,2", "a,,2", f64::NAN, true)]
    #[case(json!([5]), "5", "5", 5.0, true)]
    #[case(json!({}), "[object Object]", "[object Object]", f64::NAN, true)]
    fn converts(
        #[case] value: Value,
        #[case] as_text: &str,
        #[case] stored: &str,
        #[case] as_number: f64,
        #[case] holds: bool,
    ) {
        assert_eq!(text(&value), as_text);
        assert_eq!(field(Some(&value)), stored);
        let read = number(Some(&value));
        assert!(read == as_number || read.is_nan() && as_number.is_nan(), "{read}");
        assert_eq!(truthy(Some(&value)), holds);
    }

    #[test]
    fn what_was_not_sent_is_undefined() {
        assert!(!truthy(None) && number(None).is_nan());
        assert_eq!(field(None), "");
    }

    #[test]
    fn json_is_spelled_as_javascript_spells_it() {
        let value: Value =
            serde_json::from_str(r#"{"b":1.0,"10":1e21,"2":-0.0,"a":[1.50],"02":null}"#).unwrap();
        assert_eq!(stringify(&value), r#"{"2":0,"10":1e+21,"b":1,"a":[1.5],"02":null}"#);
    }
}
