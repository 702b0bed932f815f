//! Walks over keys and members. Everything comes at once, with cursor 0: callers follow cursors anyway.

use bytes::Bytes;

use super::{Command, Keys, set::listed};
use crate::memory::{
    glob::matches,
    keyspace::Keyspace,
    number::{int_arg, print_double},
    resp::{Answer, Fail, Resp},
    value::{Hash, Set, Zset},
};

pub(super) const COMMANDS: &[Command] = &[
    Command::read("keys", 2, Keys::Pattern, |keys, args| Ok(Resp::data(matching(keys, &args[1])))),
    Command::read("dbsize", 1, Keys::Pattern, |keys, _| Ok(Resp::len(keys.live().len()))),
    Command::read("scan", -2, Keys::Pattern, scan),
    Command::read("hscan", -3, Keys::First, hscan),
    Command::read("sscan", -3, Keys::First, sscan),
    Command::read("zscan", -3, Keys::First, zscan),
];

/// The pattern of a walk over all keys.
pub(super) fn pattern(args: &[Bytes]) -> Bytes {
    let name = args[0].to_ascii_lowercase();
    let pattern = match name.as_slice() {
        b"keys" => args.get(1).cloned(),
        b"scan" => Options::parse(args.get(2..).unwrap_or_default()).ok().and_then(|it| it.pattern),
        _ => None,
    };
    pattern.unwrap_or_else(|| Bytes::from_static(b"*"))
}

#[derive(Default)]
struct Options {
    pattern: Option<Bytes>,
    kind: Option<Bytes>,
}

impl Options {
    fn parse(words: &[Bytes]) -> Result<Self, Fail> {
        let mut options = Self::default();
        for pair in words.chunks(2) {
            let value = pair.get(1).ok_or_else(Fail::syntax)?;
            match pair[0].to_ascii_uppercase().as_slice() {
                b"MATCH" => options.pattern = Some(value.clone()),
                b"COUNT" => {
                    if int_arg(value)? < 1 {
                        return Err(Fail::syntax());
                    }
                }
                b"TYPE" => options.kind = Some(value.clone()),
                _ => return Err(Fail::syntax()),
            }
        }
        Ok(options)
    }

    fn takes(&self, text: &[u8]) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| matches(pattern, text))
    }
}

fn page(items: Vec<Resp>) -> Answer {
    Ok(Resp::Array(vec![Resp::text("0"), Resp::Array(items)]))
}

fn cursor(text: &[u8]) -> Result<(), Fail> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
    number.map(drop).ok_or_else(|| "ERR invalid cursor".into())
}

fn matching(keys: &mut Keyspace, pattern: &[u8]) -> Vec<Bytes> {
    let mut found: Vec<Bytes> =
        keys.live().into_iter().filter(|key| matches(pattern, key)).collect();
    found.sort();
    found
}

fn scan(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    cursor(&args[1])?;
    let options = Options::parse(&args[2..])?;
    let mut found = matching(keys, &pattern(args));
    if let Some(kind) = &options.kind {
        found.retain(|key| {
            keys.entry(key).is_some_and(|entry| entry.value.kind().as_bytes() == &kind[..])
        });
    }
    page(found.into_iter().map(Resp::Data).collect())
}

fn hscan(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    cursor(&args[2])?;
    let options = Options::parse(&args[3..])?;
    let pairs = keys.get::<Hash>(&args[1])?.into_iter().flatten();
    let taken = pairs.filter(|(field, _)| options.takes(field));
    page(taken.flat_map(|(field, value)| [field, value].map(|it| Resp::Data(it.clone()))).collect())
}

fn sscan(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    cursor(&args[2])?;
    let options = Options::parse(&args[3..])?;
    let members = keys.get::<Set>(&args[1])?.map(listed).unwrap_or_default();
    page(members.into_iter().filter(|member| options.takes(member)).map(Resp::Data).collect())
}

fn zscan(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    cursor(&args[2])?;
    let options = Options::parse(&args[3..])?;
    let pairs = keys.get::<Zset>(&args[1])?.into_iter().flat_map(Zset::iter);
    let taken = pairs.filter(|(member, _)| options.takes(member));
    let printed = |(member, score): (&Bytes, f64)| {
        [Resp::Data(member.clone()), Resp::text(print_double(score))]
    };
    page(taken.flat_map(printed).collect())
}
