//! Replies as data.

use std::collections::HashMap;

use bytes::Bytes;

use super::StoreError;

/// Reply to one command.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// No value.
    Nil,
    /// Integer.
    Int(i64),
    /// Bulk or simple string (`OK` too).
    Data(Bytes),
    /// Array, set, or flattened map (field, value, field, value …).
    Array(Vec<Reply>),
    /// Redis refused the command.
    Error(String),
}

/// Errors of a database that takes no writes at all: a replica, full, unable to save, starting, forbidden.
const CLOSED: [&str; 10] = [
    "READONLY",
    "OOM",
    "MISCONF",
    "NOREPLICAS",
    "LOADING",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "NOPERM",
    "NOAUTH",
    "EXECABORT",
];

/// Fails when the database refused commands for what it is, not for what they were: the rest would be refused,
/// too. Commands that were refused for their own sake (a key of another type) do not count.
///
/// # Errors
/// What Redis said.
pub fn accepted(replies: &[Reply]) -> Result<(), StoreError> {
    let closed = replies.iter().find_map(|reply| match reply {
        Reply::Error(error) => {
            let code = error.split([' ', ':']).next().unwrap_or_default();
            CLOSED.contains(&code).then(|| error.clone())
        }
        _ => None,
    });
    closed.map_or(Ok(()), |error| Err(StoreError::Shape(error)))
}

impl Reply {
    /// Text, or `None` for no value.
    ///
    /// # Errors
    /// When the reply is an error, an array, or not UTF-8.
    pub fn text(self) -> Result<Option<String>, StoreError> {
        match self {
            Self::Nil => Ok(None),
            Self::Int(n) => Ok(Some(n.to_string())),
            Self::Data(data) => Ok(Some(match std::str::from_utf8(&data) {
                Ok(text) => text.to_owned(),
                Err(_) => String::from_utf8_lossy(&data).into_owned(),
            })),
            Self::Error(message) => Err(StoreError::Shape(message)),
            Self::Array(_) => Err(StoreError::Shape("array where text was expected".into())),
        }
    }

    /// Integer; integer text is read too, no value is 0.
    ///
    /// # Errors
    /// When the reply is an error or not a number.
    pub fn int(self) -> Result<i64, StoreError> {
        match self {
            Self::Nil => Ok(0),
            Self::Int(n) => Ok(n),
            Self::Data(data) => std::str::from_utf8(&data)
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| StoreError::Shape("text where a number was expected".into())),
            Self::Error(message) => Err(StoreError::Shape(message)),
            Self::Array(_) => Err(StoreError::Shape("array where a number was expected".into())),
        }
    }

    /// List of texts (of `SMEMBERS`, `LRANGE` …); no value is empty.
    ///
    /// # Errors
    /// When the reply is an error or not an array.
    pub fn texts(self) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Nil => Ok(Vec::new()),
            Self::Array(items) => {
                items.into_iter().map(|item| Ok(item.text()?.unwrap_or_default())).collect()
            }
            Self::Error(message) => Err(StoreError::Shape(message)),
            other => Err(StoreError::Shape(format!("{other:?} where an array was expected"))),
        }
    }

    /// Fields of `HGETALL`; a missing key is empty.
    ///
    /// # Errors
    /// When the reply is an error or not pairs.
    pub fn map(self) -> Result<HashMap<String, String>, StoreError> {
        let texts = self.texts()?;
        let mut fields = HashMap::with_capacity(texts.len() / 2);
        let mut texts = texts.into_iter();
        while let (Some(field), Some(value)) = (texts.next(), texts.next()) {
            fields.insert(field, value);
        }
        Ok(fields)
    }
}
