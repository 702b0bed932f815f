//! The real database, read only: two pipelines per set of keys.
//!
//! The commands are `TYPE`, `PTTL`, one read by type, (`XINFO STREAM` for streams), and `SCAN`; nothing else is ever sent.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{Base, Listed, Loaded};
use crate::{
    memory::{
        number::double,
        value::{Stream, Value, Zset},
    },
    store::{Batch, Cmd, Reply, Store, StoreError},
};

/// Keys of one page of a walk.
const PAGE: u32 = 1000;
/// Most keys of one walk; more are an error, so that a run is incomplete rather than wrong.
const MAX_LISTED: usize = 200_000;

/// Whole values of keys of a real store.
#[derive(Clone)]
pub struct RedisBase(Arc<dyn Store>);

impl RedisBase {
    /// Reads from that store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    async fn read(&self, keys: Vec<Bytes>) -> Result<Vec<Loaded>, StoreError> {
        let mut shape = Batch::new();
        for key in &keys {
            shape.push(Cmd::new("TYPE").arg(key.clone()));
            shape.push(Cmd::new("PTTL").arg(key.clone()));
        }
        let mut replies = self.0.run(shape).await?.into_iter();
        let mut values = Batch::new();
        let mut kinds = Vec::with_capacity(keys.len());
        for key in keys {
            let (Some(kind), Some(ttl)) = (replies.next(), replies.next()) else {
                return Err(StoreError::Shape("fewer replies than commands".into()));
            };
            let (kind, ttl) = (kind.text()?.unwrap_or_default(), ttl.int()?);
            // The key may have ended between the two questions.
            let read = if ttl == -2 { None } else { read_of(&kind, key)? };
            kinds.push(read.is_some().then_some((kind, (ttl >= 0).then_some(ttl))));
            if let Some(read) = read {
                values.push(read);
            }
        }
        let mut replies =
            if values.is_empty() { Vec::new() } else { self.0.run(values).await? }.into_iter();
        kinds
            .into_iter()
            .map(|kind| {
                let Some((kind, ttl_ms)) = kind else { return Ok(Loaded::Absent) };
                let reply = replies.next().unwrap_or(Reply::Nil);
                let value = parse(&kind, reply)?.filter(|value| !value.is_empty());
                Ok(value.map_or(Loaded::Absent, |value| Loaded::Value { value, ttl_ms }))
            })
            .collect()
    }

    async fn list(&self, pattern: Bytes) -> Result<Vec<Bytes>, StoreError> {
        let (mut cursor, mut names) = (Bytes::from_static(b"0"), HashSet::new());
        loop {
            let scan = Cmd::new("SCAN").arg(cursor).arg("MATCH").arg(pattern.clone());
            let scan = scan.arg("COUNT").arg(PAGE);
            let page = self.0.run(Batch::from(scan)).await?.pop();
            let Some(Reply::Array(mut page)) = page else {
                return Err(StoreError::Shape("SCAN without a page".into()));
            };
            names.extend(items(page.pop().unwrap_or(Reply::Nil))?);
            if names.len() > MAX_LISTED {
                return Err(StoreError::Shape("too many keys to list".into()));
            }
            match page.pop() {
                Some(Reply::Data(next)) if next.as_ref() != b"0" => cursor = next,
                _ => return Ok(names.into_iter().collect()),
            }
        }
    }
}

impl Base for RedisBase {
    fn load(&self, keys: Vec<Bytes>) -> BoxFuture<'_, Result<Vec<Loaded>, StoreError>> {
        Box::pin(self.read(keys))
    }

    fn scan(&self, pattern: Bytes) -> BoxFuture<'_, Result<Listed, StoreError>> {
        Box::pin(async move { self.list(pattern).await.map(Some) })
    }
}

/// The read for a type, or `None` when there is no key.
fn read_of(kind: &str, key: Bytes) -> Result<Option<Cmd>, StoreError> {
    Ok(Some(match kind {
        "none" => return Ok(None),
        "string" => Cmd::new("GET").arg(key),
        "hash" => Cmd::new("HGETALL").arg(key),
        "set" => Cmd::new("SMEMBERS").arg(key),
        "zset" => Cmd::new("ZRANGE").arg(key).args(["0", "-1", "WITHSCORES"]),
        "list" => Cmd::new("LRANGE").arg(key).args(["0", "-1"]),
        // A run appends to streams and does not read them, and they are long: length and last id do.
        "stream" => Cmd::new("XINFO").arg("STREAM").arg(key),
        other => return Err(StoreError::Shape(format!("a key of type {other}"))),
    }))
}

fn items(reply: Reply) -> Result<Vec<Bytes>, StoreError> {
    match reply {
        Reply::Nil => Ok(Vec::new()),
        Reply::Array(items) => items.into_iter().map(item).collect(),
        other => Err(refused(&other)),
    }
}

fn item(reply: Reply) -> Result<Bytes, StoreError> {
    match reply {
        Reply::Data(data) => Ok(data),
        Reply::Int(number) => Ok(Bytes::from(number.to_string())),
        other => Err(refused(&other)),
    }
}

/// Names no data: values may be secret.
fn refused(reply: &Reply) -> StoreError {
    StoreError::Shape(match reply {
        Reply::Error(message) => message.clone(),
        _ => "a value of another shape than its type".into(),
    })
}

/// The value in a reply; `None` when the key ended meanwhile.
pub(in crate::memory) fn parse(kind: &str, reply: Reply) -> Result<Option<Value>, StoreError> {
    if reply == Reply::Nil {
        return Ok(None);
    }
    Ok(Some(match kind {
        "string" => Value::String(item(reply)?),
        "hash" => Value::Hash(pairs(reply)?.collect()),
        "set" => Value::Set(items(reply)?.into_iter().collect()),
        "list" => Value::List(items(reply)?.into()),
        "zset" => {
            let mut zset = Zset::default();
            for (member, score) in pairs(reply)? {
                let score = double(&score)
                    .ok_or_else(|| StoreError::Shape("a score that is no number".into()))?;
                zset.insert(member, score);
            }
            Value::Zset(zset)
        }
        "stream" => Value::Stream(stream(reply)?),
        other => return Err(StoreError::Shape(format!("a key of type {other}"))),
    }))
}

fn pairs(reply: Reply) -> Result<impl Iterator<Item = (Bytes, Bytes)>, StoreError> {
    let items = items(reply)?;
    let mut pairs = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let (Some(left), Some(right)) = (items.next(), items.next()) {
        pairs.push((left, right));
    }
    Ok(pairs.into_iter())
}

/// From `XINFO STREAM`: names and facts in turn.
fn stream(reply: Reply) -> Result<Stream, StoreError> {
    let Reply::Array(facts) = reply else { return Err(refused(&reply)) };
    let fact = |name: &[u8]| {
        let mut pairs = facts.chunks_exact(2);
        let pair = pairs.find(|pair| matches!(&pair[0], Reply::Data(word) if word == name));
        pair.map(|pair| pair[1].clone())
    };
    let odd = || StoreError::Shape("an odd stream".into());
    let unread = fact(b"length").ok_or_else(odd)?.int()?;
    let last = fact(b"last-generated-id").ok_or_else(odd)?.text()?.unwrap_or_default();
    let (ms, seq) = last.split_once('-').ok_or_else(odd)?;
    let last = (ms.parse().map_err(|_| odd())?, seq.parse().map_err(|_| odd())?);
    Ok(Stream { unread: usize::try_from(unread).unwrap_or(0), last, ..Stream::default() })
}
