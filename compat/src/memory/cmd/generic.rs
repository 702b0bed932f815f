//! Keys of any type, and what concerns none.

use bytes::Bytes;

use super::{Command, Keys};
use crate::memory::{
    keyspace::Keyspace,
    resp::{Answer, Resp},
};

pub(super) const COMMANDS: &[Command] = &[
    Command::read("exists", -2, Keys::All, exists),
    Command::read("touch", -2, Keys::All, exists),
    Command::read("type", 2, Keys::First, kind),
    Command::write("del", -2, Keys::All, del),
    Command::write("unlink", -2, Keys::All, del),
    Command::write("rename", 3, Keys::Two, rename),
    Command::read("ping", -1, Keys::None, ping),
    Command::read("echo", 2, Keys::None, |_, args| Ok(Resp::Data(args[1].clone()))),
    Command::read("time", 1, Keys::None, time),
    Command::read("info", -1, Keys::None, info),
    Command::read("select", 2, Keys::None, |_, _| Ok(Resp::ok())),
    Command::read("auth", -2, Keys::None, |_, _| Ok(Resp::ok())),
    Command::read("client", -2, Keys::None, |_, _| Ok(Resp::ok())),
    Command::read("hello", -1, Keys::None, hello),
];

fn exists(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(Resp::len(args[1..].iter().filter(|key| keys.exists(key)).count()))
}

fn kind(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    let kind = keys.entry(&args[1]).map_or("none", |entry| entry.value.kind());
    Ok(Resp::Status(Bytes::from_static(kind.as_bytes())))
}

fn del(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(Resp::len(args[1..].iter().filter(|key| keys.remove(key).is_some()).count()))
}

fn rename(keys: &mut Keyspace, args: &[Bytes]) -> Answer {
    match keys.entry(&args[1]).cloned() {
        None => Err("ERR no such key".into()),
        Some(entry) => {
            keys.remove(&args[1]);
            keys.insert(&args[2], entry);
            Ok(Resp::ok())
        }
    }
}

fn ping(_: &mut Keyspace, args: &[Bytes]) -> Answer {
    Ok(args.get(1).cloned().map_or(Resp::Status(Bytes::from_static(b"PONG")), Resp::Data))
}

fn time(keys: &mut Keyspace, _: &[Bytes]) -> Answer {
    let now = keys.now();
    Ok(Resp::data([(now / 1000).to_string(), (now % 1000 * 1000).to_string()].map(Bytes::from)))
}

fn info(_: &mut Keyspace, _: &[Bytes]) -> Answer {
    Ok(Resp::text("# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n"))
}

fn hello(_: &mut Keyspace, _: &[Bytes]) -> Answer {
    let word = |text: &'static str| Resp::text(text);
    Ok(Resp::Array(vec![
        word("server"),
        word("redis"),
        word("version"),
        word("7.0.15"),
        word("proto"),
        Resp::Int(2),
        word("mode"),
        word("standalone"),
        word("role"),
        word("master"),
    ]))
}
