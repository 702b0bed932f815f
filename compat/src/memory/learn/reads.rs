//! Facts from reads.

use bytes::Bytes;

use super::Learner;
use crate::{
    memory::{
        base::{Loaded, parse},
        number::double,
    },
    store::Reply,
};

impl Learner {
    /// Whether the command was a read.
    pub(super) fn note_read(&mut self, name: &[u8], args: &[Bytes], reply: &Reply) -> bool {
        let key = &args[1];
        match name {
            b"GET" => self.note_whole(key, "string", reply),
            b"MGET" => {
                if let Reply::Array(replies) = reply {
                    for (key, reply) in args[1..].iter().zip(replies) {
                        // Another type gives no value either, but nobody asks so.
                        self.note_whole(key, "string", reply);
                    }
                }
            }
            b"HGETALL" => self.note_hash(key, reply),
            b"SMEMBERS" => self.note_whole(key, "set", reply),
            b"LRANGE" if is_all(args) || was_all(args, reply) => {
                self.note_whole(key, "list", reply);
            }
            b"ZRANGE" if is_all(args) && args.len() == 5 && is(&args[4], "WITHSCORES") => {
                self.note_whole(key, "zset", reply);
            }
            b"HGET" => {
                let value = data(reply);
                if let Some(field) = args.get(2) {
                    self.key(key).field(field, value);
                }
            }
            b"HMGET" => {
                if let Reply::Array(replies) = reply {
                    for (field, reply) in args[2..].iter().zip(replies) {
                        self.key(key).field(field, data(reply));
                    }
                }
            }
            b"HEXISTS" | b"SISMEMBER" | b"ZSCORE" => self.note_member(name, args, reply),
            b"TTL" | b"PTTL" => self.note_life(key, reply, if name == b"TTL" { 1000 } else { 1 }),
            b"EXISTS" | b"HLEN" | b"SCARD" | b"ZCARD" | b"LLEN" | b"STRLEN" | b"XLEN" => {
                if *reply == Reply::Int(0) {
                    // Of several keys, none exists.
                    for key in &args[1..] {
                        self.key(key).whole(Loaded::Absent);
                    }
                }
            }
            b"TYPE" => {
                if *reply == Reply::Data(Bytes::from_static(b"none")) {
                    self.key(key).whole(Loaded::Absent);
                }
            }
            _ if is_other_read(name) => {}
            _ => return false,
        }
        true
    }

    fn note_whole(&mut self, key: &Bytes, kind: &str, reply: &Reply) {
        let known = self.key(key);
        if known.untouched()
            && let Ok(value) = parse(kind, reply.clone())
        {
            let value = value.filter(|value| !value.is_empty());
            known
                .whole(value.map_or(Loaded::Absent, |value| Loaded::Value { value, ttl_ms: None }));
        }
    }

    /// Fields that the trace did not write are as they were.
    fn note_hash(&mut self, key: &Bytes, reply: &Reply) {
        self.note_whole(key, "hash", reply);
        let known = self.key(key);
        if !known.is_closed()
            && let Reply::Array(items) = reply
        {
            for pair in items.chunks_exact(2) {
                if let Some(field) = data(&pair[0]) {
                    known.field(&field, data(&pair[1]));
                }
            }
        }
    }

    fn note_member(&mut self, name: &[u8], args: &[Bytes], reply: &Reply) {
        let Some(member) = args.get(2) else { return };
        let known = self.key(&args[1]);
        match (name, reply) {
            // That it is there does not say with what value.
            (b"HEXISTS", Reply::Int(0)) => known.field(member, None),
            (b"SISMEMBER", Reply::Int(is)) => known.member(member, *is == 1),
            (b"ZSCORE", Reply::Nil) => known.score(member, None),
            (b"ZSCORE", Reply::Data(score)) => {
                if let Some(score) = double(score) {
                    known.score(member, Some(score));
                }
            }
            _ => {}
        }
    }

    fn note_life(&mut self, key: &Bytes, reply: &Reply, unit: i64) {
        let known = self.key(key);
        match reply {
            Reply::Int(-2) => known.whole(Loaded::Absent),
            Reply::Int(-1) => known.ttl(None),
            Reply::Int(left @ 0..) => {
                known.ttl(Some(left.saturating_mul(unit)));
                // That it is there says all; it may have ended since.
                if key.starts_with(COOL_DOWN) {
                    known.exists();
                }
            }
            _ => {}
        }
    }
}

/// Begins the marks of accounts that rest.
const COOL_DOWN: &[u8] = b"temp_unavailable:";

pub(super) fn data(reply: &Reply) -> Option<Bytes> {
    if let Reply::Data(data) = reply { Some(data.clone()) } else { None }
}

pub(super) fn is(word: &[u8], other: &str) -> bool {
    word.eq_ignore_ascii_case(other.as_bytes())
}

fn is_all(args: &[Bytes]) -> bool {
    matches!(args, [_, _, start, stop, ..] if start.as_ref() == b"0" && stop.as_ref() == b"-1")
}

/// Whether a range from the start gave less than was asked for, and so the whole list.
fn was_all(args: &[Bytes], reply: &Reply) -> bool {
    let ([_, _, start, stop], Reply::Array(items)) = (args, reply) else { return false };
    let stop = std::str::from_utf8(stop).ok().and_then(|stop| stop.parse::<usize>().ok());
    start.as_ref() == b"0" && stop.is_some_and(|stop| items.len() <= stop)
}

/// Reads that say too little to be learned from.
fn is_other_read(name: &[u8]) -> bool {
    crate::memory::cmd::Command::find(name).is_some_and(|command| !command.writes)
}
