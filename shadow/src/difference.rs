//! Typed differences, keyed by field path so that they can be grouped and counted.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is compared; each plane has its own counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plane {
    /// Rejected or admitted, with which status and error body.
    Admission,
    /// Which account was chosen.
    Account,
    /// Request to the vendor.
    UpstreamRequest,
    /// Status and headers to the client.
    ResponseHead,
    /// Body to the client.
    ResponseBody,
    /// Net change to Redis.
    Effects,
    /// Durations; reported, never a mismatch.
    Timing,
}

/// How two values differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// The control has it, the candidate has not.
    Missing,
    /// The candidate has it, the control has not.
    Extra,
    /// Values of different JSON types.
    Type,
    /// Values differ.
    Value,
    /// The same members in another order.
    Order,
    /// Lists of different length.
    Count,
}

/// One difference at one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// JSON-pointer-like path, e.g. `/headers/anthropic-beta`.
    pub path: String,
    /// Kind.
    pub kind: DifferenceKind,
    /// The control's value, when there is one.
    pub control: Option<Value>,
    /// The candidate's value, when there is one.
    pub candidate: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<Value>| value.as_ref().map_or("-".into(), Value::to_string);
        write!(
            f,
            "{} {:?}: {} | {}",
            self.path,
            self.kind,
            show(&self.control),
            show(&self.candidate)
        )
    }
}

/// Compares two JSON values path by path. Numbers are equal when they are the same number, however
/// they are spelled; the order of object members does not matter.
pub fn compare_json(control: &Value, candidate: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("", control, candidate, &mut found);
    found
}

fn walk(path: &str, control: &Value, candidate: &Value, found: &mut Vec<Difference>) {
    match (control, candidate) {
        (Value::Object(a), Value::Object(b)) => {
            for (name, value) in a {
                let path = format!("{path}/{}", escape(name));
                match b.get(name) {
                    Some(other) => walk(&path, value, other, found),
                    None => {
                        found.push(entry(&path, DifferenceKind::Missing, Some(value), None));
                    }
                }
            }
            for (name, value) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
                let path = format!("{path}/{}", escape(name));
                found.push(entry(&path, DifferenceKind::Extra, None, Some(value)));
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                found.push(entry(path, DifferenceKind::Count, Some(control), Some(candidate)));
                return;
            }
            if a != b && is_permutation(a, b) {
                found.push(entry(path, DifferenceKind::Order, Some(control), Some(candidate)));
                return;
            }
            for (index, (x, y)) in a.iter().zip(b).enumerate() {
                walk(&format!("{path}/{index}"), x, y, found);
            }
        }
        (Value::Number(a), Value::Number(b)) => {
            if a != b && a.as_f64() != b.as_f64() {
                found.push(entry(path, DifferenceKind::Value, Some(control), Some(candidate)));
            }
        }
        _ if control == candidate => {}
        _ => {
            let same_type = std::mem::discriminant(control) == std::mem::discriminant(candidate);
            let kind = if same_type { DifferenceKind::Value } else { DifferenceKind::Type };
            found.push(entry(path, kind, Some(control), Some(candidate)));
        }
    }
}

fn is_permutation(a: &[Value], b: &[Value]) -> bool {
    let mut rest: Vec<&Value> = b.iter().collect();
    a.iter().all(|value| match rest.iter().position(|other| *other == value) {
        Some(index) => {
            rest.swap_remove(index);
            true
        }
        None => false,
    })
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn entry(
    path: &str,
    kind: DifferenceKind,
    control: Option<&Value>,
    candidate: Option<&Value>,
) -> Difference {
    Difference {
        path: path.to_owned(),
        kind,
        control: control.cloned(),
        candidate: candidate.cloned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kinds(a: Value, b: Value) -> Vec<(String, DifferenceKind)> {
        compare_json(&a, &b).into_iter().map(|d| (d.path, d.kind)).collect()
    }

    #[test]
    fn equal_values_have_no_difference() {
        assert!(kinds(json!({"a": [1, {"b": null}]}), json!({"a": [1, {"b": null}]})).is_empty());
    }

    #[test]
    fn each_kind_is_told_with_its_path() {
        use DifferenceKind::*;
        assert_eq!(kinds(json!({"a": 1}), json!({})), [("/a".into(), Missing)]);
        assert_eq!(kinds(json!({}), json!({"a/b": 1})), [("/a~1b".into(), Extra)]);
        assert_eq!(kinds(json!({"a": "1"}), json!({"a": 1})), [("/a".into(), Type)]);
        assert_eq!(
            kinds(json!({"a": [{"b": 1}]}), json!({"a": [{"b": 2}]})),
            [("/a/0/b".into(), Value)]
        );
        assert_eq!(kinds(json!([1, 2]), json!([2, 1])), [(String::new(), Order)]);
        assert_eq!(kinds(json!([1]), json!([1, 2])), [(String::new(), Count)]);
    }
}
