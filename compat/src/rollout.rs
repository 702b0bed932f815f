//! Own keys of the rollout: the record, its history, and the instances that follow it. Commands only;
//! what stands in a record is the caller's.

use crate::{
    keys, lua,
    store::{Batch, Cmd, Reply, StoreError},
};

/// Records kept in the history; older ones are dropped.
pub const HISTORY_CAP: i64 = 1000;
/// Life of what an instance says of itself, seconds; it says it again every few seconds.
pub const INSTANCE_LIFE_S: i64 = 15;
/// Life of the list of instances after the last sign of life of any.
const INSTANCES_LIFE_S: i64 = 86_400;
/// Instances listed at most.
const LISTED_MAX: i64 = 200;

/// What became of a [`replace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The new record stands.
    Done,
    /// Another change was first.
    Outdated,
    /// What stands under the key is no record; nothing was changed.
    Unreadable,
}

/// Reads the record, JSON text or nothing.
pub fn read() -> Cmd {
    Cmd::new("GET").arg(keys::ROLLOUT)
}

/// Replaces the record if its version is `expected` (0: there is none) and puts the new one on top of
/// the history; read the reply with [`replaced`]. `record` must be JSON with its own `version`.
pub fn replace(expected: u64, record: &str) -> Cmd {
    Cmd::script(&lua::ROLLOUT_REPLACE, [keys::ROLLOUT, keys::ROLLOUT_HISTORY])
        .arg(expected)
        .arg(record)
        .arg(HISTORY_CAP)
}

/// Reads the reply to [`replace`].
///
/// # Errors
/// When Redis refused the script.
pub fn replaced(reply: Reply) -> Result<Replaced, StoreError> {
    match reply.int()? {
        1 => Ok(Replaced::Done),
        0 => Ok(Replaced::Outdated),
        _ => Ok(Replaced::Unreadable),
    }
}

/// How long it is known who told operators of a version.
const TOLD_SECONDS: i64 = 86_400;

/// Takes it on to tell operators of a version; see [`is_mine`].
pub fn tell(version: u64, id: &str) -> Cmd {
    Cmd::new("SET")
        .arg(keys::rollout_told(version.to_string()))
        .arg(id)
        .arg("NX")
        .arg("EX")
        .arg(TOLD_SECONDS)
}

/// Whether [`tell`] was the first.
pub fn is_mine(reply: Reply) -> bool {
    !matches!(reply, Reply::Nil)
}

/// The newest `count` records, newest first; the reply is a list of JSON texts.
pub fn history(count: u32) -> Cmd {
    Cmd::new("LRANGE").arg(keys::ROLLOUT_HISTORY).arg(0_i64).arg(i64::from(count) - 1)
}

/// A sign of life of an instance: `about` is JSON. Instances that went silent leave the list.
pub fn beat(id: &str, about: &str, now_ms: i64) -> Batch {
    let silent = now_ms.saturating_sub(INSTANCE_LIFE_S * 1000);
    Batch::from_iter([
        Cmd::new("SET").arg(keys::instance(id)).arg(about).arg("EX").arg(INSTANCE_LIFE_S),
        Cmd::new("ZADD").arg(keys::INSTANCES).arg(now_ms).arg(id),
        Cmd::new("ZREMRANGEBYSCORE").arg(keys::INSTANCES).arg("-inf").arg(silent),
        Cmd::new("EXPIRE").arg(keys::INSTANCES).arg(INSTANCES_LIFE_S),
    ])
    .repeatable()
}

/// Takes an instance that ends off the list.
pub fn leave(id: &str) -> Batch {
    Batch::from_iter([
        Cmd::new("DEL").arg(keys::instance(id)),
        Cmd::new("ZREM").arg(keys::INSTANCES).arg(id),
    ])
    .repeatable()
}

/// Ids of the instances that live; the reply is a list.
pub fn instances() -> Cmd {
    Cmd::new("ZREVRANGE").arg(keys::INSTANCES).arg(0_i64).arg(LISTED_MAX - 1)
}

/// What these instances say of themselves; the reply is a list of JSON texts, empty for the gone.
pub fn about(ids: &[String]) -> Cmd {
    Cmd::new("MGET").args(ids.iter().map(keys::instance))
}
