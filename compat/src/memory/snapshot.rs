//! The base of a run as data, so that it can be run again elsewhere.
//!
//! A list of keys with what they held when the run first named them. Bytes that are not UTF-8 are
//! replaced, and streams are left out: no run reads them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    Loaded, MapBase, Memory,
    value::{Hash, Set, Value, Zset},
};

/// What a run found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Snapshot(Vec<Held>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Held {
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<i64>,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    Absent(bool),
    String(String),
    Hash(Vec<(String, String)>),
    Set(Vec<String>),
    Zset(Vec<(String, f64)>),
    List(Vec<String>),
}

impl Memory {
    /// What the run found. Of the hash at `of_hash` only the fields that `keep` accepts: an index of all
    /// records is not what a run stands on.
    pub fn snapshot(&self, of_hash: &str, keep: impl Fn(&str, &str) -> bool) -> Snapshot {
        let engine = self.engine.lock();
        let mut held: Vec<Held> = engine
            .keys
            .slots()
            .map(|(key, slot)| {
                let key = text(key);
                let entry = slot.base.as_ref();
                let mut what = entry.map_or(What::Absent(true), |entry| what(&entry.value));
                if let What::Hash(fields) = &mut what
                    && key == of_hash
                {
                    fields.retain(|(field, value)| keep(field, value));
                }
                let end = entry.and_then(|entry| entry.expiry.as_ref());
                Held { key, ttl_ms: end.map(|end| end.at - self.start), what }
            })
            .collect();
        held.sort_by(|a, b| a.key.cmp(&b.key));
        Snapshot(held)
    }
}

impl Snapshot {
    /// The same, to run on.
    pub fn into_base(self) -> MapBase {
        self.0
            .into_iter()
            .map(|held| (Bytes::from(held.key), loaded(held.what, held.ttl_ms)))
            .collect()
    }
}

fn what(value: &Value) -> What {
    match value {
        Value::String(data) => What::String(text(data)),
        Value::Hash(hash) => What::Hash(hash.iter().map(|(f, v)| (text(f), text(v))).collect()),
        Value::Set(set) => What::Set(set.iter().map(text).collect()),
        Value::Zset(zset) => What::Zset(zset.iter().map(|(m, score)| (text(m), score)).collect()),
        Value::List(list) => What::List(list.iter().map(text).collect()),
        Value::Stream(_) => What::Absent(true),
    }
}

fn loaded(what: What, ttl_ms: Option<i64>) -> Loaded {
    let bytes = |text: String| Bytes::from(text);
    let value = match what {
        What::Absent(_) => return Loaded::Absent,
        What::String(data) => Value::String(bytes(data)),
        What::Hash(fields) => {
            Value::Hash(fields.into_iter().map(|(f, v)| (bytes(f), bytes(v))).collect::<Hash>())
        }
        What::Set(members) => Value::Set(members.into_iter().map(bytes).collect::<Set>()),
        What::Zset(members) => {
            let mut zset = Zset::default();
            for (member, score) in members {
                zset.insert(bytes(member), score);
            }
            Value::Zset(zset)
        }
        What::List(items) => Value::List(items.into_iter().map(bytes).collect()),
    };
    Loaded::Value { value, ttl_ms }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{clock::Clock, memory::EmptyBase, store::Reply};

    async fn play(memory: &Memory, line: &str) -> Reply {
        let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        memory.command(&words).await.unwrap()
    }

    #[tokio::test]
    async fn a_run_on_a_snapshot_reads_what_the_first_one_read() {
        let clock = Clock::manual(1_000);
        let seed = Memory::new(Arc::new(EmptyBase), clock.clone());
        let fill =
            ["SET s v PX 5000", "HSET h a 1 b 2", "SADD set x y", "ZADD z 1.5 m", "RPUSH l 1 2"];
        for line in fill {
            play(&seed, line).await;
        }
        let reads = [
            "GET s",
            "PTTL s",
            "HGETALL h",
            "SMEMBERS set",
            "ZRANGE z 0 -1 WITHSCORES",
            "LRANGE l 0 -1",
            "EXISTS none",
        ];
        let mut base = MapBase::default();
        for key in ["s", "h", "set", "z", "l"] {
            let slot = seed
                .engine
                .lock()
                .keys
                .slots()
                .find(|(k, _)| **k == key)
                .map(|(_, slot)| slot.clone());
            let now = slot.unwrap().now.unwrap();
            let ttl_ms = now.expiry.as_ref().map(|end| end.at - 1_000);
            base.insert(key, Loaded::Value { value: (*now.value).clone(), ttl_ms });
        }
        let first = Memory::new(Arc::new(base), clock.clone());
        let mut seen = Vec::new();
        for line in reads {
            seen.push(play(&first, line).await);
        }
        play(&first, "HSET h a 9").await;
        let written = serde_json::to_string(&first.snapshot("h", |field, _| field == "a")).unwrap();
        let again: Snapshot = serde_json::from_str(&written).unwrap();
        let second = Memory::new(Arc::new(again.into_base()), clock);
        for (line, seen) in reads.iter().zip(&seen) {
            if *line != "HGETALL h" {
                assert_eq!(play(&second, line).await, *seen, "{line}");
            }
        }
        let fields = play(&second, "HGETALL h").await.texts().unwrap();
        assert_eq!(fields, ["a", "1"]);
    }
}
