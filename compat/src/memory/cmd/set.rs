//! Sets.

use bytes::Bytes;

use super::{Command, Keys};
use crate::memory::{
    keyspace::Keyspace,
    number::{int_arg, integer},
    resp::{Answer, Fail, Resp},
    value::{Set, Value},
};

pub(super) const COMMANDS: &[Command] = &[
    Command::read("smembers", 2, Keys::First, smembers),
    Command::read("sismember", 3, Keys::First, sismember),
    Command::read("smismember", -3, Keys::First, smismember),
    Command::read("scard", 2, Keys::First, scard),
    Command::read("srandmember", -2, Keys::First, srandmember),
    Command::read("sunion", -2, Keys::All, |keys, args| combined(keys, &args[1..], union)),
    Command::read("sinter", -2, Keys::All, |keys, args| combined(keys, &args[1..], inter)),
    Command::read("sdiff", -2, Keys::All, |keys, args| combined(keys, &args[1..], diff)),
    Command::write("sunionstore", -3, Keys::All, |keys, args| store(keys, args, union)),
    Command::write("sinterstore", -3, Keys::All, |keys, args| store(keys, args, inter)),
    Command::write("sdiffstore", -3, Keys::All, |keys, args| store(keys, args, diff)),
    Command::write("sadd", -3, Keys::First, sadd),
    Command::write("srem", -3, Keys::First, srem),
    Command::write("spop", -2, Keys::First, spop),
    Command::write("smove", 4, Keys::Two, smove),
];

/// Members as Redis lists them: integers sorted, others as they came.
pub(super) fn listed(set: &Set) -> Vec<Bytes> {
    let mut members: Vec<Bytes> = set.iter().cloned().collect();
    if members.iter().all(|member| integer(member).is_some()) {
        members.sort_by_key(|member| integer(member));
    }
    members
}

fn smembers(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(Resp::data(keys.get::<Set>(&args[1])?.map(listed).unwrap_or_default()))
}

fn sismember(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(Resp::flag(keys.get::<Set>(&args[1])?.is_some_and(|set| set.contains(&args[2]))))
}

fn smismember(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let set = keys.get::<Set>(&args[1])?;
    let has = |member| Resp::flag(set.is_some_and(|set| set.contains(member)));
    Ok(Resp::Array(args[2..].iter().map(has).collect()))
}

fn scard(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(Resp::len(keys.get::<Set>(&args[1])?.map_or(0, Set::len)))
}

/// "Random" members are the first ones: which they are is anybody's guess anyway.
fn srandmember(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let count = args.get(2).map(|count| int_arg(count)).transpose()?;
    if args.len() > 3 {
        return Err(Fail::syntax());
    }
    let members = keys.get::<Set>(&args[1])?.map(listed).unwrap_or_default();
    let wanted = |count: i64| usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    Ok(match count {
        None => members.into_iter().next().into(),
        Some(count @ 0..) => Resp::data(members.into_iter().take(wanted(count))),
        Some(_) if members.is_empty() => Resp::Array(Vec::new()),
        // Bounded: a caller that wants millions of repetitions is not served whole.
        Some(count) => Resp::data(members.into_iter().cycle().take(wanted(count).min(10_000))),
    })
}

type Combine = fn(&mut Set, &Set);

fn union(left: &mut Set, right: &Set) {
    left.extend(right.iter().cloned());
}

fn inter(left: &mut Set, right: &Set) {
    left.retain(|member| right.contains(member));
}

fn diff(left: &mut Set, right: &Set) {
    left.retain(|member| !right.contains(member));
}

fn combine(keys: &mut Keyspace, names: &[Bytes], with: Combine) -> Result<Set, Fail> {
    let mut result: Option<Set> = None;
    for name in names {
        let next = keys.get::<Set>(name)?.cloned().unwrap_or_default();
        match &mut result {
            None => result = Some(next),
            Some(result) => with(result, &next),
        }
    }
    Ok(result.unwrap_or_default())
}

fn combined(keys: &mut Keyspace, names: &[Bytes], with: Combine) -> Answer {
    Ok(Resp::data(listed(&combine(keys, names, with)?)))
}

fn store(keys: &mut Keyspace, args: &[Bytes], with: Combine) -> Answer {
    let set = combine(keys, &args[2..], with)?;
    let count = set.len();
    keys.put(&args[1], Value::Set(set), None);
    Ok(Resp::len(count))
}

fn sadd(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    keys.edit(&args[1], |set: &mut Set| {
        Ok(Resp::len(args[2..].iter().filter(|member| set.insert((*member).clone())).count()))
    })
}

fn srem(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let removed = keys.edit_existing(&args[1], |set: &mut Set| {
        Ok(args[2..].iter().filter(|member| set.shift_remove(*member)).count())
    })?;
    Ok(Resp::len(removed.unwrap_or(0)))
}

fn spop(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let count = args.get(2).map(|count| int_arg(count)).transpose()?;
    if args.len() > 3 {
        return Err(Fail::syntax());
    }
    let Ok(wanted) = usize::try_from(count.unwrap_or(1)) else {
        return Err("ERR value is out of range, must be positive".into());
    };
    let taken = keys.edit_existing(&args[1], |set: &mut Set| {
        let taken: Vec<Bytes> = listed(set).into_iter().take(wanted).collect();
        for member in &taken {
            set.shift_remove(member);
        }
        Ok(taken)
    })?;
    let taken = taken.unwrap_or_default();
    Ok(if count.is_some() { Resp::data(taken) } else { taken.into_iter().next().into() })
}

fn smove(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let Some(source) = keys.get::<Set>(&args[1])? else { return Ok(Resp::Int(0)) };
    let has = source.contains(&args[3]);
    keys.get::<Set>(&args[2])?;
    if has && args[1] != args[2] {
        keys.edit(&args[1], |set: &mut Set| Ok(set.shift_remove(&args[3])))?;
        keys.edit(&args[2], |set: &mut Set| Ok(set.insert(args[3].clone())))?;
    }
    Ok(Resp::flag(has))
}
