//! Lifetimes.

use bytes::Bytes;

use super::{Command, Keys};
use crate::memory::{
    keyspace::Keyspace,
    number::int_arg,
    resp::{Answer, Fail, Resp},
    value::Expiry,
};

pub(super) const COMMANDS: &[Command] = &[
    Command::read("ttl", 2, Keys::First, |keys, args| Ok(Resp::Int(left(keys, &args[1], 1000)))),
    Command::read("pttl", 2, Keys::First, |keys, args| Ok(Resp::Int(left(keys, &args[1], 1)))),
    Command::read("expiretime", 2, Keys::First, |keys, args| Ok(end(keys, &args[1], 1000))),
    Command::read("pexpiretime", 2, Keys::First, |keys, args| Ok(end(keys, &args[1], 1))),
    Command::write("expire", -3, Keys::First, |keys, args| expire(keys, args, 1000, false)),
    Command::write("pexpire", -3, Keys::First, |keys, args| expire(keys, args, 1, false)),
    Command::write("expireat", -3, Keys::First, |keys, args| expire(keys, args, 1000, true)),
    Command::write("pexpireat", -3, Keys::First, |keys, args| expire(keys, args, 1, true)),
    Command::write("persist", 2, Keys::First, persist),
];

fn left(keys: &mut Keyspace, key: &Bytes, unit: i64) -> i64 {
    let now = keys.now();
    match keys.entry(key).map(|entry| entry.expiry) {
        None => -2,
        Some(None) => -1,
        Some(Some(expiry)) => (expiry.at - now + unit / 2) / unit,
    }
}

fn end(keys: &mut Keyspace, key: &Bytes, unit: i64) -> Resp {
    Resp::Int(match keys.entry(key).map(|entry| entry.expiry) {
        None => -2,
        Some(None) => -1,
        Some(Some(expiry)) => (expiry.at + unit / 2) / unit,
    })
}

fn invalid(command: &str) -> Fail {
    Fail(format!("ERR invalid expire time in '{command}' command"))
}

/// An end given by one of `EX PX EXAT PXAT`, which must be positive.
pub(super) fn positive(
    keys: &Keyspace,
    unit: &[u8],
    time: &[u8],
    command: &str,
) -> Result<Expiry, Fail> {
    let time = int_arg(time)?;
    let scale = if unit.starts_with(b"E") { 1000 } else { 1 };
    let base = if unit.ends_with(b"AT") { 0 } else { keys.now() };
    let time = if time > 0 { time.checked_mul(scale) } else { None };
    let at = time.and_then(|time| time.checked_add(base)).ok_or_else(|| invalid(command))?;
    Ok(keys.expiry_at(at))
}

/// Gives an existing key its end; one that has passed deletes the key.
pub(super) fn assign(keys: &mut Keyspace, key: &Bytes, expiry: Option<Expiry>) {
    if expiry.is_some_and(|expiry| expiry.at <= keys.now()) {
        keys.remove(key);
    } else {
        keys.set_expiry(key, expiry);
    }
}

fn expire(keys: &mut Keyspace, args: &[Bytes], unit: i64, absolute: bool) -> Answer {
    let name = String::from_utf8_lossy(&args[0]).to_ascii_lowercase();
    let (mut fresh, mut again, mut later, mut sooner) = (false, false, false, false);
    let time = int_arg(&args[2])?;
    for option in &args[3..] {
        match option.to_ascii_uppercase().as_slice() {
            b"NX" => fresh = true,
            b"XX" => again = true,
            b"GT" => later = true,
            b"LT" => sooner = true,
            _ => {
                let option = String::from_utf8_lossy(option);
                return Err(Fail(format!("ERR Unsupported option {option}")));
            }
        }
    }
    if fresh && (again || later || sooner) {
        return Err("ERR NX and XX, GT or LT options at the same time are not compatible".into());
    }
    if later && sooner {
        return Err("ERR GT and LT options at the same time are not compatible".into());
    }
    let base = if absolute { 0 } else { keys.now() };
    let at = time
        .checked_mul(unit)
        .and_then(|time| time.checked_add(base))
        .ok_or_else(|| invalid(&name))?;
    let Some(current) = keys.entry(&args[1]).map(|entry| entry.expiry.map(|expiry| expiry.at))
    else {
        return Ok(Resp::Int(0));
    };
    let refused = fresh && current.is_some()
        || again && current.is_none()
        || later && current.is_none_or(|current| at <= current)
        || sooner && current.is_some_and(|current| at >= current);
    if !refused {
        let expiry = keys.expiry_at(at);
        assign(keys, &args[1], Some(expiry));
    }
    Ok(Resp::flag(!refused))
}

fn persist(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let had = keys.entry(&args[1]).is_some_and(|entry| entry.expiry.is_some());
    if had {
        keys.set_expiry(&args[1], None);
    }
    Ok(Resp::flag(had))
}
