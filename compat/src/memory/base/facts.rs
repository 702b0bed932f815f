//! Partial knowledge about one key.

use bytes::Bytes;
use indexmap::IndexMap;

use super::Loaded;
use crate::memory::value::{Hash, Set, Value, Zset};

/// Fields, members and scores known without knowing the whole value. `None` and `false` stand for
/// "known not to be there".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Fields of a hash.
    pub fields: IndexMap<Bytes, Option<Bytes>>,
    /// Members of a set.
    pub members: IndexMap<Bytes, bool>,
    /// Scores of a sorted set.
    pub scores: IndexMap<Bytes, Option<f64>>,
    /// Lifetime in ms when known: `Some(None)` is without end.
    pub ttl_ms: Option<Option<i64>>,
    /// It was there, whatever it held.
    pub exists: bool,
}

impl Facts {
    /// Lays the facts over what another source says. A source that knows nothing leaves them partial.
    pub fn over(self, below: Loaded) -> Loaded {
        match below {
            Loaded::Unknown => Loaded::Partial(self),
            Loaded::Partial(mut facts) => {
                facts.fields.extend(self.fields);
                facts.members.extend(self.members);
                facts.scores.extend(self.scores);
                facts.ttl_ms = self.ttl_ms.or(facts.ttl_ms);
                facts.exists |= self.exists;
                Loaded::Partial(facts)
            }
            Loaded::Absent => self.patch(None, None),
            Loaded::Value { value, ttl_ms } => self.patch(Some(value), ttl_ms),
        }
    }

    /// The facts alone, the rest taken as absent.
    pub fn alone(self) -> Loaded {
        self.patch(None, None)
    }

    fn patch(self, value: Option<Value>, ttl_ms: Option<i64>) -> Loaded {
        let ttl_ms = self.ttl_ms.unwrap_or(ttl_ms);
        let value = match value {
            Some(Value::Hash(hash)) => Some(Value::Hash(patch_hash(hash, self.fields))),
            Some(Value::Set(set)) => Some(Value::Set(patch_set(set, self.members))),
            Some(Value::Zset(zset)) => Some(Value::Zset(patch_zset(zset, self.scores))),
            Some(other) => Some(other),
            None if self.fields.values().any(Option::is_some) => {
                Some(Value::Hash(patch_hash(Hash::new(), self.fields)))
            }
            None if self.members.values().any(|is| *is) => {
                Some(Value::Set(patch_set(Set::new(), self.members)))
            }
            None if self.scores.values().any(Option::is_some) => {
                Some(Value::Zset(patch_zset(Zset::default(), self.scores)))
            }
            None if self.exists => Some(Value::String(Bytes::new())),
            None => None,
        };
        match value {
            Some(value) if !value.is_empty() => Loaded::Value { value, ttl_ms },
            _ => Loaded::Absent,
        }
    }
}

fn patch_hash(mut hash: Hash, facts: IndexMap<Bytes, Option<Bytes>>) -> Hash {
    for (field, value) in facts {
        match value {
            Some(value) => drop(hash.insert(field, value)),
            None => drop(hash.shift_remove(&field)),
        }
    }
    hash
}

fn patch_set(mut set: Set, facts: IndexMap<Bytes, bool>) -> Set {
    for (member, is) in facts {
        if is {
            set.insert(member);
        } else {
            set.shift_remove(&member);
        }
    }
    set
}

fn patch_zset(mut zset: Zset, facts: IndexMap<Bytes, Option<f64>>) -> Zset {
    for (member, score) in facts {
        match score {
            Some(score) => zset.insert(member, score),
            None => zset.remove(&member),
        };
    }
    zset
}
