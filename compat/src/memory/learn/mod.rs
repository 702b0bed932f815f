//! What the legacy service's own replies say about the database as it found it.
//!
//! Only what was true before the trace's own writes counts: the first read of a field, and what the
//! reply to an increment or insertion says about the moment before. The rest:
//!
//! - A field, member or whole string, list or stream that the trace wrote without ever reading is taken
//!   as absent: the real database already contains the trace's own write, so it cannot be asked. Both
//!   services start from the same base, so their changes stay comparable. The same holds for keys given
//!   to scripts.
//! - Other fields and members of a hash or set that was written blindly fall through to the next layer,
//!   unless [`Learner::absent_if_written_blind`] says otherwise.
//! - A key deleted unread did exist, nobody knows with what: it becomes an empty string.
//! - A script that returns the size of a sorted set tells how many other members there were;
//!   they become nameless members that never end.

mod known;
mod reads;
mod writes;

use std::collections::HashMap;

use bytes::Bytes;

use self::known::Known;
use super::{
    base::{Loaded, MapBase},
    script::operands,
    value::{Value, Zset},
};
use crate::store::Reply;

/// Gathers facts from commands and their replies, in the order in which they were sent.
#[derive(Debug, Default)]
pub struct Learner {
    keys: HashMap<Bytes, Known>,
    /// Commands since `MULTI`; their replies come with `EXEC`.
    queue: Option<Vec<Vec<Bytes>>>,
    absent_if_blind: bool,
}

impl Learner {
    /// Takes all parts of a hash or set that the trace wrote blindly as absent, if nothing is known of
    /// them, instead of asking the next layer.
    #[must_use]
    pub fn absent_if_written_blind(mut self) -> Self {
        self.absent_if_blind = true;
        self
    }

    /// Learns from one command and its reply.
    pub fn learn(&mut self, args: &[Vec<u8>], reply: &Reply) {
        let args: Vec<Bytes> = args.iter().map(|word| Bytes::copy_from_slice(word)).collect();
        let Some(name) = args.first().map(|name| name.to_ascii_uppercase()) else { return };
        match (name.as_slice(), &mut self.queue, reply) {
            (b"MULTI", _, _) => self.queue = Some(Vec::new()),
            (b"DISCARD", _, _) => self.queue = None,
            (b"EXEC", queue, reply) => {
                let queued = queue.take().unwrap_or_default();
                if let Reply::Array(replies) = reply {
                    for (args, reply) in queued.iter().zip(replies) {
                        self.note(args, reply);
                    }
                }
            }
            (_, Some(queue), Reply::Data(_)) => queue.push(args),
            _ => self.note(&args, reply),
        }
    }

    /// What was learned, as a base; keys not mentioned are unknown to it.
    pub fn into_base(self) -> MapBase {
        let absent = self.absent_if_blind;
        self.keys.into_iter().map(|(key, known)| (key, known.into_loaded(absent))).collect()
    }

    fn note(&mut self, args: &[Bytes], reply: &Reply) {
        if matches!(reply, Reply::Error(_)) || args.len() < 2 {
            return;
        }
        let name = args[0].to_ascii_uppercase();
        if matches!(name.as_slice(), b"EVAL" | b"EVALSHA") {
            self.note_script(args, reply);
        } else if !self.note_read(&name, args, reply) {
            self.note_write(&name, args, reply);
        }
    }

    fn key(&mut self, key: &Bytes) -> &mut Known {
        self.keys.entry(key.clone()).or_default()
    }

    fn note_script(&mut self, args: &[Bytes], reply: &Reply) {
        if args.len() < 3 {
            return;
        }
        let Ok((keys, _)) = operands(args) else { return };
        let source = String::from_utf8_lossy(&args[1]).to_ascii_uppercase();
        let counts = source.contains("ZCARD") || source.contains("ZCOUNT");
        // What the script itself added is in its count.
        let own = i64::from(source.contains("ZADD"));
        for key in keys {
            let known = self.key(key);
            if counts
                && keys.len() == 1
                && let Reply::Int(count @ 0..) = reply
            {
                known.whole(others((*count - own).max(0)));
            }
            known.close();
        }
    }
}

/// So many members that no purge of past scores removes. Bounded: a count above that admits nobody.
fn others(count: i64) -> Loaded {
    let mut zset = Zset::default();
    for at in 0..count.min(10_000) {
        zset.insert(Bytes::from(format!("unknown:{at}")), f64::INFINITY);
    }
    if zset.is_empty() {
        return Loaded::Absent;
    }
    Loaded::Value { value: Value::Zset(zset), ttl_ms: None }
}
