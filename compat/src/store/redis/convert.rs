//! Between the port's commands and replies and those of `redis`.

use bytes::Bytes;
use redis::Value;

use super::scripts::Scripts;
use crate::store::{Cmd, Reply, Script, StoreError};

/// The command as `redis` wants it, and the script whose text it carries, if any.
pub(super) fn pack(
    cmd: &Cmd,
    scripts: &Scripts,
    whole: bool,
) -> (redis::Cmd, Option<&'static Script>) {
    match cmd {
        Cmd::Words(words) => {
            let mut packed = sized(0, words);
            for word in words {
                packed.arg(&word[..]);
            }
            (packed, None)
        }
        Cmd::Script { script, keys, args } => {
            let hash = if whole { None } else { scripts.hash_if_loaded(script) };
            let carried = hash.is_none().then_some(*script);
            let mut packed = match &hash {
                Some(hash) => {
                    let mut call = sized(64, args);
                    call.arg("EVALSHA").arg(hash);
                    call
                }
                None => {
                    let mut call = sized(script.source.len() + 16, args);
                    call.arg("EVAL").arg(script.source);
                    call
                }
            };
            packed.arg(*keys);
            for arg in args {
                packed.arg(&arg[..]);
            }
            (packed, carried)
        }
    }
}

/// A command with room for these words and some bytes more.
fn sized(more: usize, words: &[Bytes]) -> redis::Cmd {
    redis::Cmd::with_capacity(words.len() + 3, words.iter().map(Bytes::len).sum::<usize>() + more)
}

/// One reply per command.
pub(super) fn replies(values: Vec<Value>, expected: usize) -> Result<Vec<Reply>, StoreError> {
    if values.len() == expected {
        Ok(values.into_iter().map(reply).collect())
    } else {
        Err(StoreError::Shape(format!("{} replies to {expected} commands", values.len())))
    }
}

/// The replies inside the answer to `EXEC`.
pub(super) fn exec(mut values: Vec<Value>, expected: usize) -> Result<Vec<Reply>, StoreError> {
    match values.pop() {
        Some(Value::Array(values)) => replies(values, expected),
        Some(Value::ServerError(error)) => Err(StoreError::Shape(message(&error))),
        other => Err(StoreError::Shape(format!("{other:?} to EXEC"))),
    }
}

impl Reply {
    /// Reads one value as it stands on the wire (RESP2 or RESP3), commands included.
    ///
    /// # Errors
    /// When the bytes are not one whole value.
    pub fn decode(wire: &[u8]) -> Result<Self, StoreError> {
        redis::parse_redis_value(wire)
            .map(reply)
            .map_err(|error| StoreError::Shape(error.to_string()))
    }
}

fn reply(value: Value) -> Reply {
    match value {
        Value::Nil => Reply::Nil,
        Value::Int(n) => Reply::Int(n),
        Value::BulkString(data) => Reply::Data(Bytes::from(data)),
        Value::SimpleString(text) => Reply::Data(Bytes::from(text)),
        Value::Okay => Reply::Data(Bytes::from_static(b"OK")),
        Value::Array(items) | Value::Set(items) => {
            Reply::Array(items.into_iter().map(reply).collect())
        }
        Value::Map(pairs) => Reply::Array(
            pairs.into_iter().flat_map(|(field, value)| [reply(field), reply(value)]).collect(),
        ),
        Value::Double(number) => Reply::Data(Bytes::from(number.to_string())),
        Value::Boolean(yes) => Reply::Int(i64::from(yes)),
        Value::VerbatimString { text, .. } => Reply::Data(Bytes::from(text)),
        Value::Attribute { data, .. } => reply(*data),
        Value::ServerError(error) => Reply::Error(message(&error)),
        other => Reply::Error(format!("unexpected reply {other:?}")),
    }
}

fn message(error: &redis::ServerError) -> String {
    match error.details() {
        Some(details) => format!("{} {details}", error.code()),
        None => error.code().to_owned(),
    }
}
