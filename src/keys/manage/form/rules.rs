//! Rules that change the body of an `OpenAI` Responses request before it is sent.

use compat::js;
use serde_json::{Value, json};

use crate::domain::Declined;

/// The rules as they are stored; those without a path are left out.
///
/// # Errors
/// What is wrong with the first rule that cannot be used.
pub(super) fn checked(rules: Option<&Value>) -> Result<Value, Declined> {
    let Some(rules) = js::given(rules) else { return Ok(json!([])) };
    let Value::Array(rules) = rules else {
        return Err(Declined::invalid("Payload rules must be an array"));
    };
    let mut kept = Vec::new();
    for (place, rule) in rules.iter().enumerate() {
        let nth = place + 1;
        if !rule.is_object() {
            return Err(Declined::invalid(format!("Payload rule #{nth} must be an object")));
        }
        let Some(rule) = normal(rule) else { continue };
        if let Some(fault) = fault(&rule) {
            return Err(Declined::invalid(format!("Payload rule #{nth}{fault}")));
        }
        kept.push(rule);
    }
    Ok(Value::Array(kept))
}

/// The rules of a record, without those that cannot be used.
pub(in super::super) fn stored_rules(stored: &str) -> Value {
    let rules: Value = serde_json::from_str(stored).unwrap_or_default();
    let rules = rules.as_array().map(Vec::as_slice).unwrap_or_default();
    rules.iter().filter_map(normal).collect()
}

/// `{path, valueType, value}` in their stored spelling; `None` without a path.
fn normal(rule: &Value) -> Option<Value> {
    let word = |name: &str| js::trim(rule.get(name).and_then(Value::as_str).unwrap_or_default());
    let path = word("path");
    (!path.is_empty() && rule.is_object()).then(|| {
        json!({
            "path": path,
            "valueType": word("valueType").to_lowercase(),
            "value": js::field(rule.get("value")),
        })
    })
}

fn fault(rule: &Value) -> Option<String> {
    let word = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or_default();
    let (path, value) = (word("path"), word("value"));
    if path.split('.').any(|segment| js::trim(segment).is_empty()) {
        return Some(": Rule path cannot contain empty segments".into());
    }
    let fine = match word("valueType") {
        "string" => return None,
        "number" => js::number(rule.get("value")).is_finite(),
        "boolean" => matches!(js::trim(value).to_lowercase().as_str(), "true" | "false"),
        "json" => serde_json::from_str::<Value>(value).is_ok(),
        _ => return Some(" has invalid valueType".into()),
    };
    if fine || value.is_empty() {
        return None;
    }
    let expected = match word("valueType") {
        "number" => "a valid number",
        "boolean" => "\"true\" or \"false\"",
        _ => "valid JSON",
    };
    Some(format!(": Rule path \"{path}\" expects {expected}"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(json!("x"), "Payload rules must be an array")]
    #[case(json!([1]), "Payload rule #1 must be an object")]
    #[case(json!([{"path": "a..b", "valueType": "string"}]), "Payload rule #1: Rule path cannot contain empty segments")]
    #[case(json!([{"path": ""}, {"path": "a", "valueType": "x"}]), "Payload rule #2 has invalid valueType")]
    #[case(json!([{"path": "a", "valueType": "number", "value": "x"}]), "Payload rule #1: Rule path \"a\" expects a valid number")]
    #[case(json!([{"path": "a", "valueType": "Boolean", "value": "yes"}]), "Payload rule #1: Rule path \"a\" expects \"true\" or \"false\"")]
    #[case(json!([{"path": "a", "valueType": "json", "value": "{"}]), "Payload rule #1: Rule path \"a\" expects valid JSON")]
    fn unusable_rules_are_named(#[case] rules: Value, #[case] error: &str) {
        assert_eq!(checked(Some(&rules)), Err(Declined::invalid(error)));
    }

    #[test]
    fn usable_rules_are_normalised() {
        let rules = json!([{"path": " a.b ", "valueType": " Number", "value": 5, "x": 1}, {}]);
        let kept = json!([{"path": "a.b", "valueType": "number", "value": "5"}]);
        assert_eq!(checked(Some(&rules)), Ok(kept.clone()));
        assert_eq!(stored_rules(&rules.to_string()), kept);
        assert_eq!(checked(None), Ok(json!([])));
    }
}
