//! Lists.

use bytes::Bytes;

use super::{Command, Keys, span};
use crate::memory::{
    keyspace::Keyspace,
    number::int_arg,
    resp::{Answer, Fail, Resp},
    value::List,
};

pub(super) const COMMANDS: &[Command] = &[
    Command::read("lrange", 4, Keys::First, lrange),
    Command::read("llen", 2, Keys::First, llen),
    Command::read("lindex", 3, Keys::First, lindex),
    Command::write("lpush", -3, Keys::First, |keys, args| push(keys, args, true)),
    Command::write("rpush", -3, Keys::First, |keys, args| push(keys, args, false)),
    Command::write("lpushx", -3, Keys::First, |keys, args| pushx(keys, args, true)),
    Command::write("rpushx", -3, Keys::First, |keys, args| pushx(keys, args, false)),
    Command::write("lpop", -2, Keys::First, |keys, args| pop(keys, args, true)),
    Command::write("rpop", -2, Keys::First, |keys, args| pop(keys, args, false)),
    Command::write("ltrim", 4, Keys::First, ltrim),
    Command::write("lrem", 4, Keys::First, lrem),
    Command::write("lset", 4, Keys::First, lset),
];

fn lrange(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let (start, stop) = (int_arg(&args[2])?, int_arg(&args[3])?);
    let Some(list) = keys.get::<List>(&args[1])? else { return Ok(Resp::Array(Vec::new())) };
    Ok(Resp::data(
        span(start, stop, list.len()).into_iter().flat_map(|span| list.range(span)).cloned(),
    ))
}

fn llen(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(Resp::len(keys.get::<List>(&args[1])?.map_or(0, List::len)))
}

/// Counted from the head, or from the end when negative.
fn place(index: i64, len: usize) -> Option<usize> {
    let len = i64::try_from(len).ok()?;
    let index = if index < 0 { index + len } else { index };
    (0..len).contains(&index).then(|| usize::try_from(index).ok()).flatten()
}

fn lindex(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let list = keys.get::<List>(&args[1])?.cloned();
    let Some(list) = list else { return Ok(Resp::Nil) };
    let index = int_arg(&args[2])?;
    Ok(place(index, list.len()).and_then(|at| list.get(at).cloned()).into())
}

fn push(keys: &mut Keyspace, args: &[Bytes], head: bool) -> Answer {
    keys.edit(&args[1], |list: &mut List| {
        for item in &args[2..] {
            if head {
                list.push_front(item.clone());
            } else {
                list.push_back(item.clone());
            }
        }
        Ok(Resp::len(list.len()))
    })
}

fn pushx(keys: &mut Keyspace, args: &[Bytes], head: bool) -> Answer {
    if keys.exists(&args[1]) { push(keys, args, head) } else { Ok(Resp::Int(0)) }
}

fn pop(keys: &mut Keyspace, args: &[Bytes], head: bool) -> Answer {
    if args.len() > 3 {
        return Err(Fail::arity(if head { "lpop" } else { "rpop" }));
    }
    let count = match args.get(2) {
        None => None,
        Some(count) => Some(
            int_arg(count)
                .ok()
                .and_then(|count| usize::try_from(count).ok())
                .ok_or_else(|| Fail::from("ERR value is out of range, must be positive"))?,
        ),
    };
    if keys.get::<List>(&args[1])?.is_none() {
        return Ok(Resp::Nil);
    }
    let taken = keys.edit(&args[1], |list: &mut List| {
        let mut take = || if head { list.pop_front() } else { list.pop_back() };
        Ok((0..count.unwrap_or(1)).map_while(|_| take()).collect::<Vec<Bytes>>())
    })?;
    Ok(if count.is_some() { Resp::data(taken) } else { taken.into_iter().next().into() })
}

fn ltrim(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let (start, stop) = (int_arg(&args[2])?, int_arg(&args[3])?);
    keys.edit_existing(&args[1], |list: &mut List| {
        match span(start, stop, list.len()) {
            Some(span) => {
                list.truncate(span.end);
                list.drain(..span.start);
            }
            None => list.clear(),
        }
        Ok(())
    })?;
    Ok(Resp::ok())
}

fn lrem(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let count = int_arg(&args[2])?;
    let most = if count == 0 {
        usize::MAX
    } else {
        usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX)
    };
    let removed = keys.edit_existing(&args[1], |list: &mut List| {
        let mut places: Vec<usize> =
            (0..list.len()).filter(|at| list.get(*at) == Some(&args[3])).collect();
        if count < 0 {
            places.reverse();
        }
        places.truncate(most);
        places.sort_unstable();
        for at in places.iter().rev() {
            list.remove(*at);
        }
        Ok(places.len())
    })?;
    Ok(Resp::len(removed.unwrap_or(0)))
}

fn lset(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let done = keys.edit_existing(&args[1], |list: &mut List| {
        let index = int_arg(&args[2])?;
        match place(index, list.len()).and_then(|at| list.get_mut(at)) {
            Some(item) => {
                *item = args[3].clone();
                Ok(Resp::ok())
            }
            None => Err("ERR index out of range".into()),
        }
    })?;
    done.ok_or_else(|| "ERR no such key".into())
}
