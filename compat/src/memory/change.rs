//! What a run changed, in a shape that can be compared path by path.
//!
//! As JSON, by key:
//!
//! ```json
//! {
//!   "usage:7":     {"type": "hash", "fields": {"totalTokens": {"+": 123}, "lastUsedAt": {"=": "2026-…"},
//!                   "old": {"-": true}}, "ttl": 2592000000},
//!   "lock:7":      {"type": "string", "is": "created", "value": {"=": "abc"}, "ttl": 5000},
//!   "names":       {"type": "set", "members": {"a": {"=": true}, "b": {"-": true}}},
//!   "index":       {"type": "zset", "members": {"id": {"=": 1700000000000}}},
//!   "recent":      {"type": "list", "head": ["newest", "newer"], "cut": {"tail": 2}},
//!   "events":      {"type": "stream", "added": [{"data": "…"}]},
//!   "session:7":   {"type": "hash", "is": "deleted"}
//! }
//! ```
//!
//! - `is`: `created`, `deleted`, or `replaced` (by another type); left out for a key that merely changed.
//! - `{"+": n}`: a number grew by `n` (from 0 when there was none), rounded to 12 decimals, because the
//!   order of float additions is nobody's contract. `{"=": x}`: now `x`. `{"-": true}`: gone.
//! - `head`, `tail`: items added at that end, from the head on; `cut`: items lost at an end. A list with
//!   nothing in common with the old one has lost all of it at the head.
//! - `ttl`: lifetime in ms that was last asked for; -1 when the run took a lifetime away. Left out when
//!   the run did not touch it.
//!
//! A key that was written but is as before is left out, and so is a field or member, unless it was set to
//! the present moment: two runs of one millisecond would hide each other's. Texts that are not UTF-8 are
//! shown lossily. It is the difference of two states, so equal ends over equal bases give equal changes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value as Json};

use super::{
    keyspace::{Keyspace, Slot},
    number::{add_floats, integer},
    value::{Entry, Hash, List, Set, Stream, Value, Zset},
};

/// Changed keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NetChange {
    /// By key.
    pub keys: BTreeMap<String, KeyChange>,
}

/// What became of one key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyChange {
    /// Its type now; of a deleted key, its type before.
    #[serde(rename = "type")]
    pub kind: String,
    /// How the key itself came or went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<Fate>,
    /// Of a string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Delta>,
    /// Of a hash.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Delta>,
    /// Of a set (`true`) or sorted set (scores).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<String, Delta>,
    /// Of a list: new items at the head.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub head: Vec<String>,
    /// Of a list: new items at the tail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tail: Vec<String>,
    /// Of a list: items lost.
    #[serde(default, skip_serializing_if = "Cut::is_none")]
    pub cut: Cut,
    /// Of a stream: entries, without ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<BTreeMap<String, String>>,
    /// Lifetime asked for, in ms; -1: taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<i64>,
}

/// How a key came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// There was no such key.
    Created,
    /// There is no such key any more.
    Deleted,
    /// It has another type than before.
    Replaced,
}

/// How one value changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Delta {
    /// A number grew.
    #[serde(rename = "+")]
    Grown(Number),
    /// It is this now.
    #[serde(rename = "=")]
    Now(Json),
    /// It is gone.
    #[serde(rename = "-")]
    Gone(bool),
}

/// Items lost at the ends of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// At the head.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub head: usize,
    /// At the tail.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tail: usize,
}

impl Cut {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde wants")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl NetChange {
    /// As JSON, to compare by path.
    pub fn to_json(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }

    pub(super) fn of(keys: &Keyspace) -> Self {
        let now = keys.now();
        let written = keys.slots().filter(|(_, slot)| slot.written);
        let changed = written.filter_map(|(key, slot)| Some((text(key), change(slot, now)?)));
        Self { keys: changed.collect() }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn change(slot: &Slot, now: i64) -> Option<KeyChange> {
    let alive = |entry: &&Entry| entry.expiry.is_none_or(|expiry| expiry.at > now);
    let after = slot.now.as_ref().filter(alive);
    let mut change = KeyChange::default();
    match (slot.base.as_ref(), after) {
        (None, None) => return None,
        (Some(before), None) => {
            before.value.kind().clone_into(&mut change.kind);
            change.is = Some(Fate::Deleted);
        }
        (before, Some(after)) => {
            after.value.kind().clone_into(&mut change.kind);
            let same = before.filter(|before| before.value.kind() == after.value.kind());
            change.is = match (before, same) {
                (None, _) => Some(Fate::Created),
                (Some(_), None) => Some(Fate::Replaced),
                _ => None,
            };
            change.contents(same.map(|before| &*before.value), &after.value);
            change.touches(&slot.touched, &after.value);
            change.ttl = match (after.expiry, before.and_then(|before| before.expiry)) {
                (Some(expiry), _) => expiry.asked,
                (None, Some(_)) => Some(-1),
                (None, None) => None,
            };
        }
    }
    let nothing = KeyChange { kind: change.kind.clone(), ..KeyChange::default() };
    (change != nothing).then_some(change)
}

impl KeyChange {
    /// The two values have the same type.
    fn contents(&mut self, before: Option<&Value>, after: &Value) {
        match (before, after) {
            (before, Value::String(new)) => {
                let old = if let Some(Value::String(old)) = before { Some(old) } else { None };
                self.value = (old != Some(new)).then(|| delta(old, new));
            }
            (Some(Value::Hash(old)), Value::Hash(new)) => self.hash(old, new),
            (_, Value::Hash(new)) => self.hash(&Hash::new(), new),
            (Some(Value::Set(old)), Value::Set(new)) => self.set(old, new),
            (_, Value::Set(new)) => self.set(&Set::new(), new),
            (Some(Value::Zset(old)), Value::Zset(new)) => self.zset(old, new),
            (_, Value::Zset(new)) => self.zset(&Zset::default(), new),
            (Some(Value::List(old)), Value::List(new)) => self.list(old, new),
            (_, Value::List(new)) => self.list(&List::new(), new),
            (before, Value::Stream(new)) => {
                let old = if let Some(Value::Stream(old)) = before { old.last } else { (0, 0) };
                self.stream(old, new);
            }
        }
    }

    /// What was set to the present moment and is as before all the same.
    fn touches(&mut self, touched: &BTreeSet<Bytes>, after: &Value) {
        for member in touched {
            match after {
                Value::Hash(hash) => {
                    if let Some(value) = hash.get(member) {
                        let now = || Delta::Now(Json::String(text(value)));
                        self.fields.entry(text(member)).or_insert_with(now);
                    }
                }
                Value::Zset(zset) => {
                    if let Some(score) = zset.score(member) {
                        let now = || Delta::Now(score_json(score));
                        self.members.entry(text(member)).or_insert_with(now);
                    }
                }
                _ => {}
            }
        }
    }

    fn hash(&mut self, old: &Hash, new: &Hash) {
        for (field, value) in new {
            let before = old.get(field);
            if before != Some(value) {
                self.fields.insert(text(field), delta(before, value));
            }
        }
        for field in old.keys().filter(|field| !new.contains_key(*field)) {
            self.fields.insert(text(field), Delta::Gone(true));
        }
    }

    fn set(&mut self, old: &Set, new: &Set) {
        for member in new.iter().filter(|member| !old.contains(*member)) {
            self.members.insert(text(member), Delta::Now(Json::Bool(true)));
        }
        for member in old.iter().filter(|member| !new.contains(*member)) {
            self.members.insert(text(member), Delta::Gone(true));
        }
    }

    fn zset(&mut self, old: &Zset, new: &Zset) {
        for (member, score) in new.iter() {
            if old.score(member) != Some(score) {
                self.members.insert(text(member), Delta::Now(score_json(score)));
            }
        }
        for (member, _) in old.iter().filter(|(member, _)| new.score(member).is_none()) {
            self.members.insert(text(member), Delta::Gone(true));
        }
    }

    /// The longest run of old items that is left decides what was added and lost around it.
    fn list(&mut self, old: &List, new: &List) {
        if old == new {
            return;
        }
        let (from, to, len) = overlap(old, new);
        self.cut = Cut { head: from, tail: old.len() - from - len };
        if len == 0 {
            self.cut = Cut { head: old.len(), tail: 0 };
            self.head = new.iter().map(|item| text(item)).collect();
            return;
        }
        self.head = new.range(..to).map(|item| text(item)).collect();
        self.tail = new.range(to + len..).map(|item| text(item)).collect();
    }

    fn stream(&mut self, last: (u64, u64), new: &Stream) {
        let entries = new.entries.iter().filter(|(id, _)| *id > last);
        let fields = |fields: &[Bytes]| {
            fields.chunks_exact(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
        };
        self.added = entries.map(|(_, entry)| fields(entry)).collect();
    }
}

/// The longest piece of `old` that is in `new`: where it starts in each, and its length. Of equally
/// long ones, the one nearest to the head of `old`. Lists here hold a few hundred items at most; the
/// work is bounded by looking at the ends only when they are longer.
fn overlap(old: &List, new: &List) -> (usize, usize, usize) {
    const FULL: usize = 2_000;
    let mut best = (0, 0, 0);
    let run = |from: usize, to: usize| {
        old.range(from..).zip(new.range(to..)).take_while(|(a, b)| a == b).count()
    };
    for from in 0..old.len() {
        if best.2 >= old.len() - from || from > FULL {
            break;
        }
        for to in 0..new.len().min(FULL) {
            if best.2 >= new.len() - to {
                break;
            }
            let len = run(from, to);
            if len > best.2 {
                best = (from, to, len);
            }
        }
    }
    best
}

/// Integers and decimals; not what merely looks like a number, such as a hash or `007`.
fn is_number(text: &[u8]) -> bool {
    let whole = text.split(|byte| matches!(byte, b'.' | b'e')).next().unwrap_or_default();
    let rest = &text[whole.len()..];
    let whole_fits = integer(whole).is_some() || whole == b"-0";
    let rest_fits = match rest {
        [] => true,
        [b'.', digits @ ..] => {
            let end = digits.iter().position(|byte| *byte == b'e').unwrap_or(digits.len());
            end > 0 && digits[..end].iter().all(u8::is_ascii_digit) && is_power(&digits[end..])
        }
        power => is_power(power),
    };
    text.len() <= 40 && whole_fits && rest_fits
}

/// Nothing, or `e-7`, `e+21`.
fn is_power(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b'e', b'-' | b'+', digits @ ..] => {
            !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

fn delta(old: Option<&Bytes>, new: &Bytes) -> Delta {
    let zero = Bytes::from_static(b"0");
    let old = old.unwrap_or(&zero);
    grown(old, new).map_or_else(|| Delta::Now(Json::String(text(new))), Delta::Grown)
}

/// By how much a number grew; `None` when one is no number.
fn grown(old: &[u8], new: &[u8]) -> Option<Number> {
    if !is_number(old) || !is_number(new) {
        return None;
    }
    if let (Some(old), Some(new)) = (integer(old), integer(new)) {
        return new.checked_sub(old).map(Number::from);
    }
    let minus = match old {
        [b'-', rest @ ..] => rest.to_vec(),
        rest => [b"-", rest].concat(),
    };
    let difference: f64 = add_floats(new, &minus)?.ok()?.parse().ok()?;
    let rounded = format!("{difference:.12}");
    let rounded = rounded.trim_end_matches('0').trim_end_matches('.');
    serde_json::from_str(if rounded == "-0" { "0" } else { rounded }).ok()
}

fn score_json(score: f64) -> Json {
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
    if score.fract() == 0.0 && score.abs() < 9e15 {
        return Json::from(score as i64);
    }
    Number::from_f64(score).map_or_else(|| Json::String(score.to_string()), Json::Number)
}
