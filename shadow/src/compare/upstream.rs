//! Requests to the vendor, exchange by exchange.

use serde_json::Value;

use super::{Outcome, Weighed, both, head, response, value};
use crate::{
    difference::{Difference, DifferenceKind},
    json::escape,
    observation::{Observation, UpstreamExchange},
};

pub(super) fn compare(control: &Observation, candidate: &Observation) -> Outcome {
    let (a, b) = both("the upstream", control.upstream.as_ref(), candidate.upstream.as_ref())?;
    let mut found: Vec<Weighed> = Vec::new();
    if a.len() != b.len() {
        let kind = DifferenceKind::Count;
        found.push(Difference::between(kind, "/exchanges", a.len(), b.len()).into());
    }
    for (index, (a, b)) in a.iter().zip(b).enumerate() {
        found.extend(exchange(&prefix(index), a, b)?);
    }
    Ok(found)
}

/// The first exchange is meant when none is named, since nearly all requests have only one.
fn prefix(index: usize) -> String {
    if index == 0 { String::new() } else { format!("/exchange/{index}") }
}

fn exchange(path: &str, a: &UpstreamExchange, b: &UpstreamExchange) -> Outcome {
    let mut found: Vec<Weighed> = Vec::new();
    found.extend(value(&format!("{path}/method"), &a.method, &b.method).map(Weighed::from));
    found.extend(url(path, &a.url, &b.url));
    found.extend(proxy(path, a.proxy.as_deref(), b.proxy.as_deref()));
    found.extend(head::compare(path, &a.headers, &b.headers));
    found.extend(response::bodies(&format!("{path}/body"), &a.body, &b.body)?);
    Ok(found)
}

/// Proxies, where both are known. Runtimes leave out a scheme's own port, and some do not tell any.
fn proxy(path: &str, a: Option<&str>, b: Option<&str>) -> Option<Weighed> {
    let (a, b) = (a?, b?);
    let (x, y) = (proxy_parts(a), proxy_parts(b));
    let ports = x.1.zip(y.1);
    let same = x.0.eq_ignore_ascii_case(y.0) && ports.is_none_or(|(x, y)| x == y);
    let at = format!("{path}/proxy");
    (!same).then(|| Difference::between(DifferenceKind::Value, at, a, b).into())
}

/// Scheme and host, and the port.
fn proxy_parts(proxy: &str) -> (&str, Option<&str>) {
    match proxy.rsplit_once(':') {
        Some((rest, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            (rest, Some(port))
        }
        _ => (proxy, None),
    }
}

fn url(path: &str, a: &str, b: &str) -> Vec<Weighed> {
    if a == b {
        return Vec::new();
    }
    let ((base_a, query_a), (base_b, query_b)) = (split(a), split(b));
    let (a, b) = (pairs(query_a), pairs(query_b));
    let mut found: Vec<Weighed> = Vec::new();
    let base = value(&format!("{path}/url"), &base_a.to_owned(), &base_b.to_owned());
    found.extend(base.map(Weighed::from));
    for name in names(&a, &b) {
        let of = |pairs: &[(&str, &str)]| -> Vec<String> {
            pairs.iter().filter(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()).collect()
        };
        let at = format!("{path}/url/query/{}", escape(name));
        let (x, y) = (of(&a), of(&b));
        let one = |values: Vec<String>| match <[String; 1]>::try_from(values) {
            Ok([value]) => Value::from(value),
            Err(values) => Value::from(values),
        };
        if x != y {
            found.push(match (x.is_empty(), y.is_empty()) {
                (false, true) => Difference::missing(at, one(x)).into(),
                (true, false) => Difference::extra(at, one(y)).into(),
                _ => Difference::between(DifferenceKind::Value, at, one(x), one(y)).into(),
            });
        }
    }
    if found.is_empty() {
        let at = format!("{path}/url/query");
        let (x, y) = (query_a.unwrap_or_default(), query_b.unwrap_or_default());
        found.push(Difference::between(DifferenceKind::Order, at, x, y).into());
    }
    found
}

fn split(url: &str) -> (&str, Option<&str>) {
    url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)))
}

fn pairs(query: Option<&str>) -> Vec<(&str, &str)> {
    let query = query.unwrap_or_default();
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect()
}

fn names<'a>(a: &[(&'a str, &'a str)], b: &[(&'a str, &'a str)]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in a.iter().chain(b) {
        if !names.contains(name) {
            names.push(name);
        }
    }
    names
}
