//! Sorted sets: members and scores. Ranges are in [`super::zrange`].

use bytes::Bytes;

use super::{Command, Keys};
use crate::memory::{
    keyspace::Keyspace,
    number::{double, int_arg, print_double},
    resp::{Answer, Fail, Resp},
    value::{Set, Value, Zset},
};

pub(super) const COMMANDS: &[Command] = &[
    Command::read("zscore", 3, Keys::First, zscore),
    Command::read("zmscore", -3, Keys::First, zmscore),
    Command::read("zcard", 2, Keys::First, zcard),
    Command::read("zrank", 3, Keys::First, |keys, args| rank(keys, args, false)),
    Command::read("zrevrank", 3, Keys::First, |keys, args| rank(keys, args, true)),
    Command::write("zadd", -4, Keys::First, zadd),
    Command::write("zincrby", 4, Keys::First, zincrby),
    Command::write("zrem", -3, Keys::First, zrem),
    Command::write("zpopmin", -2, Keys::First, |keys, args| pop(keys, args, false)),
    Command::write("zpopmax", -2, Keys::First, |keys, args| pop(keys, args, true)),
    Command::write("zunionstore", -4, Keys::StoreNumbered, |keys, args| store(keys, args, false)),
    Command::write("zinterstore", -4, Keys::StoreNumbered, |keys, args| store(keys, args, true)),
];

pub(super) fn printed(score: f64) -> Resp {
    Resp::text(print_double(score))
}

fn score_of(keys: &mut Keyspace, key: &Bytes, member: &[u8]) -> Result<Option<f64>, Fail> {
    Ok(keys.get::<Zset>(key)?.and_then(|zset| zset.score(member)))
}

fn zscore(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(score_of(keys, &args[1], &args[2])?.map_or(Resp::Nil, printed))
}

fn zmscore(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let zset = keys.get::<Zset>(&args[1])?;
    let score =
        |member: &Bytes| zset.and_then(|zset| zset.score(member)).map_or(Resp::Nil, printed);
    Ok(Resp::Array(args[2..].iter().map(score).collect()))
}

fn zcard(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(Resp::len(keys.get::<Zset>(&args[1])?.map_or(0, Zset::len)))
}

fn rank(keys: &mut Keyspace, args: &[Bytes], reverse: bool) -> Answer {
    let zset = keys.get::<Zset>(&args[1])?;
    let rank = zset.and_then(|zset| {
        let rank = zset.iter().position(|(member, _)| *member == args[2])?;
        Some(if reverse { zset.len() - 1 - rank } else { rank })
    });
    Ok(rank.map_or(Resp::Nil, Resp::len))
}

#[derive(Clone, Copy, Default)]
struct Options {
    only_new: bool,
    only_old: bool,
    greater: bool,
    less: bool,
    changed: bool,
    incr: bool,
}

fn zadd(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let mut options = Options::default();
    let mut at = 2;
    while let Some(word) = args.get(at) {
        match word.to_ascii_uppercase().as_slice() {
            b"NX" => options.only_new = true,
            b"XX" => options.only_old = true,
            b"GT" => options.greater = true,
            b"LT" => options.less = true,
            b"CH" => options.changed = true,
            b"INCR" => options.incr = true,
            _ => break,
        }
        at += 1;
    }
    let pairs = &args[at.min(args.len())..];
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(Fail::syntax());
    }
    if options.only_new && options.only_old {
        return Err("ERR XX and NX options at the same time are not compatible".into());
    }
    if options.greater && options.less || options.only_new && (options.greater || options.less) {
        return Err("ERR GT, LT, and/or NX options at the same time are not compatible".into());
    }
    if options.incr && pairs.len() > 2 {
        return Err("ERR INCR option supports a single increment-element pair".into());
    }
    add(keys, &args[1], pairs, options)
}

fn add(keys: &mut Keyspace, key: &Bytes, pairs: &[Bytes], options: Options) -> Answer {
    let mut scored = Vec::with_capacity(pairs.len() / 2);
    for pair in pairs.chunks_exact(2) {
        let score = double(&pair[0]).ok_or_else(Fail::not_a_float)?;
        scored.push((score, pair[1].clone()));
    }
    let exists = keys.get::<Zset>(key)?.is_some();
    if options.only_old && !exists {
        return Ok(if options.incr { Resp::Nil } else { Resp::Int(0) });
    }
    for (score, member) in &scored {
        #[expect(clippy::cast_possible_truncation, reason = "far from now is far from now")]
        keys.touch(key, member, *score as i64);
    }
    let (mut added, mut updated, mut result) = (0, 0, None);
    keys.edit(key, |zset: &mut Zset| {
        for (score, member) in scored {
            let old = zset.score(&member);
            let score = match old {
                Some(old) if options.incr => old + score,
                _ => score,
            };
            if score.is_nan() {
                return Err("ERR resulting score is not a number (NaN)".into());
            }
            let skip = match old {
                None => options.only_old,
                Some(old) => {
                    options.only_new
                        || options.greater && score <= old
                        || options.less && score >= old
                }
            };
            if skip {
                continue;
            }
            match zset.insert(member, score) {
                None => added += 1,
                #[expect(clippy::float_cmp, reason = "whether it is the very same score")]
                Some(old) if old != score => updated += 1,
                Some(_) => {}
            }
            result = Some(score);
        }
        Ok(())
    })?;
    Ok(match (options.incr, result) {
        (true, Some(score)) => printed(score),
        (true, None) => Resp::Nil,
        (false, _) => Resp::len(if options.changed { added + updated } else { added }),
    })
}

fn zincrby(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    add(keys, &args[1], &args[2..4], Options { incr: true, ..Options::default() })
}

fn zrem(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let removed = keys.edit_existing(&args[1], |zset: &mut Zset| {
        Ok(args[2..].iter().filter(|member| zset.remove(member).is_some()).count())
    })?;
    Ok(Resp::len(removed.unwrap_or(0)))
}

fn pop(keys: &mut Keyspace, args: &[Bytes], highest: bool) -> Answer {
    let count = match args.get(2) {
        None => 1,
        Some(count) => usize::try_from(int_arg(count)?)
            .map_err(|_| Fail::from("ERR value is out of range, must be positive"))?,
    };
    let taken = keys.edit_existing(&args[1], |zset: &mut Zset| {
        let pairs = zset.iter().map(|(member, score)| (member.clone(), score));
        let taken: Vec<(Bytes, f64)> =
            if highest { pairs.rev().take(count).collect() } else { pairs.take(count).collect() };
        for (member, _) in &taken {
            zset.remove(member);
        }
        Ok(taken)
    })?;
    let pairs = taken.unwrap_or_default().into_iter();
    Ok(Resp::Array(
        pairs.flat_map(|(member, score)| [Resp::Data(member), printed(score)]).collect(),
    ))
}

/// `ZUNIONSTORE`, `ZINTERSTORE`: `WEIGHTS` and `AGGREGATE SUM|MIN|MAX`; plain sets count 1 a member.
fn store(keys: &mut Keyspace, args: &[Bytes], inter: bool) -> Answer {
    let count = usize::try_from(int_arg(&args[2])?).unwrap_or(0);
    if count == 0 {
        let name = String::from_utf8_lossy(&args[0]).to_ascii_lowercase();
        return Err(Fail(format!("ERR at least 1 input key is needed for '{name}' command")));
    }
    let names = args.get(3..3 + count).ok_or_else(Fail::syntax)?;
    let (mut weights, mut aggregate) = (vec![1.0; count], b"SUM".to_vec());
    let mut rest = &args[3 + count..];
    while let Some(word) = rest.first() {
        match word.to_ascii_uppercase().as_slice() {
            b"WEIGHTS" if rest.len() > count => {
                for (weight, text) in weights.iter_mut().zip(&rest[1..]) {
                    *weight = double(text)
                        .ok_or_else(|| Fail::from("ERR weight value is not a float"))?;
                }
                rest = &rest[count + 1..];
            }
            b"AGGREGATE" if rest.len() > 1 => {
                aggregate = rest[1].to_ascii_uppercase();
                rest = &rest[2..];
            }
            _ => return Err(Fail::syntax()),
        }
    }
    let join = |a: f64, b: f64| match aggregate.as_slice() {
        b"MIN" => a.min(b),
        b"MAX" => a.max(b),
        _ => a + b,
    };
    let mut result: Option<Zset> = None;
    for (name, weight) in names.iter().zip(weights) {
        let members = scores(keys, name)?;
        let mut next = Zset::default();
        let before = result.take();
        for (member, score) in &members {
            let score = score * weight;
            match before.as_ref().map(|zset| zset.score(member)) {
                Some(Some(old)) => drop(next.insert(member.clone(), join(old, score))),
                Some(None) if inter => {}
                _ => drop(next.insert(member.clone(), score)),
            }
        }
        if let (Some(before), false) = (before, inter) {
            for (member, score) in before.iter() {
                if next.score(member).is_none() {
                    next.insert(member.clone(), score);
                }
            }
        }
        result = Some(next);
    }
    let zset = result.unwrap_or_default();
    let len = zset.len();
    keys.put(&args[1], Value::Zset(zset), None);
    Ok(Resp::len(len))
}

fn scores(keys: &mut Keyspace, name: &Bytes) -> Result<Vec<(Bytes, f64)>, Fail> {
    if let Ok(Some(set)) = keys.get::<Set>(name) {
        return Ok(set.iter().map(|member| (member.clone(), 1.0)).collect());
    }
    let zset = keys.get::<Zset>(name)?;
    Ok(zset
        .into_iter()
        .flat_map(Zset::iter)
        .map(|(member, score)| (member.clone(), score))
        .collect())
}
