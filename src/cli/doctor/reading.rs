//! Reading much from Redis without blocking it: pipelines of bounded size, and cursors instead of
//! commands that walk a whole collection at once.

use std::{
    collections::{HashMap, HashSet},
    iter,
};

use compat::store::{Batch, Cmd, Reply, Store, StoreError};
use futures_util::{StreamExt, TryStreamExt, stream};

/// Commands per round trip.
const PIPELINE: usize = 1000;
/// Pipelines under way at a time: the next is read while the server works on the one before.
const AT_ONCE: usize = 2;
/// Elements the server looks at per cursor step.
const STEP: i64 = 1000;
/// Cursors moved per round trip.
const CURSORS: usize = 100;

/// Runs commands in pipelines; one reply each, in order.
pub(super) async fn run_all(store: &dyn Store, cmds: Vec<Cmd>) -> Result<Vec<Reply>, StoreError> {
    let mut replies = Vec::with_capacity(cmds.len());
    let mut cmds = cmds.into_iter().peekable();
    let batches = iter::from_fn(|| {
        cmds.peek()?;
        Some(cmds.by_ref().take(PIPELINE).collect::<Batch>())
    });
    let mut answers = stream::iter(batches).map(|batch| store.run(batch)).buffered(AT_ONCE);
    while let Some(answer) = answers.try_next().await? {
        replies.extend(answer);
    }
    Ok(replies)
}

/// Every key of the database. `progress` is told how many were found so far.
pub(super) async fn scan(
    store: &dyn Store,
    mut progress: impl FnMut(usize),
) -> Result<HashSet<String>, StoreError> {
    let mut keys = HashSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let cmd = Cmd::new("SCAN").arg(cursor.as_str()).arg("COUNT").arg(STEP);
        let (next, found) = step(only(store.run(cmd.into()).await?))?;
        keys.extend(found);
        progress(keys.len());
        if next == "0" {
            return Ok(keys);
        }
        cursor = next;
    }
}

/// Members of sets; keys that are no sets have none.
pub(super) async fn set_members(
    store: &dyn Store,
    keys: impl IntoIterator<Item = String>,
) -> Result<HashMap<String, HashSet<String>>, StoreError> {
    let walked = walk(store, "SSCAN", keys).await?;
    Ok(walked.into_iter().map(|(key, members)| (key, members.into_iter().collect())).collect())
}

/// Members of sorted sets, without their scores.
pub(super) async fn zset_members(
    store: &dyn Store,
    key: &str,
) -> Result<HashSet<String>, StoreError> {
    let walked = walk(store, "ZSCAN", [key.to_owned()]).await?;
    Ok(walked.into_values().flatten().step_by(2).collect())
}

/// Fields of one large hash.
pub(super) async fn hash_fields(
    store: &dyn Store,
    key: &str,
) -> Result<HashMap<String, String>, StoreError> {
    let walked = walk(store, "HSCAN", [key.to_owned()]).await?;
    let mut texts = walked.into_values().flatten();
    let mut fields = HashMap::new();
    while let (Some(field), Some(value)) = (texts.next(), texts.next()) {
        fields.insert(field, value);
    }
    Ok(fields)
}

async fn walk(
    store: &dyn Store,
    command: &'static str,
    keys: impl IntoIterator<Item = String>,
) -> Result<HashMap<String, Vec<String>>, StoreError> {
    let mut walked: HashMap<String, Vec<String>> = HashMap::new();
    let mut open: Vec<(String, String)> =
        keys.into_iter().map(|key| (key, "0".to_owned())).collect();
    while !open.is_empty() {
        let now = open.split_off(open.len().saturating_sub(CURSORS));
        let cmd = |(key, cursor): &(String, String)| {
            Cmd::new(command).arg(key).arg(cursor).arg("COUNT").arg(STEP)
        };
        let replies = store.run(now.iter().map(cmd).collect()).await?;
        for ((key, _), reply) in now.into_iter().zip(replies) {
            if matches!(reply, Reply::Error(_)) {
                // Another type; reported where types are checked.
                walked.entry(key).or_default();
                continue;
            }
            let (next, found) = step(Some(reply))?;
            walked.entry(key.clone()).or_default().extend(found);
            if next != "0" {
                open.push((key, next));
            }
        }
    }
    Ok(walked)
}

/// Next cursor and elements of a reply to a cursor command.
fn step(reply: Option<Reply>) -> Result<(String, Vec<String>), StoreError> {
    let Some(Reply::Array(parts)) = reply else {
        return Err(match reply {
            Some(Reply::Error(message)) => StoreError::Shape(message),
            other => StoreError::Shape(format!("{other:?} where a cursor was expected")),
        });
    };
    let mut parts = parts.into_iter();
    let next = parts.next().map(Reply::text).transpose()?.flatten().unwrap_or_default();
    let found = parts.next().map(Reply::texts).transpose()?.unwrap_or_default();
    Ok((next, found))
}

fn only(replies: Vec<Reply>) -> Option<Reply> {
    replies.into_iter().next()
}
