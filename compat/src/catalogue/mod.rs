//! Every key pattern of the legacy service as data: type, expiry, area and meaning, from
//! `catalogue.tsv` beside this file; and the way from a key to its pattern.

mod pattern;
#[cfg(test)]
mod tests;
mod ttl;

use std::{cmp::Reverse, collections::HashMap};

use pattern::Pattern;
pub use ttl::{Ttl, TtlFault};

const DATA: &str = include_str!("catalogue.tsv");

/// What a key holds, as far as an audit can check it without knowing the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A typed record, see [`crate::record`].
    Record,
    /// A hash whose values are all whole numbers.
    Counters,
    /// Numbers.
    Number,
    /// JSON objects.
    Json,
    /// Any text.
    Text,
    /// Members of a set or sorted set.
    Members,
    /// Stream entries.
    Events,
}

impl Form {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "record" => Self::Record,
            "counters" => Self::Counters,
            "number" => Self::Number,
            "json" => Self::Json,
            "text" => Self::Text,
            "members" => Self::Members,
            "events" => Self::Events,
            _ => return None,
        })
    }
}

/// What the catalogue says about a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The pattern, e.g. `usage:daily:{key_id}:{date}`.
    pub pattern: &'static str,
    /// Redis type: `string`, `hash`, `set`, `zset`, `list` or `stream`.
    pub kind: &'static str,
    /// What is in it.
    pub value: Form,
    /// How long such a key lives.
    pub ttl: Ttl,
    /// The part of the service that owns it, e.g. `apikey`, `usage`, `account:claude`.
    pub area: &'static str,
    /// What it holds.
    pub about: &'static str,
    parts: Pattern,
}

impl Entry {
    /// The value of a placeholder in a key of this pattern.
    pub fn value<'key>(&self, key: &'key str, placeholder: &str) -> Option<&'key str> {
        self.parts.value(key, placeholder)
    }
}

/// The whole catalogue, ready to look keys up. Parsing it takes a fraction of a millisecond; keep it.
pub struct Catalogue {
    entries: Vec<Entry>,
    /// Patterns by the text before their first colon, the most specific first.
    by_stem: HashMap<&'static str, Vec<usize>>,
}

impl Catalogue {
    /// Reads the data in the crate.
    pub fn new() -> Self {
        let entries: Vec<Entry> = DATA.lines().skip(1).filter_map(read).collect();
        let mut by_stem: HashMap<_, Vec<usize>> = HashMap::new();
        for (at, entry) in entries.iter().enumerate() {
            by_stem.entry(stem(entry.pattern)).or_default().push(at);
        }
        for places in by_stem.values_mut() {
            places.sort_by_key(|at| Reverse(entries.get(*at).map(|entry| entry.parts.weight())));
        }
        Self { entries, by_stem }
    }

    /// Every pattern, in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry a key belongs to; `None` when the legacy service has no such key.
    pub fn classify(&self, key: &str) -> Option<&Entry> {
        let places = self.by_stem.get(stem(key))?;
        let mut entries = places.iter().filter_map(|at| self.entries.get(*at));
        entries.find(|entry| entry.parts.matches(key))
    }
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::new()
    }
}

fn read(line: &'static str) -> Option<Entry> {
    let mut cells = line.split('\t');
    let pattern = cells.next()?;
    Some(Entry {
        pattern,
        parts: Pattern::parse(pattern),
        kind: cells.next()?,
        value: Form::parse(cells.next()?)?,
        ttl: Ttl::parse(cells.next()?)?,
        area: cells.next()?,
        about: cells.next()?,
    })
}

fn stem(key: &str) -> &str {
    key.split_once(':').map_or(key, |(stem, _)| stem)
}
