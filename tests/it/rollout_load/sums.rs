//! Sums over a whole database: what is counted, whoever the key or account and whatever the hour.

use std::collections::BTreeMap;

use regex::Regex;
use tokio::time::{Instant, sleep};

use crate::{
    harness::snapshot::{Stored, take, take_settled},
    place::{PATIENCE, Place},
};

/// Sums by kind of key and field.
pub type Sums = BTreeMap<String, f64>;

/// No slot is left in any zset of slots.
pub async fn no_slots(place: &Place) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = slots(place).await;
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "slots were not given back: {left:?}");
        sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn slots(place: &Place) -> Vec<(String, usize)> {
    let snapshot = take(&mut place.redis().await).await.unwrap();
    let slots = snapshot.into_iter().filter(|(key, _)| key.starts_with("concurrency:"));
    let open = slots.filter_map(|(key, entry)| match entry.stored {
        Stored::Sorted(members) if !members.is_empty() => Some((key, members.len())),
        _ => None,
    });
    open.collect()
}

/// Everything countable once nothing changes any more, but for crs's own keys.
pub async fn all(place: &Place) -> Sums {
    let snapshot = take_settled(&mut place.redis().await).await.unwrap();
    let named = Names::new();
    let mut sums = Sums::new();
    for (key, entry) in snapshot {
        if key.starts_with("crs:rs:") {
            continue;
        }
        let key = named.without_ids(&key);
        let mut add = |name: String, value: f64| *sums.entry(name).or_default() += value;
        match entry.stored {
            Stored::Text(text) => match number(&text) {
                Some(value) => add(key, value),
                None => add(format!("{key} texts"), 1.0),
            },
            Stored::Hash(fields) => {
                for (field, text) in fields {
                    let field = named.without_ids(&String::from_utf8_lossy(&field));
                    match number(&text) {
                        Some(value) => add(format!("{key} {field}"), value),
                        None => add(format!("{key} {field} texts"), 1.0),
                    }
                }
            }
            #[expect(clippy::cast_precision_loss, reason = "counts of a test")]
            other => add(format!("{key} members"), members(&other) as f64),
        }
    }
    sums
}

fn members(stored: &Stored) -> usize {
    match stored {
        Stored::Set(members) => members.len(),
        Stored::Sorted(members) => members.len(),
        Stored::List(members) => members.len(),
        Stored::Stream(entries) => entries.len(),
        Stored::Text(_) | Stored::Hash(_) => 1,
    }
}

/// A number that is not a moment in time.
fn number(text: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (value.is_finite() && value < 1e11).then_some(value)
}

/// Where two runs differ.
pub fn differences(one: &Sums, other: &Sums) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let differ = names.into_iter().filter_map(|name| {
        let (a, b) = (one.get(name).copied(), other.get(name).copied());
        let same = a.zip(b).is_some_and(|(a, b)| (a - b).abs() <= 1e-9 * a.abs().max(1.0));
        (!same).then(|| format!("{name}: {a:?} and {b:?}"))
    });
    differ.collect()
}

struct Names {
    id: Regex,
    when: Regex,
}

impl Names {
    fn new() -> Self {
        Self {
            id: Regex::new("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}").unwrap(),
            when: Regex::new(r"\d{4}-\d\d(-\d\d(:\d\d)?)?|\d{8,}").unwrap(),
        }
    }

    fn without_ids(&self, text: &str) -> String {
        let text = self.id.replace_all(text, "<id>");
        self.when.replace_all(&text, "<when>").into_owned()
    }
}
