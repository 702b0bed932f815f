//! Two JSON values, compared path by path.

use serde_json::{Number, Value};

use crate::difference::{Difference, DifferenceKind};

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
            if !same_number(a, b) {
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

/// The same number, however it is spelled: whole numbers exactly, others as doubles.
pub(crate) fn same_number(a: &Number, b: &Number) -> bool {
    let whole = |n: &Number| n.as_i128();
    if let (Some(a), Some(b)) = (whole(a), whole(b)) {
        return a == b;
    }
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) if a.is_finite() && b.is_finite() => a == b,
        _ => a == b,
    }
}

/// One segment of a path, as JSON pointers write it.
pub fn escape(name: &str) -> String {
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
    use rstest::rstest;
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

    fn number(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[rstest]
    #[case("1", "1.0", true)]
    #[case("0.1", "1e-1", true)]
    #[case("9007199254740992", "9007199254740993", false)]
    #[case("1e400", "1e401", false)]
    #[case("1e400", "1e400", true)]
    #[case("-0", "0", true)]
    fn numbers_are_compared_by_value(#[case] a: &str, #[case] b: &str, #[case] same: bool) {
        assert_eq!(kinds(number(a), number(b)).is_empty(), same);
    }
}
