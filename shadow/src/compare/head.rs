//! Headers: names without regard to case, repeated names as a multiset, order and spelling as notes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Weighed, note};
use crate::{
    difference::{Difference, DifferenceKind},
    json::escape,
    observation::Headers,
};

pub(super) fn compare(path: &str, control: &Headers, candidate: &Headers) -> Vec<Weighed> {
    let (a, b) = (by_name(control), by_name(candidate));
    let mut found: Vec<Weighed> = Vec::new();
    for (name, values) in &a {
        let at = format!("{path}/headers/{}", escape(name));
        match b.get(name) {
            None => found.push(Difference::missing(at, shown(values)).into()),
            Some(other) => found.extend(repeated(&at, values, other)),
        }
    }
    for (name, values) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
        let at = format!("{path}/headers/{}", escape(name));
        found.push(Difference::extra(at, shown(values)).into());
    }
    found.extend(order(path, control, candidate).map(note));
    found.extend(spelling(path, control, candidate).into_iter().map(note));
    found
}

fn by_name(headers: &Headers) -> BTreeMap<String, Vec<&str>> {
    let mut names: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, value) in headers {
        names.entry(name.to_ascii_lowercase()).or_default().push(value);
    }
    names
}

fn shown(values: &[&str]) -> Value {
    match values {
        [one] => Value::from(*one),
        several => several.iter().map(|value| Value::from(*value)).collect(),
    }
}

fn repeated(path: &str, control: &[&str], candidate: &[&str]) -> Option<Weighed> {
    if control == candidate {
        return None;
    }
    let sorted = |values: &[&str]| {
        let mut values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        values.sort();
        values
    };
    let kind = if control.len() != candidate.len() {
        DifferenceKind::Count
    } else if sorted(control) == sorted(candidate) {
        DifferenceKind::Order
    } else {
        DifferenceKind::Value
    };
    Some(Difference::between(kind, path, shown(control), shown(candidate)).into())
}

/// The order of the names that both sides have.
fn order(path: &str, control: &Headers, candidate: &Headers) -> Option<Difference> {
    let sequence = |own: &Headers, other: &Headers| -> Vec<String> {
        let theirs = by_name(other);
        let mut seen = Vec::new();
        for (name, _) in own {
            let name = name.to_ascii_lowercase();
            if theirs.contains_key(&name) && !seen.contains(&name) {
                seen.push(name);
            }
        }
        seen
    };
    let (a, b) = (sequence(control, candidate), sequence(candidate, control));
    (a != b).then(|| Difference::between(DifferenceKind::Order, format!("{path}/headers"), a, b))
}

fn spelling(path: &str, control: &Headers, candidate: &Headers) -> Vec<Difference> {
    let mut found = Vec::new();
    for (name, _) in control {
        let same_name = |(other, _): &&(String, String)| other.eq_ignore_ascii_case(name);
        let spelled = candidate.iter().filter(same_name).all(|(other, _)| other != name);
        if let Some((other, _)) = candidate.iter().find(same_name).filter(|_| spelled) {
            let at = format!("{path}/spelling/{}", escape(&name.to_ascii_lowercase()));
            let kind = DifferenceKind::Value;
            let difference = Difference::between(kind, at, name.clone(), other.clone());
            if !found.contains(&difference) {
                found.push(difference);
            }
        }
    }
    found
}
