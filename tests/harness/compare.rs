//! Typed differences between two observations, flattened to paths, and the accepted ones.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::normal::glob;

/// What kind of disagreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Missing,
    Extra,
    Type,
    Value,
    Order,
    Count,
}

/// One disagreement at one place.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    pub path: String,
    pub kind: Kind,
    pub legacy: Value,
    pub crs: Value,
    /// Number in MIGRATION.md that accepts it.
    pub accepted: Option<String>,
}

impl Difference {
    /// Header order and spelling upstream: reported, not decisive.
    pub fn is_soft(&self) -> bool {
        self.path.contains("/spelling")
    }
}

/// One entry of the accepted differences.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// Number of the entry in MIGRATION.md.
    pub migration: String,
    /// Scenario name, globbed.
    pub scenario: String,
    /// Path, globbed.
    pub at: String,
    pub why: String,
}

/// Reads the accepted differences.
pub fn accepted(path: &Path) -> Result<Vec<Accepted>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(serde_json::from_str(&text)?)
}

/// All differences of a scenario; accepted ones are marked, not dropped.
pub fn compare(name: &str, legacy: &Value, crs: &Value, known: &[Accepted]) -> Vec<Difference> {
    let mut out = Vec::new();
    walk(&mut String::new(), legacy, crs, &mut out);
    for difference in &mut out {
        difference.accepted = known
            .iter()
            .find(|entry| glob(&entry.scenario, name) && glob(&entry.at, &difference.path))
            .map(|entry| entry.migration.clone());
    }
    out
}

fn walk(path: &mut String, legacy: &Value, crs: &Value, out: &mut Vec<Difference>) {
    match (legacy, crs) {
        (Value::Object(a), Value::Object(b)) => {
            for (name, value) in a {
                let other = b.get(name);
                step(path, name, |path| match other {
                    Some(other) => walk(path, value, other, out),
                    None => push(path, Kind::Missing, value, &Value::Null, out),
                });
            }
            for (name, value) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
                step(path, name, |path| push(path, Kind::Extra, &Value::Null, value, out));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() && is_set(path) => {
            // Random ids stand in any order, placeholders in one.
            let sorted = |items: &[Value]| {
                let mut items = items.to_vec();
                items.sort_by_key(Value::to_string);
                items
            };
            for (index, (value, other)) in sorted(a).iter().zip(&sorted(b)).enumerate() {
                step(path, &index.to_string(), |path| walk(path, value, other, out));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            if path.ends_with("/spelling") {
                if a != b {
                    push(path, Kind::Order, legacy, crs, out);
                }
                return;
            }
            for (index, (value, other)) in a.iter().zip(b).enumerate() {
                step(path, &index.to_string(), |path| walk(path, value, other, out));
            }
        }
        (Value::Array(_), Value::Array(_)) => {
            let kind = if path.ends_with("/spelling") { Kind::Order } else { Kind::Count };
            push(path, kind, legacy, crs, out);
        }
        (Value::Number(a), Value::Number(b)) => {
            if a.as_f64() != b.as_f64() {
                push(path, Kind::Value, legacy, crs, out);
            }
        }
        (Value::String(a), Value::String(b)) => {
            if !texts_agree(a, b) {
                push(path, Kind::Value, legacy, crs, out);
            }
        }
        (a, b) if std::mem::discriminant(a) != std::mem::discriminant(b) => {
            // A TTL is a number on both sides; everything else of differing type is a difference.
            push(path, Kind::Type, legacy, crs, out);
        }
        (a, b) => {
            if a != b {
                push(path, Kind::Value, legacy, crs, out);
            }
        }
    }
    if path.ends_with("/ttl") && ttl_agrees(legacy, crs) {
        let at = path.clone();
        out.retain(|difference| difference.path != at);
    }
}

/// Whether the array at the path is a set's change.
fn is_set(path: &str) -> bool {
    let set = ["/added", "/removed", "/scores"].iter().any(|end| path.ends_with(end));
    path.starts_with("redis/") && set
}

fn ttl_agrees(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) else { return false };
    let most = if a <= 120.0 { 6.0 } else { (a / 100.0).max(12.0) };
    (a - b).abs() <= most
}

fn step(path: &mut String, name: &str, then: impl FnOnce(&mut String)) {
    let length = path.len();
    if length > 0 {
        path.push('/');
    }
    path.push_str(&name.replace('/', "|"));
    then(path);
    path.truncate(length);
}

fn push(path: &str, kind: Kind, legacy: &Value, crs: &Value, out: &mut Vec<Difference>) {
    out.push(Difference {
        path: path.to_owned(),
        kind,
        legacy: legacy.clone(),
        crs: crs.clone(),
        accepted: None,
    });
}

/// Equal texts, or texts whose only differences are moments that can mean the same.
pub fn texts_agree(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let Ok(placeholder) =
        Regex::new("<(?:local |http |ms |s )?(?:now|hour|utc-midnight|midnight|week)[^>]*>")
    else {
        return false;
    };
    let literals =
        |text: &str| -> Vec<String> { placeholder.split(text).map(Into::into).collect() };
    if literals(a) != literals(b) {
        return false;
    }
    let (a, b) = (placeholder.find_iter(a), placeholder.find_iter(b));
    a.zip(b).all(|(a, b)| moments_agree(a.as_str(), b.as_str()))
}

fn moments_agree(a: &str, b: &str) -> bool {
    let split = |text: &str| -> (String, Vec<String>) {
        let inner = text.trim_matches(['<', '>']);
        let spelling = ["local ", "http ", "ms ", "s "].into_iter().find(|s| inner.starts_with(s));
        let names = inner.trim_start_matches(spelling.unwrap_or_default());
        (spelling.unwrap_or_default().to_owned(), names.split('|').map(Into::into).collect())
    };
    let ((spelling_a, a), (spelling_b, b)) = (split(a), split(b));
    let offset = |name: &String| -> Option<f64> {
        let rest = name.strip_prefix("now")?;
        if rest.is_empty() { Some(0.0) } else { rest.parse().ok() }
    };
    spelling_a == spelling_b
        && a.iter().any(|one| {
            b.iter().any(|other| {
                one == other
                    || offset(one).zip(offset(other)).is_some_and(|(one, other)| {
                        (one - other).abs() <= (one.abs() / 100.0).max(15.0)
                    })
            })
        })
}
