//! Strings.

use bytes::{Bytes, BytesMut};

use super::{Command, Keys, expire};
use crate::memory::{
    keyspace::Keyspace,
    number::{add_floats, double, int_arg, integer},
    resp::{Answer, Fail, Resp},
    value::Value,
};

pub(super) const COMMANDS: &[Command] = &[
    Command::read("get", 2, Keys::First, get),
    Command::read("mget", -2, Keys::All, mget),
    Command::read("strlen", 2, Keys::First, strlen),
    Command::read("getrange", 4, Keys::First, getrange),
    Command::write("set", -3, Keys::First, set),
    Command::write("setex", 4, Keys::First, setex),
    Command::write("psetex", 4, Keys::First, psetex),
    Command::write("setnx", 3, Keys::First, setnx),
    Command::write("mset", -3, Keys::Pairs, mset),
    Command::write("getset", 3, Keys::First, getset),
    Command::write("getdel", 2, Keys::First, getdel),
    Command::write("getex", -2, Keys::First, getex),
    Command::write("append", 3, Keys::First, append),
    Command::write("incr", 2, Keys::First, |keys, args| add(keys, &args[1], 1)),
    Command::write("decr", 2, Keys::First, |keys, args| add(keys, &args[1], -1)),
    Command::write("incrby", 3, Keys::First, |keys, args| add(keys, &args[1], int_arg(&args[2])?)),
    Command::write("decrby", 3, Keys::First, decrby),
    Command::write("incrbyfloat", 3, Keys::First, incrbyfloat),
];

fn value(keys: &mut Keyspace, key: &Bytes) -> Result<Option<Bytes>, Fail> {
    Ok(keys.get::<Bytes>(key)?.cloned())
}

fn get(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(value(keys, &args[1])?.into())
}

fn mget(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    // Another type counts as no value here.
    Ok(Resp::Array(args[1..].iter().map(|key| value(keys, key).unwrap_or(None).into()).collect()))
}

fn strlen(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(Resp::len(keys.get::<Bytes>(&args[1])?.map_or(0, Bytes::len)))
}

fn getrange(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let (start, stop) = (int_arg(&args[2])?, int_arg(&args[3])?);
    let text = value(keys, &args[1])?.unwrap_or_default();
    if start < 0 && stop < 0 && start > stop {
        return Ok(Resp::text(""));
    }
    // Unlike elsewhere, an end before the beginning is the beginning.
    let len = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let stop = if stop < 0 { (stop + len).max(0) } else { stop };
    Ok(Resp::Data(
        super::span(start, stop, text.len()).map_or_else(Bytes::new, |span| text.slice(span)),
    ))
}

fn set(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let key = &args[1];
    let (mut only_new, mut only_old, mut get, mut keep, mut expiry) =
        (false, false, false, false, None);
    let mut rest = args[3..].iter();
    while let Some(option) = rest.next() {
        match option.to_ascii_uppercase().as_slice() {
            b"NX" if !only_old => only_new = true,
            b"XX" if !only_new => only_old = true,
            b"GET" => get = true,
            b"KEEPTTL" if expiry.is_none() => keep = true,
            unit @ (b"EX" | b"PX" | b"EXAT" | b"PXAT") if expiry.is_none() && !keep => {
                let time = rest.next().ok_or_else(Fail::syntax)?;
                expiry = Some((unit.to_vec(), time));
            }
            _ => return Err(Fail::syntax()),
        }
    }
    let expiry = match expiry {
        Some((unit, time)) => Some(expire::positive(keys, &unit, time, "set")?),
        None => None,
    };
    let before = if get { value(keys, key)? } else { None };
    let exists = keys.exists(key);
    let done = !(only_new && exists || only_old && !exists);
    if done {
        let kept = if keep { keys.entry(key).and_then(|entry| entry.expiry) } else { None };
        keys.put(key, Value::String(args[2].clone()), expiry.or(kept));
    }
    Ok(match (get, done) {
        (true, _) => before.into(),
        (false, true) => Resp::ok(),
        (false, false) => Resp::Nil,
    })
}

fn setex(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let expiry = expire::positive(keys, b"EX", &args[2], "setex")?;
    keys.put(&args[1], Value::String(args[3].clone()), Some(expiry));
    Ok(Resp::ok())
}

fn psetex(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let expiry = expire::positive(keys, b"PX", &args[2], "psetex")?;
    keys.put(&args[1], Value::String(args[3].clone()), Some(expiry));
    Ok(Resp::ok())
}

fn setnx(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let new = !keys.exists(&args[1]);
    if new {
        keys.put(&args[1], Value::String(args[2].clone()), None);
    }
    Ok(Resp::flag(new))
}

fn mset(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    if args.len().is_multiple_of(2) {
        return Err(Fail::arity("mset"));
    }
    for pair in args[1..].chunks_exact(2) {
        keys.put(&pair[0], Value::String(pair[1].clone()), None);
    }
    Ok(Resp::ok())
}

fn getset(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let before = value(keys, &args[1])?;
    keys.put(&args[1], Value::String(args[2].clone()), None);
    Ok(before.into())
}

fn getdel(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let before = value(keys, &args[1])?;
    if before.is_some() {
        keys.remove(&args[1]);
    }
    Ok(before.into())
}

fn getex(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let expiry = match &args[2..] {
        [] => None,
        [word] if word.eq_ignore_ascii_case(b"PERSIST") => Some(None),
        [unit, time] => {
            let unit = unit.to_ascii_uppercase();
            if !matches!(unit.as_slice(), b"EX" | b"PX" | b"EXAT" | b"PXAT") {
                return Err(Fail::syntax());
            }
            Some(Some(expire::positive(keys, &unit, time, "getex")?))
        }
        _ => return Err(Fail::syntax()),
    };
    let found = value(keys, &args[1])?;
    if let (Some(expiry), true) = (expiry, found.is_some()) {
        expire::assign(keys, &args[1], expiry);
    }
    Ok(found.into())
}

fn append(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    keys.edit(&args[1], |text: &mut Bytes| {
        let mut longer = BytesMut::from(&text[..]);
        longer.extend_from_slice(&args[2]);
        *text = longer.freeze();
        Ok(Resp::len(text.len()))
    })
}

fn decrby(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let by = int_arg(&args[2])?
        .checked_neg()
        .ok_or_else(|| Fail::from("ERR decrement would overflow"))?;
    add(keys, &args[1], by)
}

fn add(keys: &mut Keyspace, key: &Bytes, by: i64) -> Answer {
    let old = match keys.get::<Bytes>(key)? {
        Some(text) => integer(text).ok_or_else(Fail::not_an_integer)?,
        None => 0,
    };
    let new = old
        .checked_add(by)
        .ok_or_else(|| Fail::from("ERR increment or decrement would overflow"))?;
    keys.edit(key, |text: &mut Bytes| {
        *text = Bytes::from(new.to_string());
        Ok(Resp::Int(new))
    })
}

fn incrbyfloat(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let old = value(keys, &args[1])?.unwrap_or_else(|| Bytes::from_static(b"0"));
    if double(&old).is_none() {
        return Err(Fail::not_a_float());
    }
    let new = Bytes::from(add_floats(&old, &args[2]).ok_or_else(Fail::not_a_float)??);
    keys.edit(&args[1], |text: &mut Bytes| {
        *text = new.clone();
        Ok(Resp::Data(new))
    })
}
