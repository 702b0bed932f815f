//! Net change to Redis, key by key.
//!
//! The change is data made by others, `{key: {"type", "fields" | "value" | "members" | "head" | …,
//! "ttl": ms}}`: objects by name, sets and sorted sets by member, lists by place, texts that hold JSON
//! by path. A number and the text of the same number are the same, as they are to Redis.

use serde_json::{Map, Value};

use super::{Outcome, both, plain};
use crate::{
    difference::{Difference, DifferenceKind},
    json::{compare_json, escape},
    keys,
    observation::Observation,
};

pub(super) fn compare(control: &Observation, candidate: &Observation) -> Outcome {
    let (a, b) = both("the effect", control.effects.as_ref(), candidate.effects.as_ref())?;
    let b = paired(a, as_if_same_account(control, candidate, b));
    let mut found = Vec::new();
    walk("", a, &b, &mut found);
    Ok(plain(found))
}

/// With different accounts chosen, the account plane has told so; here the candidate's changes are
/// read as if it had chosen the control's account, so that what remains are other differences.
fn as_if_same_account(control: &Observation, candidate: &Observation, effects: &Value) -> Value {
    match (&control.account, &candidate.account) {
        (Some(a), Some(b)) if a.id != b.id && !b.id.is_empty() => {
            let text = effects.to_string().replace(&b.id, &a.id);
            serde_json::from_str(&text).unwrap_or_else(|_| effects.clone())
        }
        _ => effects.clone(),
    }
}

/// Keys and members named after a random id or the minute of the write: one that only the candidate
/// has is read under the name of the one that only the control has, when there is exactly one of each.
fn paired(control: &Value, candidate: Value) -> Value {
    const KEYS: [&str; 2] = ["request_detail:item:{request}", "system:metrics:minute:{minute}"];
    const MEMBERS: [&str; 3] =
        ["request_detail:index:day:{date}", "concurrency:{id}", "concurrency:console_account:{id}"];
    let Value::Object(a) = control else { return candidate };
    let Value::Object(mut b) = candidate else { return candidate };
    let has = |key: &str, shape: &str| {
        key.starts_with(keys::start(shape)) && keys::normalise(key) == shape
    };
    for shape in KEYS {
        pair(a, &mut b, |key| has(key, shape));
    }
    let members = |key: &String| MEMBERS.iter().any(|shape| has(key, shape));
    for (key, change) in b.iter_mut().filter(|(key, _)| members(key)) {
        let theirs = a.get(key).and_then(|change| change.get("members"));
        if let (Some(Value::Object(theirs)), Some(Value::Object(own))) =
            (theirs, change.get_mut("members"))
        {
            pair(theirs, own, |_| true);
        }
    }
    Value::Object(b)
}

fn pair(a: &Map<String, Value>, b: &mut Map<String, Value>, fits: impl Fn(&str) -> bool) {
    let alone = |own: &Map<String, Value>, other: &Map<String, Value>| {
        let mut keys = own.keys().filter(|key| !other.contains_key(*key) && fits(key));
        keys.next().filter(|_| keys.next().is_none()).cloned()
    };
    if let (Some(theirs), Some(own)) = (alone(a, b), alone(b, a))
        && let Some(value) = b.remove(&own)
    {
        b.insert(theirs, value);
    }
}

fn walk(path: &str, a: &Value, b: &Value, found: &mut Vec<Difference>) {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => match (change(x), change(y)) {
            (Some((op, amount)), Some((other, value))) if op == other => {
                walk(path, amount, value, found)
            }
            (None, None) => members(path, x, y, found),
            _ => found.push(Difference::between(DifferenceKind::Type, path, a.clone(), b.clone())),
        },
        (Value::Array(x), Value::Array(y)) => {
            let last = path.rsplit('/').next().unwrap_or_default();
            match (last, scores(x), scores(y)) {
                ("added" | "removed" | "members", _, _) if names(x) && names(y) => {
                    set(path, x, y, found)
                }
                (_, Some(x), Some(y)) => members(path, &x, &y, found),
                _ => list(path, x, y, found),
            }
        }
        (Value::String(x), Value::String(y)) if x != y => text(path, x, y, found),
        (Value::String(x), Value::Number(y)) => text(path, x, &y.to_string(), found),
        (Value::Number(x), Value::String(y)) => text(path, &x.to_string(), y, found),
        _ => found.extend(compare_json(a, b).into_iter().map(|difference| Difference {
            path: format!("{path}{}", difference.path),
            kind: kind_at(path, difference.kind),
            ..difference
        })),
    }
}

/// A number against `null` at `ttl` is another time to live, not another type.
fn kind_at(path: &str, kind: DifferenceKind) -> DifferenceKind {
    match kind {
        DifferenceKind::Type if path.ends_with("/ttl") => DifferenceKind::Value,
        DifferenceKind::Value if path.ends_with("/type") => DifferenceKind::Type,
        kind => kind,
    }
}

/// `{"+": amount}` or `{"=": value}`.
fn change(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, value) = object.iter().next()?;
    let op = !name.is_empty() && name.chars().all(|c| c.is_ascii_punctuation());
    (object.len() == 1 && op).then_some((name.as_str(), value))
}

fn members(
    path: &str,
    a: &Map<String, Value>,
    b: &Map<String, Value>,
    found: &mut Vec<Difference>,
) {
    for (name, value) in a {
        let at = format!("{path}/{}", escape(name));
        match b.get(name) {
            Some(other) => walk(&at, value, other, found),
            None => found.push(Difference::missing(at, value.clone())),
        }
    }
    for (name, value) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
        found.push(Difference::extra(format!("{path}/{}", escape(name)), value.clone()));
    }
}

fn names(list: &[Value]) -> bool {
    list.iter().all(Value::is_string)
}

fn set(path: &str, a: &[Value], b: &[Value], found: &mut Vec<Difference>) {
    let named = |member: &Value| {
        let name = member.as_str().map_or_else(|| member.to_string(), str::to_owned);
        format!("{path}/{}", escape(&name))
    };
    for member in a.iter().filter(|member| !b.contains(member)) {
        found.push(Difference::missing(named(member), member.clone()));
    }
    for member in b.iter().filter(|member| !a.contains(member)) {
        found.push(Difference::extra(named(member), member.clone()));
    }
}

/// `[[member, score], …]` by member.
fn scores(list: &[Value]) -> Option<Map<String, Value>> {
    let pair = |value: &Value| match value.as_array().map(Vec::as_slice) {
        Some([Value::String(member), score]) if !score.is_array() && !score.is_object() => {
            Some((member.clone(), score.clone()))
        }
        _ => None,
    };
    let pairs: Option<Map<String, Value>> = list.iter().map(pair).collect();
    pairs.filter(|pairs| pairs.len() == list.len() && !list.is_empty())
}

fn list(path: &str, a: &[Value], b: &[Value], found: &mut Vec<Difference>) {
    if a.len() != b.len() {
        let (a, b) = (a.to_vec(), b.to_vec());
        found.push(Difference::between(DifferenceKind::Count, path, a, b));
        return;
    }
    for (index, (a, b)) in a.iter().zip(b).enumerate() {
        walk(&format!("{path}/{index}"), a, b, found);
    }
}

fn text(path: &str, a: &str, b: &str, found: &mut Vec<Difference>) {
    let json = |text: &str| match text.as_bytes().first() {
        Some(b'{' | b'[') => serde_json::from_str::<Value>(text).ok(),
        _ => None,
    };
    match (json(a), json(b)) {
        (Some(x), Some(y)) => {
            let before = found.len();
            found.extend(compare_json(&x, &y).into_iter().map(|difference| Difference {
                path: format!("{path}{}", difference.path),
                ..difference
            }));
            if found.len() == before {
                // The same JSON, written otherwise: Node reads both alike, other readers may not.
                found.push(Difference::between(DifferenceKind::Order, path, a, b));
            }
        }
        _ if same_amount(a, b) => {}
        _ => {
            let kind = kind_at(path, DifferenceKind::Value);
            found.push(Difference::between(kind, path, a, b));
        }
    }
}

fn same_amount(a: &str, b: &str) -> bool {
    match (a.parse::<i128>(), b.parse::<i128>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => a.is_finite() && a == b,
            _ => false,
        },
    }
}
