//! Hashes.

use bytes::Bytes;

use super::{Command, Keys};
use crate::memory::{
    keyspace::Keyspace,
    number::{add_floats, double, int_arg, integer, moment},
    resp::{Answer, Fail, Resp},
    value::Hash,
};

pub(super) const COMMANDS: &[Command] = &[
    Command::read("hget", 3, Keys::First, hget),
    Command::read("hmget", -3, Keys::First, hmget),
    Command::read("hgetall", 2, Keys::First, hgetall),
    Command::read("hexists", 3, Keys::First, hexists),
    Command::read("hkeys", 2, Keys::First, hkeys),
    Command::read("hvals", 2, Keys::First, hvals),
    Command::read("hlen", 2, Keys::First, hlen),
    Command::read("hstrlen", 3, Keys::First, hstrlen),
    Command::write("hset", -4, Keys::First, hset),
    Command::write("hmset", -4, Keys::First, hmset),
    Command::write("hsetnx", 4, Keys::First, hsetnx),
    Command::write("hdel", -3, Keys::First, hdel),
    Command::write("hincrby", 4, Keys::First, hincrby),
    Command::write("hincrbyfloat", 4, Keys::First, hincrbyfloat),
];

fn field(keys: &mut Keyspace, key: &Bytes, field: &Bytes) -> Result<Option<Bytes>, Fail> {
    Ok(keys.get::<Hash>(key)?.and_then(|hash| hash.get(field).cloned()))
}

fn hget(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(field(keys, &args[1], &args[2])?.into())
}

fn hmget(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let hash = keys.get::<Hash>(&args[1])?;
    let value = |field| hash.and_then(|hash| hash.get(field).cloned()).into();
    Ok(Resp::Array(args[2..].iter().map(value).collect()))
}

fn hgetall(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let hash = keys.get::<Hash>(&args[1])?;
    let pairs = hash.into_iter().flatten();
    Ok(Resp::data(pairs.flat_map(|(field, value)| [field.clone(), value.clone()])))
}

fn hexists(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(Resp::flag(field(keys, &args[1], &args[2])?.is_some()))
}

fn hkeys(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(Resp::data(keys.get::<Hash>(&args[1])?.into_iter().flat_map(Hash::keys).cloned()))
}

fn hvals(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(Resp::data(keys.get::<Hash>(&args[1])?.into_iter().flat_map(Hash::values).cloned()))
}

fn hlen(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(Resp::len(keys.get::<Hash>(&args[1])?.map_or(0, Hash::len)))
}

fn hstrlen(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(Resp::len(field(keys, &args[1], &args[2])?.map_or(0, |value| value.len())))
}

fn put(keys: &mut Keyspace, args: &[Bytes], name: &str) -> Result<usize, Fail> {
    if !args.len().is_multiple_of(2) {
        return Err(Fail::arity(name));
    }
    for pair in args[2..].chunks_exact(2) {
        if let Some(moment) = moment(&pair[1]) {
            keys.touch(&args[1], &pair[0], moment);
        }
    }
    keys.edit(&args[1], |hash: &mut Hash| {
        let pairs = args[2..].chunks_exact(2);
        Ok(pairs.filter(|pair| hash.insert(pair[0].clone(), pair[1].clone()).is_none()).count())
    })
}

fn hset(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(Resp::len(put(keys, args, "hset")?))
}

fn hmset(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    put(keys, args, "hmset")?;
    Ok(Resp::ok())
}

fn hsetnx(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    if field(keys, &args[1], &args[2])?.is_some() {
        return Ok(Resp::Int(0));
    }
    put(keys, args, "hsetnx").map(Resp::len)
}

fn hdel(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let removed = keys.edit_existing(&args[1], |hash: &mut Hash| {
        Ok(args[2..].iter().filter(|field| hash.shift_remove(*field).is_some()).count())
    })?;
    Ok(Resp::len(removed.unwrap_or(0)))
}

fn hincrby(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let by = int_arg(&args[3])?;
    let old = match field(keys, &args[1], &args[2])? {
        Some(text) => {
            integer(&text).ok_or_else(|| Fail::from("ERR hash value is not an integer"))?
        }
        None => 0,
    };
    let new = old
        .checked_add(by)
        .ok_or_else(|| Fail::from("ERR increment or decrement would overflow"))?;
    keys.edit(&args[1], |hash: &mut Hash| {
        hash.insert(args[2].clone(), Bytes::from(new.to_string()));
        Ok(Resp::Int(new))
    })
}

fn hincrbyfloat(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    if !double(&args[3]).ok_or_else(Fail::not_a_float)?.is_finite() {
        return Err("ERR value is NaN or Infinity".into());
    }
    let old = field(keys, &args[1], &args[2])?.unwrap_or_else(|| Bytes::from_static(b"0"));
    let not_a_float = || Fail::from("ERR hash value is not a float");
    let new = Bytes::from(add_floats(&old, &args[3]).ok_or_else(not_a_float)??);
    keys.edit(&args[1], |hash: &mut Hash| {
        hash.insert(args[2].clone(), new.clone());
        Ok(Resp::Data(new))
    })
}
