//! Replies inside the engine: as [`Reply`], but a status is told from data, which scripts can see.

use bytes::Bytes;

use crate::store::Reply;

/// Reply to one command.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Resp {
    Nil,
    Int(i64),
    Status(Bytes),
    Data(Bytes),
    Array(Vec<Resp>),
    Error(String),
}

/// A command was refused, in Redis' words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fail(pub(super) String);

/// What a command gives.
pub(super) type Answer = Result<Resp, Fail>;

impl Fail {
    pub(super) fn wrong_type() -> Self {
        Self::from("WRONGTYPE Operation against a key holding the wrong kind of value")
    }

    pub(super) fn syntax() -> Self {
        Self::from("ERR syntax error")
    }

    pub(super) fn not_an_integer() -> Self {
        Self::from("ERR value is not an integer or out of range")
    }

    pub(super) fn not_a_float() -> Self {
        Self::from("ERR value is not a valid float")
    }

    pub(super) fn arity(name: &str) -> Self {
        Self(format!("ERR wrong number of arguments for '{name}' command"))
    }
}

impl From<&str> for Fail {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Resp {
    pub(super) fn ok() -> Self {
        Self::Status(Bytes::from_static(b"OK"))
    }

    pub(super) fn len(count: usize) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    pub(super) fn text(text: impl Into<Bytes>) -> Self {
        Self::Data(text.into())
    }

    pub(super) fn data(items: impl IntoIterator<Item = Bytes>) -> Self {
        Self::Array(items.into_iter().map(Self::Data).collect())
    }

    pub(super) fn flag(yes: bool) -> Self {
        Self::Int(i64::from(yes))
    }
}

impl From<Option<Bytes>> for Resp {
    fn from(data: Option<Bytes>) -> Self {
        data.map_or(Self::Nil, Self::Data)
    }
}

impl From<Answer> for Resp {
    fn from(answer: Answer) -> Self {
        answer.unwrap_or_else(|Fail(message)| Self::Error(message))
    }
}

impl From<Resp> for Reply {
    fn from(resp: Resp) -> Self {
        match resp {
            Resp::Nil => Self::Nil,
            Resp::Int(n) => Self::Int(n),
            Resp::Status(data) | Resp::Data(data) => Self::Data(data),
            Resp::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Resp::Error(message) => Self::Error(message),
        }
    }
}
