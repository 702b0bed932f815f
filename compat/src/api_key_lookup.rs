//! Finding an API key's record by the hash of the key (contract/redis.md §a).

use std::collections::HashMap;

use crate::{
    lua,
    store::{Batch, Cmd, Reply, StoreError},
};

const HASH_MAP: &str = "apikey:hash_map";
/// Lifetime of a key record, renewed by whoever writes it.
const RECORD_TTL_S: i64 = 365 * 86_400;

/// Where the id of a key was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// In the hash map.
    HashMap,
    /// In the record of the old layout; the map lacks it.
    LegacyRecord,
}

/// A key's record and its owner, as read in one round trip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where its id came from.
    pub via: Via,
    /// Id by the map or the old record.
    pub id: String,
    /// Fields of the record; empty when the record is gone.
    pub fields: HashMap<String, String>,
    /// JSON of the owning user: `None` without owner or when the user is gone.
    pub owner: Option<String>,
}

/// Reads the record that belongs to `hash`; read the reply with [`found`]. Harmless to send twice.
pub fn by_hash(hash: &str) -> Batch {
    let keys = [HASH_MAP.to_owned(), format!("apikey_hash:{hash}")];
    Batch::from(Cmd::script(&lua::API_KEY_LOOKUP, keys).arg(hash)).repeatable()
}

/// Reads the reply to [`by_hash`]; `None` when no key has this hash.
///
/// # Errors
/// When Redis refused the script.
pub fn found(reply: Reply) -> Result<Option<Found>, StoreError> {
    let shape = || StoreError::Shape("api key lookup".into());
    let parts = match reply {
        Reply::Array(parts) => parts,
        Reply::Error(message) => return Err(StoreError::Shape(message)),
        _ => return Err(shape()),
    };
    let mut parts = parts.into_iter();
    let mut next = || parts.next().ok_or_else(shape);
    let via = match next()?.int()? {
        1 => Via::HashMap,
        2 => Via::LegacyRecord,
        _ => return Ok(None),
    };
    let id = next()?.text()?.unwrap_or_default();
    let fields = next()?.map()?;
    Ok(Some(Found { via, id, fields, owner: next()?.text()? }))
}

impl Found {
    /// What puts the hash map right again, if it is wrong: the entry that was missing, or the removal of
    /// one whose record is gone.
    pub fn mend(&self, hash: &str) -> Option<Cmd> {
        match (self.via, self.fields.is_empty()) {
            (Via::HashMap, true) => Some(Cmd::new("HDEL").arg(HASH_MAP).arg(hash)),
            (Via::LegacyRecord, false) => {
                Some(Cmd::new("HSET").arg(HASH_MAP).arg(hash).arg(&self.id))
            }
            _ => None,
        }
    }
}

/// Notes the first use of a key: activation time, end of life, last use, as single fields. The reply is
/// 0 when another request did so first or the record is gone.
pub fn activate(key_id: &str, now_iso: &str, expires_iso: &str) -> Cmd {
    Cmd::script(&lua::API_KEY_ACTIVATE, [format!("apikey:{key_id}")])
        .arg(now_iso)
        .arg(expires_iso)
        .arg(RECORD_TTL_S)
}

/// Switches off a key whose end of life was read as `expires_at`, as single fields. The reply is 0 when
/// the key was changed or switched off meanwhile.
pub fn expire(key_id: &str, expires_at: &str, now_iso: &str) -> Cmd {
    Cmd::script(&lua::API_KEY_EXPIRE, [format!("apikey:{key_id}")])
        .arg(expires_at)
        .arg(now_iso)
        .arg(RECORD_TTL_S)
}

/// What follows from switching a key off: its entry in the hash map is asserted, and it leaves the sets
/// of active and of deleted keys.
pub fn after_expiry(key_id: &str, hash: &str) -> Batch {
    let mut batch = Batch::atomic();
    if !hash.is_empty() {
        batch.push(Cmd::new("HSET").arg(HASH_MAP).arg(hash).arg(key_id));
    }
    batch.push(Cmd::new("SREM").arg("apikey:set:active").arg(key_id));
    batch.push(Cmd::new("SREM").arg("apikey:set:deleted").arg(key_id));
    batch
}
