//! Sorted sets: ranges by rank, score and bytes.

use bytes::Bytes;

use super::{Command, Keys, span, zset::printed};
use crate::memory::{
    keyspace::Keyspace,
    number::{double, int_arg},
    resp::{Answer, Fail, Resp},
    value::Zset,
};

pub(super) const COMMANDS: &[Command] = &[
    Command::read("zrange", -4, Keys::First, zrange),
    Command::read("zrevrange", -4, Keys::First, |keys, args| fixed(keys, args, By::Rank, true)),
    Command::read("zrangebyscore", -4, Keys::First, |keys, args| {
        fixed(keys, args, By::Score, false)
    }),
    Command::read("zrevrangebyscore", -4, Keys::First, |keys, args| {
        fixed(keys, args, By::Score, true)
    }),
    Command::read("zrangebylex", -4, Keys::First, |keys, args| fixed(keys, args, By::Lex, false)),
    Command::read("zcount", 4, Keys::First, zcount),
    Command::write("zremrangebyscore", 4, Keys::First, zremrangebyscore),
    Command::write("zremrangebyrank", 4, Keys::First, zremrangebyrank),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// A border of a range of scores.
#[derive(Clone, Copy)]
struct Border {
    score: f64,
    open: bool,
}

impl Border {
    fn parse(text: &[u8]) -> Result<Self, Fail> {
        let (open, number) = match text {
            [b'(', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let score = double(number).ok_or_else(|| Fail::from("ERR min or max is not a float"))?;
        Ok(Self { score, open })
    }

    fn above(self, score: f64) -> bool {
        if self.open { score > self.score } else { score >= self.score }
    }

    fn below(self, score: f64) -> bool {
        if self.open { score < self.score } else { score <= self.score }
    }
}

fn lex(text: &[u8]) -> Result<(Option<&[u8]>, bool, bool), Fail> {
    match text {
        b"-" => Ok((None, false, false)),
        b"+" => Ok((None, false, true)),
        [b'[', rest @ ..] => Ok((Some(rest), false, false)),
        [b'(', rest @ ..] => Ok((Some(rest), true, false)),
        _ => Err("ERR min or max not valid string range item".into()),
    }
}

fn zrange(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let (mut by, mut reverse, mut rest) = (By::Rank, false, Vec::new());
    let mut words = args[4..].iter();
    while let Some(word) = words.next() {
        match word.to_ascii_uppercase().as_slice() {
            b"BYSCORE" => by = By::Score,
            b"BYLEX" => by = By::Lex,
            b"REV" => reverse = true,
            b"LIMIT" => {
                rest.push(word.clone());
                rest.extend(words.by_ref().take(2).cloned());
            }
            _ => rest.push(word.clone()),
        }
    }
    range(keys, args, &rest, by, reverse)
}

fn fixed(keys: &mut Keyspace, args: &[Bytes], by: By, reverse: bool) -> Answer {
    range(keys, args, &args[4..], by, reverse)
}

fn range(keys: &mut Keyspace, args: &[Bytes], options: &[Bytes], by: By, reverse: bool) -> Answer {
    let (mut with_scores, mut limit) = (false, None);
    let mut words = options;
    while let Some(word) = words.first() {
        match word.to_ascii_uppercase().as_slice() {
            b"WITHSCORES" => {
                with_scores = true;
                words = &words[1..];
            }
            b"LIMIT" if words.len() > 2 => {
                limit = Some((int_arg(&words[1])?, int_arg(&words[2])?));
                words = &words[3..];
            }
            _ => return Err(Fail::syntax()),
        }
    }
    if limit.is_some() && by == By::Rank {
        return Err(
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
                .into(),
        );
    }
    if with_scores && by == By::Lex {
        return Err("ERR syntax error, WITHSCORES not supported in combination with BYLEX".into());
    }
    let (low, high) =
        if reverse && by != By::Rank { (&args[3], &args[2]) } else { (&args[2], &args[3]) };
    let picked: Vec<(Bytes, f64)> = match by {
        By::Rank => {
            let (start, stop) = (int_arg(low)?, int_arg(high)?);
            let zset = keys.get::<Zset>(&args[1])?;
            let span = zset.and_then(|zset| span(start, stop, zset.len())).unwrap_or(0..0);
            let (skip, count) = (span.start, span.len());
            let pairs = zset.into_iter().flat_map(Zset::iter);
            if reverse {
                owned(pairs.rev().skip(skip).take(count))
            } else {
                owned(pairs.skip(skip).take(count))
            }
        }
        By::Score => {
            let (low, high) = borders(low, high)?;
            let pairs = keys.get::<Zset>(&args[1])?.into_iter().flat_map(Zset::iter);
            limited(
                pairs.filter(|(_, score)| low.above(*score) && high.below(*score)),
                reverse,
                limit,
            )
        }
        By::Lex => {
            let (low, high) = (lex(low)?, lex(high)?);
            let pairs = keys.get::<Zset>(&args[1])?.into_iter().flat_map(Zset::iter);
            let inside = |member: &[u8]| {
                let above = match low {
                    (None, _, end) => !end,
                    (Some(text), open, _) => member > text || !open && member == text,
                };
                let below = match high {
                    (None, _, end) => end,
                    (Some(text), open, _) => member < text || !open && member == text,
                };
                above && below
            };
            limited(pairs.filter(|(member, _)| inside(member)), reverse, limit)
        }
    };
    let mut reply = Vec::with_capacity(picked.len());
    for (member, score) in picked {
        reply.push(Resp::Data(member));
        if with_scores {
            reply.push(printed(score));
        }
    }
    Ok(Resp::Array(reply))
}

fn owned<'a>(pairs: impl Iterator<Item = (&'a Bytes, f64)>) -> Vec<(Bytes, f64)> {
    pairs.map(|(member, score)| (member.clone(), score)).collect()
}

fn limited<'a>(
    pairs: impl DoubleEndedIterator<Item = (&'a Bytes, f64)>,
    reverse: bool,
    limit: Option<(i64, i64)>,
) -> Vec<(Bytes, f64)> {
    let (offset, count) = limit.unwrap_or((0, -1));
    let Ok(skip) = usize::try_from(offset) else { return Vec::new() };
    let take = usize::try_from(count).unwrap_or(usize::MAX);
    if reverse {
        owned(pairs.rev().skip(skip).take(take))
    } else {
        owned(pairs.skip(skip).take(take))
    }
}

fn borders(low: &[u8], high: &[u8]) -> Result<(Border, Border), Fail> {
    Ok((Border::parse(low)?, Border::parse(high)?))
}

fn zcount(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let (low, high) = borders(&args[2], &args[3])?;
    let pairs = keys.get::<Zset>(&args[1])?.into_iter().flat_map(Zset::iter);
    Ok(Resp::len(pairs.filter(|(_, score)| low.above(*score) && high.below(*score)).count()))
}

fn remove(keys: &mut Keyspace, key: &Bytes, pick: impl FnOnce(&Zset) -> Vec<Bytes>) -> Answer {
    let removed = keys.edit_existing(key, |zset: &mut Zset| {
        let members = pick(zset);
        for member in &members {
            zset.remove(member);
        }
        Ok(members.len())
    })?;
    Ok(Resp::len(removed.unwrap_or(0)))
}

fn zremrangebyscore(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let (low, high) = borders(&args[2], &args[3])?;
    remove(keys, &args[1], |zset| {
        let inside = zset.iter().filter(|(_, score)| low.above(*score) && high.below(*score));
        inside.map(|(member, _)| member.clone()).collect()
    })
}

fn zremrangebyrank(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let (start, stop) = (int_arg(&args[2])?, int_arg(&args[3])?);
    remove(keys, &args[1], |zset| {
        let span = span(start, stop, zset.len()).unwrap_or(0..0);
        let members = zset.iter().skip(span.start).take(span.len());
        members.map(|(member, _)| member.clone()).collect()
    })
}
