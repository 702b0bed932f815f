//! Facts from writes: what the reply says about the moment before.

use bytes::Bytes;

use super::{
    Learner,
    reads::{data, is},
};
use crate::{
    memory::{
        base::Loaded,
        number::{add_floats, double, integer},
        value::Value,
    },
    store::Reply,
};

fn string(text: Bytes) -> Loaded {
    Loaded::Value { value: Value::String(text), ttl_ms: None }
}

impl Learner {
    pub(super) fn note_write(&mut self, name: &[u8], args: &[Bytes], reply: &Reply) {
        let key = &args[1];
        match name {
            b"SET" | b"SETNX" => self.note_set(name, args, reply),
            b"GETSET" | b"GETDEL" => {
                let known = self.key(key);
                known.whole(data(reply).map_or(Loaded::Absent, string));
                known.close();
            }
            b"MSET" => args[1..].iter().step_by(2).for_each(|key| self.key(key).close()),
            b"DEL" | b"UNLINK" => self.note_del(&args[1..], reply),
            b"EXPIRE" | b"PEXPIRE" | b"EXPIREAT" | b"PEXPIREAT" => {
                if *reply == Reply::Int(0) && args.len() == 3 {
                    self.key(key).whole(Loaded::Absent);
                }
            }
            b"INCR" | b"DECR" | b"INCRBY" | b"DECRBY" | b"INCRBYFLOAT" => {
                let by = args.get(2).cloned().unwrap_or_else(|| Bytes::from_static(b"1"));
                let by = if name.starts_with(b"DECR") { minus(&by) } else { by };
                let known = self.key(key);
                if known.untouched() {
                    known.whole(before(reply, &by).map_or(Loaded::Absent, string));
                }
                known.close();
            }
            b"LPUSH" | b"RPUSH" | b"XADD" | b"SETEX" | b"PSETEX" => self.key(key).close(),
            b"RENAME" => args[1..].iter().take(2).for_each(|key| self.key(key).close()),
            _ if name.starts_with(b"H") => self.note_hash_write(name, args, reply),
            _ if name.starts_with(b"S") => self.note_set_write(name, args, reply),
            _ if name.starts_with(b"Z") => self.note_zset_write(name, args, reply),
            _ => self.key(key).close(),
        }
    }

    fn note_set(&mut self, name: &[u8], args: &[Bytes], reply: &Reply) {
        let option = |wanted| args.iter().skip(3).any(|word| is(word, wanted));
        let known = self.key(&args[1]);
        let done = if name == b"SET" { *reply != Reply::Nil } else { *reply == Reply::Int(1) };
        if option("GET") {
            known.whole(data(reply).map_or(Loaded::Absent, string));
        } else if !done {
            // Refused, so nothing was written. Whoever holds the key of NX holds some value.
            if name == b"SETNX" || option("NX") {
                known.whole(string(Bytes::new()));
            } else {
                known.whole(Loaded::Absent);
            }
            return;
        } else if name == b"SETNX" || option("NX") {
            known.whole(Loaded::Absent);
        }
        known.close();
    }

    fn note_del(&mut self, keys: &[Bytes], reply: &Reply) {
        let all = i64::try_from(keys.len()).is_ok_and(|count| *reply == Reply::Int(count));
        for key in keys {
            let known = self.key(key);
            match reply {
                Reply::Int(0) => known.whole(Loaded::Absent),
                _ if all => known.whole(string(Bytes::new())),
                _ => {}
            }
            known.close();
        }
    }

    fn note_hash_write(&mut self, name: &[u8], args: &[Bytes], reply: &Reply) {
        let known = self.key(&args[1]);
        match (name, args) {
            (b"HINCRBY" | b"HINCRBYFLOAT", [_, _, field, by]) => {
                known.field(field, before(reply, by));
            }
            (b"HSETNX", [_, _, field, _]) => {
                let held = *reply == Reply::Int(0);
                known.field(field, held.then(Bytes::new));
            }
            (b"HDEL", [_, _, fields @ ..]) => {
                for field in fields {
                    let held = fields.len() == 1 && *reply == Reply::Int(1);
                    known.field(field, held.then(Bytes::new));
                }
            }
            (b"HSET" | b"HMSET", [_, _, pairs @ ..]) => {
                pairs.iter().step_by(2).for_each(|field| known.field(field, None));
            }
            _ => {}
        }
        known.written();
    }

    fn note_set_write(&mut self, name: &[u8], args: &[Bytes], reply: &Reply) {
        let known = self.key(&args[1]);
        match (name, args) {
            (b"SADD" | b"SREM", [_, _, members @ ..]) => {
                let counted = matches!(reply, Reply::Int(count) if usize::try_from(*count).ok() == Some(members.len()));
                // Partly is not told apart: such members are taken as absent.
                let were = if name == b"SADD" { *reply == Reply::Int(0) } else { counted };
                members.iter().for_each(|member| known.member(member, were));
                known.written();
            }
            _ => known.close(),
        }
    }

    fn note_zset_write(&mut self, name: &[u8], args: &[Bytes], reply: &Reply) {
        let known = self.key(&args[1]);
        match (name, args) {
            (b"ZADD", [_, _, pairs @ ..]) => {
                let options = pairs.iter().take_while(|word| double(word).is_none()).count();
                let members = pairs[options..].iter().skip(1).step_by(2);
                members.for_each(|member| known.score(member, None));
            }
            (b"ZINCRBY", [_, _, by, member]) => {
                let score = before(reply, by).and_then(|score| double(&score));
                known.score(member, score);
            }
            (b"ZREM", [_, _, members @ ..]) => {
                for member in members {
                    let held = members.len() == 1 && *reply == Reply::Int(1);
                    known.score(member, held.then_some(0.0));
                }
            }
            _ => {}
        }
        known.written();
    }
}

fn minus(text: &Bytes) -> Bytes {
    match text.strip_prefix(b"-") {
        Some(rest) => text.slice_ref(rest),
        None => Bytes::from([b"-", &text[..]].concat()),
    }
}

/// The number before an increment; `None` for what was most likely not there.
fn before(reply: &Reply, by: &Bytes) -> Option<Bytes> {
    match reply {
        Reply::Int(after) => {
            let before = after.checked_sub(integer(by)?)?;
            (before != 0).then(|| Bytes::from(before.to_string()))
        }
        Reply::Data(after) => {
            let before = add_floats(after, &minus(by))?.ok()?;
            (before.trim_start_matches('-') != "0").then(|| Bytes::from(before))
        }
        _ => None,
    }
}
