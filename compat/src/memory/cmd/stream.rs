//! Streams, as far as billing events need them.

use bytes::Bytes;

use super::{Command, Keys};
use crate::memory::{
    keyspace::Keyspace,
    number::int_arg,
    resp::{Answer, Fail, Resp},
    value::Stream,
};

pub(super) const COMMANDS: &[Command] = &[
    Command::read("xlen", 2, Keys::First, xlen),
    Command::read("xrange", -4, Keys::First, |keys, args| xrange(keys, args, false)),
    Command::read("xrevrange", -4, Keys::First, |keys, args| xrange(keys, args, true)),
    Command::write("xadd", -5, Keys::First, xadd),
];

fn xlen(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(Resp::len(
        keys.get::<Stream>(&args[1])?.map_or(0, |stream| stream.unread + stream.entries.len()),
    ))
}

/// `*`, `ms` or `ms-n`; `missing` stands for `n` left out.
fn id(text: &[u8], missing: u64) -> Result<(u64, u64), Fail> {
    let invalid = || Fail::from("ERR Invalid stream ID specified as stream command argument");
    let text = std::str::from_utf8(text).map_err(|_| invalid())?;
    let parse = |part: &str| part.parse::<u64>().map_err(|_| invalid());
    match text.split_once('-') {
        Some((ms, seq)) => Ok((parse(ms)?, parse(seq)?)),
        None => Ok((parse(text)?, missing)),
    }
}

fn printed(id: (u64, u64)) -> Resp {
    Resp::text(format!("{}-{}", id.0, id.1))
}

/// `MAXLEN` trims exactly, also with `~`: Redis may keep some entries more.
fn xadd(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let (mut at, mut create, mut most) = (2, true, None);
    loop {
        let word = args.get(at).ok_or_else(|| Fail::arity("xadd"))?.to_ascii_uppercase();
        match word.as_slice() {
            b"NOMKSTREAM" => create = false,
            b"MAXLEN" => {
                at += 1;
                let exact = args.get(at).map(|word| word.as_ref() != b"~" && word.as_ref() != b"=");
                at += usize::from(exact == Some(false));
                let count = int_arg(args.get(at).ok_or_else(Fail::syntax)?)?;
                most = Some(
                    usize::try_from(count)
                        .map_err(|_| Fail::from("ERR The MAXLEN argument must be >= 0."))?,
                );
            }
            _ => break,
        }
        at += 1;
    }
    let asked = args[at].clone();
    let fields = &args[at + 1..];
    if fields.is_empty() || !fields.len().is_multiple_of(2) {
        return Err(Fail::arity("xadd"));
    }
    let asked = if asked.as_ref() == b"*" { None } else { Some(id(&asked, 0)?) };
    let now = u64::try_from(keys.now()).unwrap_or(0);
    if asked == Some((0, 0)) {
        return Err("ERR The ID specified in XADD must be greater than 0-0".into());
    }
    if keys.get::<Stream>(&args[1])?.is_none() && !create {
        return Ok(Resp::Nil);
    }
    keys.edit(&args[1], |stream: &mut Stream| {
        let next = match asked {
            None if now > stream.last.0 => (now, 0),
            None => (stream.last.0, stream.last.1 + 1),
            Some(asked) if asked <= stream.last => {
                return Err("ERR The ID specified in XADD is equal or smaller than the target stream top item".into());
            }
            Some(asked) => asked,
        };
        stream.last = next;
        stream.entries.push_back((next, fields.to_vec()));
        if let Some(most) = most {
            let excess = (stream.unread + stream.entries.len()).saturating_sub(most);
            let unread = excess.min(stream.unread);
            stream.unread -= unread;
            stream.entries.drain(..excess - unread);
        }
        Ok(printed(next))
    })
}

fn xrange(keys: &mut Keyspace, args: &[Bytes], reverse: bool) -> Answer {
    let (low, high) = if reverse { (&args[3], &args[2]) } else { (&args[2], &args[3]) };
    let low = if low.as_ref() == b"-" { (0, 0) } else { id(low, 0)? };
    let high = if high.as_ref() == b"+" { (u64::MAX, u64::MAX) } else { id(high, u64::MAX)? };
    let count = match &args[4..] {
        [] => usize::MAX,
        [word, count] if word.eq_ignore_ascii_case(b"COUNT") => {
            usize::try_from(int_arg(count)?).unwrap_or(0)
        }
        _ => return Err(Fail::syntax()),
    };
    let entries =
        keys.get::<Stream>(&args[1])?.into_iter().flat_map(|stream| stream.entries.iter());
    let inside = entries.filter(|(id, _)| (low..=high).contains(id));
    let entry = |(id, fields): &((u64, u64), Vec<Bytes>)| {
        Resp::Array(vec![printed(*id), Resp::data(fields.iter().cloned())])
    };
    Ok(Resp::Array(if reverse {
        inside.rev().take(count).map(entry).collect()
    } else {
        inside.take(count).map(entry).collect()
    }))
}
