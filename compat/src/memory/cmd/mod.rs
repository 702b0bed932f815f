//! The commands, one file per type of data, and the table that tells which keys each may touch.
//!
//! A command not in the table is refused and noted; nothing here does I/O.

mod expire;
mod generic;
mod hash;
mod list;
mod scan;
mod set;
mod stream;
mod string;
mod zrange;
mod zset;

use std::ops::Range;

use bytes::Bytes;

use super::{
    keyspace::Keyspace,
    number::integer,
    resp::{Answer, Fail},
};

/// One command.
pub(super) struct Command {
    /// In lower case, as error messages have it.
    pub(super) name: &'static str,
    /// Words with the name; at least that many when negative.
    arity: i32,
    keys: Keys,
    pub(super) writes: bool,
    run: fn(&mut Keyspace, &[Bytes]) -> Answer,
}

/// Which words are keys.
#[derive(Clone, Copy)]
enum Keys {
    None,
    First,
    Two,
    All,
    /// Every other one.
    Pairs,
    /// The first, then a number and so many more.
    StoreNumbered,
    /// All keys that match.
    Pattern,
}

const TABLES: [&[Command]; 10] = [
    string::COMMANDS,
    hash::COMMANDS,
    expire::COMMANDS,
    generic::COMMANDS,
    set::COMMANDS,
    zset::COMMANDS,
    zrange::COMMANDS,
    list::COMMANDS,
    scan::COMMANDS,
    stream::COMMANDS,
];

impl Command {
    const fn read(
        name: &'static str,
        arity: i32,
        keys: Keys,
        run: fn(&mut Keyspace, &[Bytes]) -> Answer,
    ) -> Self {
        Self { name, arity, keys, writes: false, run }
    }

    const fn write(
        name: &'static str,
        arity: i32,
        keys: Keys,
        run: fn(&mut Keyspace, &[Bytes]) -> Answer,
    ) -> Self {
        Self { name, arity, keys, writes: true, run }
    }

    /// The command of that name, in any case.
    pub(super) fn find(name: &[u8]) -> Option<&'static Self> {
        let tables: &'static [&'static [Self]] = &TABLES;
        let mut commands = tables.iter().flat_map(|table| table.iter());
        commands.find(|command| command.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Whether so many words will do.
    pub(super) fn accepts(&self, words: usize) -> bool {
        let words = i32::try_from(words).unwrap_or(i32::MAX);
        if self.arity < 0 { words >= -self.arity } else { words == self.arity }
    }

    /// Runs it; the words have been counted.
    pub(super) fn run(&self, keys: &mut Keyspace, args: &[Bytes]) -> Answer {
        if self.accepts(args.len()) { (self.run)(keys, args) } else { Err(Fail::arity(self.name)) }
    }

    /// Keys among the words.
    pub(super) fn keys<'a>(&self, args: &'a [Bytes]) -> Vec<&'a Bytes> {
        if !self.accepts(args.len()) {
            return Vec::new();
        }
        match self.keys {
            Keys::None | Keys::Pattern => Vec::new(),
            Keys::First => args[1..2].iter().collect(),
            Keys::Two => args[1..3].iter().collect(),
            Keys::All => args[1..].iter().collect(),
            Keys::Pairs => args[1..].iter().step_by(2).collect(),
            Keys::StoreNumbered => {
                let count = integer(&args[2]).and_then(|count| usize::try_from(count).ok());
                args[1..2].iter().chain(args[3..].iter().take(count.unwrap_or(0))).collect()
            }
        }
    }

    /// The pattern, when it walks over all keys.
    pub(super) fn pattern(&self, args: &[Bytes]) -> Option<Bytes> {
        matches!(self.keys, Keys::Pattern).then(|| scan::pattern(args))
    }
}

/// Places from `start` to `stop`, both included and counted from the end when negative.
fn span(start: i64, stop: i64, len: usize) -> Option<Range<usize>> {
    let len = i64::try_from(len).ok()?;
    let from = |at: i64| if at < 0 { at + len } else { at };
    let (start, stop) = (from(start).max(0), from(stop).min(len - 1));
    if start > stop || start >= len {
        return None;
    }
    Some(usize::try_from(start).ok()?..usize::try_from(stop).ok()? + 1)
}
