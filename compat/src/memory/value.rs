//! What a key can hold.
//!
//! Hashes and sets keep the order in which members came, as Redis does while they are small; sets of
//! integers are sorted, also as there.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use indexmap::{IndexMap, IndexSet};

/// Fields and values.
pub type Hash = IndexMap<Bytes, Bytes>;
/// Members.
pub type Set = IndexSet<Bytes>;
/// Items from the head.
pub type List = VecDeque<Bytes>;

/// A whole value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// String.
    String(Bytes),
    /// Hash.
    Hash(Hash),
    /// Set.
    Set(Set),
    /// Sorted set.
    Zset(Zset),
    /// List.
    List(List),
    /// Stream.
    Stream(Stream),
}

impl Value {
    /// The word `TYPE` says.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::Hash(_) => "hash",
            Self::Set(_) => "set",
            Self::Zset(_) => "zset",
            Self::List(_) => "list",
            Self::Stream(_) => "stream",
        }
    }

    /// No member left: such a key does not exist.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::String(_) | Self::Stream(_) => false,
            Self::Hash(hash) => hash.is_empty(),
            Self::Set(set) => set.is_empty(),
            Self::Zset(zset) => zset.is_empty(),
            Self::List(list) => list.is_empty(),
        }
    }
}

/// One kind of value inside [`Value`].
pub(super) trait Kind: Clone + Default {
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn wrap(self) -> Value;
}

macro_rules! kinds {
    ($($kind:ty => $variant:ident),*) => {$(
        impl Kind for $kind {
            fn of(value: &Value) -> Option<&Self> {
                if let Value::$variant(inner) = value { Some(inner) } else { None }
            }

            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                if let Value::$variant(inner) = value { Some(inner) } else { None }
            }

            fn wrap(self) -> Value {
                Value::$variant(self)
            }
        }
    )*};
}
kinds!(Bytes => String, Hash => Hash, Set => Set, Zset => Zset, List => List, Stream => Stream);

/// When a key ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expiry {
    /// Epoch ms.
    pub(super) at: i64,
    /// Lifetime in ms as it was asked for in this run; `None` when it came with the base.
    pub(super) asked: Option<i64>,
}

/// A key's value and end.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) value: Arc<Value>,
    pub(super) expiry: Option<Expiry>,
}

/// A score that can be ordered; never NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Score(pub(super) f64);

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        // Zero and minus zero are one score.
        self.0.partial_cmp(&other.0).unwrap_or(Ordering::Equal)
    }
}

/// Members by score, then by bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Zset {
    scores: HashMap<Bytes, f64>,
    order: BTreeSet<(Score, Bytes)>,
}

impl Zset {
    /// Sets a member's score and gives the one it had.
    pub fn insert(&mut self, member: Bytes, score: f64) -> Option<f64> {
        let before = self.scores.insert(member.clone(), score);
        if let Some(before) = before {
            self.order.remove(&(Score(before), member.clone()));
        }
        self.order.insert((Score(score), member));
        before
    }

    /// Drops a member and gives its score.
    pub fn remove(&mut self, member: &Bytes) -> Option<f64> {
        let score = self.scores.remove(member)?;
        self.order.remove(&(Score(score), member.clone()));
        Some(score)
    }

    /// A member's score.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.scores.get(member).copied()
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// Members in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Bytes, f64)> {
        self.order.iter().map(|(score, member)| (member, score.0))
    }
}

/// Entries by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stream {
    /// Older entries of which only the number is known.
    pub unread: usize,
    /// Entries from the oldest: id and fields in pairs.
    pub entries: VecDeque<((u64, u64), Vec<Bytes>)>,
    /// The highest id ever.
    pub last: (u64, u64),
}
