//! Whole-database snapshots, the net change between two, and putting a database back.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::redis::{Redis, Reply, command};

/// One key's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    Text(Vec<u8>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    Sorted(BTreeMap<Vec<u8>, String>),
    List(Vec<Vec<u8>>),
    Stream(Vec<Vec<(String, String)>>),
}

/// One key: value and milliseconds to live, if limited.
#[derive(Clone, Debug)]
pub struct Entry {
    pub stored: Stored,
    pub ttl_ms: Option<i64>,
}

/// All keys of a database.
pub type Snapshot = BTreeMap<String, Entry>;

/// More keys than this are not a scenario database.
const MOST_KEYS: usize = 5_000;

/// Reads every key.
pub async fn take(redis: &mut Redis) -> Result<Snapshot> {
    let keys = keys(redis).await?;
    let types = redis.pipeline(keys.iter().map(|key| command(["TYPE", key])).collect()).await?;
    let mut reads = Vec::new();
    for (key, kind) in keys.iter().zip(&types) {
        reads.push(match kind.clone().text().as_str() {
            "string" => command(["GET", key]),
            "hash" => command(["HGETALL", key]),
            "set" => command(["SMEMBERS", key]),
            "zset" => command(["ZRANGE", key, "0", "-1", "WITHSCORES"]),
            "list" => command(["LRANGE", key, "0", "-1"]),
            "stream" => command(["XRANGE", key, "-", "+"]),
            _ => command(["EXISTS", key]),
        });
        reads.push(command(["PTTL", key]));
    }
    let mut replies = redis.pipeline(reads).await?.into_iter();
    let mut snapshot = Snapshot::new();
    for (key, kind) in keys.into_iter().zip(types) {
        let (Some(value), Some(ttl)) = (replies.next(), replies.next()) else { break };
        let Some(stored) = stored(&kind.text(), value) else { continue };
        let ttl_ms = match ttl {
            Reply::Int(ms) if ms >= 0 => Some(ms),
            _ => None,
        };
        snapshot.insert(key, Entry { stored, ttl_ms });
    }
    Ok(snapshot)
}

/// Waits until Redis stops changing: two equal looks in a row.
pub async fn take_settled(redis: &mut Redis) -> Result<Snapshot> {
    let mut last = take(redis).await?;
    for _ in 0..40 {
        tokio::time::sleep(std::time::Duration::from_millis(120)).await;
        let next = take(redis).await?;
        let same = last.len() == next.len()
            && last.iter().all(|(key, entry)| {
                next.get(key).is_some_and(|other| other.stored == entry.stored)
            });
        last = next;
        if same {
            break;
        }
    }
    Ok(last)
}

async fn keys(redis: &mut Redis) -> Result<Vec<String>> {
    let mut keys = BTreeSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let reply = redis.call(command(["SCAN", &cursor, "COUNT", "1000"])).await?;
        let mut parts = reply.list().into_iter();
        cursor = parts.next().map(Reply::text).unwrap_or_default();
        keys.extend(parts.next().map(Reply::list).unwrap_or_default().into_iter().map(Reply::text));
        if keys.len() > MOST_KEYS {
            bail!("more than {MOST_KEYS} keys: this is not a Redis to run scenarios on");
        }
        if cursor == "0" || cursor.is_empty() {
            return Ok(keys.into_iter().collect());
        }
    }
}

fn stored(kind: &str, value: Reply) -> Option<Stored> {
    let bytes = |reply: Reply| reply.bytes().unwrap_or_default();
    Some(match kind {
        "string" => Stored::Text(value.bytes()?),
        "hash" => Stored::Hash(pairs(value).map(|(a, b)| (bytes(a), bytes(b))).collect()),
        "set" => Stored::Set(value.list().into_iter().map(bytes).collect()),
        "zset" => Stored::Sorted(pairs(value).map(|(a, b)| (bytes(a), b.text())).collect()),
        "list" => Stored::List(value.list().into_iter().map(bytes).collect()),
        "stream" => Stored::Stream(
            value
                .list()
                .into_iter()
                .map(|entry| {
                    let fields = entry.list().into_iter().nth(1).unwrap_or(Reply::Nil);
                    pairs(fields).map(|(a, b)| (a.text(), b.text())).collect()
                })
                .collect(),
        ),
        _ => return None,
    })
}

fn pairs(reply: Reply) -> impl Iterator<Item = (Reply, Reply)> {
    let mut items = reply.list().into_iter();
    std::iter::from_fn(move || Some((items.next()?, items.next()?)))
}

/// Serialized keys, to put a database back to.
pub struct Baseline {
    dumps: BTreeMap<String, (Vec<u8>, i64)>,
}

impl Baseline {
    pub async fn take(redis: &mut Redis) -> Result<Self> {
        let keys = keys(redis).await?;
        let reads = keys.iter().flat_map(|key| [command(["DUMP", key]), command(["PTTL", key])]);
        let mut replies = redis.pipeline(reads.collect()).await?.into_iter();
        let mut dumps = BTreeMap::new();
        for key in keys {
            if let (Some(Reply::Bytes(dump)), Some(Reply::Int(ttl))) =
                (replies.next(), replies.next())
            {
                dumps.insert(key, (dump, ttl.max(0)));
            }
        }
        Ok(Self { dumps })
    }

    /// Deletes every other key and writes these back.
    pub async fn put(&self, redis: &mut Redis) -> Result<()> {
        let mut commands = Vec::new();
        for key in keys(redis).await? {
            if !self.dumps.contains_key(&key) {
                commands.push(command(["DEL", &key]));
            }
        }
        for (key, (dump, ttl)) in &self.dumps {
            commands.push(vec![
                b"RESTORE".to_vec(),
                key.as_bytes().to_vec(),
                ttl.to_string().into_bytes(),
                dump.clone(),
                b"REPLACE".to_vec(),
            ]);
        }
        for reply in redis.pipeline(commands).await? {
            if let Reply::Error(error) = reply {
                bail!("putting Redis back: {error}");
            }
        }
        Ok(())
    }
}

/// Net change as JSON by key: `{type, ttl?, …}` with only what differs. `render` turns a stored
/// text of a key's field into what is shown (decryption, JSON parsing).
pub fn change(
    before: &Snapshot,
    after: &Snapshot,
    render: &dyn Fn(&str, &str, &[u8]) -> Value,
) -> Map<String, Value> {
    let mut out = Map::new();
    for (key, entry) in after {
        let old = before.get(key);
        let mut shown = difference(key, old.map(|old| &old.stored), &entry.stored, render);
        let renewed = match (old.map(|old| old.ttl_ms), entry.ttl_ms) {
            (None, ttl) => ttl,
            (Some(None), ttl) => ttl,
            (Some(Some(was)), Some(is)) if is > was + 1_000 || was > is + 120_000 => Some(is),
            (Some(Some(_)), Some(_)) => None,
            (Some(Some(_)), None) => {
                shown.insert("ttl".to_owned(), json!("removed"));
                None
            }
        };
        if let Some(ttl) = renewed {
            shown.insert("ttl".to_owned(), json!(rounded_seconds(ttl)));
        }
        if !shown.is_empty() {
            shown.shift_insert(0, "type".to_owned(), json!(kind(&entry.stored)));
            out.insert(key.clone(), Value::Object(shown));
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        out.insert(key.clone(), json!("deleted"));
    }
    out
}

/// Seconds to live with the run's own duration rounded away.
fn rounded_seconds(ms: i64) -> i64 {
    let seconds = (ms + 500) / 1000;
    if seconds > 90 { (seconds + 9) / 10 * 10 } else { seconds }
}

fn kind(stored: &Stored) -> &'static str {
    match stored {
        Stored::Text(_) => "string",
        Stored::Hash(_) => "hash",
        Stored::Set(_) => "set",
        Stored::Sorted(_) => "zset",
        Stored::List(_) => "list",
        Stored::Stream(_) => "stream",
    }
}

fn difference(
    key: &str,
    old: Option<&Stored>,
    new: &Stored,
    render: &dyn Fn(&str, &str, &[u8]) -> Value,
) -> Map<String, Value> {
    let mut out = Map::new();
    if old == Some(new) {
        return out;
    }
    let lossy = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    match new {
        Stored::Text(text) => {
            out.insert("value".to_owned(), render(key, "", text));
        }
        Stored::Hash(fields) => {
            let empty = BTreeMap::new();
            let was = if let Some(Stored::Hash(was)) = old { was } else { &empty };
            let mut shown = Map::new();
            for (name, value) in fields.iter().filter(|(name, value)| was.get(*name) != Some(value))
            {
                let name = lossy(name);
                shown.insert(name.clone(), render(key, &name, value));
            }
            for name in was.keys().filter(|name| !fields.contains_key(*name)) {
                shown.insert(lossy(name), json!("deleted"));
            }
            out.insert("fields".to_owned(), Value::Object(shown));
        }
        Stored::Set(members) => {
            let empty = BTreeSet::new();
            let was = if let Some(Stored::Set(was)) = old { was } else { &empty };
            let added: Vec<_> = members.difference(was).map(|m| render(key, "", m)).collect();
            let gone: Vec<_> = was.difference(members).map(|m| render(key, "", m)).collect();
            put_list(&mut out, "added", added);
            put_list(&mut out, "removed", gone);
        }
        Stored::Sorted(members) => {
            let empty = BTreeMap::new();
            let was = if let Some(Stored::Sorted(was)) = old { was } else { &empty };
            let shown: Vec<_> = members
                .iter()
                .filter(|(member, score)| was.get(*member) != Some(score))
                .map(|(member, score)| json!([lossy(member), score]))
                .collect();
            let gone = was.keys().filter(|member| !members.contains_key(*member));
            put_list(&mut out, "scores", shown);
            put_list(&mut out, "removed", gone.map(|member| json!(lossy(member))).collect());
        }
        Stored::List(items) => {
            let was = if let Some(Stored::List(was)) = old { was.as_slice() } else { &[] };
            let pushed = items.len().saturating_sub(was.len());
            if items[pushed..] == *was {
                let shown = items[..pushed].iter().map(|item| render(key, "", item)).collect();
                out.insert("pushed".to_owned(), Value::Array(shown));
            } else {
                out.insert("length".to_owned(), json!(items.len()));
                let shown = items.iter().take(3).map(|item| render(key, "", item)).collect();
                out.insert("first".to_owned(), Value::Array(shown));
            }
        }
        Stored::Stream(entries) => {
            let was = if let Some(Stored::Stream(was)) = old { was.len() } else { 0 };
            let shown = entries[was.min(entries.len())..]
                .iter()
                .map(|fields| {
                    let fields = fields
                        .iter()
                        .map(|(name, value)| (name.clone(), render(key, name, value.as_bytes())));
                    Value::Object(fields.collect())
                })
                .collect();
            out.insert("entries".to_owned(), Value::Array(shown));
        }
    }
    out
}

fn put_list(out: &mut Map<String, Value>, name: &str, items: Vec<Value>) {
    if !items.is_empty() {
        out.insert(name.to_owned(), Value::Array(items));
    }
}
