//! Locks shared with the legacy service (contract/redis.md §g): taken with `SET NX`, given back only by
//! their owner.

use crate::{
    keys, lua,
    store::{Cmd, Reply, StoreError},
};

/// A lock: key, owner's value, lifetime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    key: String,
    value: String,
    ttl_ms: i64,
}

impl Lock {
    /// Token refresh of one account: 60 s, any unique value. `platform` is `claude`, `gemini` or
    /// `openai`.
    pub fn token_refresh(platform: &str, account_id: &str, value: impl Into<String>) -> Self {
        let key = format!("token_refresh_lock:{platform}:{account_id}");
        Self { key, value: value.into(), ttl_ms: 60_000 }
    }

    /// Recovery of a stopped account: 5 s; the value is `{epoch ms}_{random}`.
    pub fn account_recovery(account_id: &str, value: impl Into<String>) -> Self {
        Self {
            key: format!("lock:account:{account_id}:recovery"),
            value: value.into(),
            ttl_ms: 5000,
        }
    }

    /// The weekly cost back-fill of one local date: 15 min; the value is `{pid}:{epoch ms}`.
    pub fn weekly_cost_init(date: &str, value: impl Into<String>) -> Self {
        Self {
            key: format!("lock:init:weekly_opus_cost:{date}"),
            value: value.into(),
            ttl_ms: 900_000,
        }
    }

    /// One rank of keys by cost being built: 5 min, any value (the legacy service's is `1`).
    pub fn cost_rank(range: &str, value: impl Into<String>) -> Self {
        Self { key: keys::cost_rank_lock(range), value: value.into(), ttl_ms: 300_000 }
    }

    /// A background job of crs at work: 2 min, renewed while it runs.
    pub fn job(name: &str, value: impl Into<String>) -> Self {
        Self { key: keys::job_lock(name), value: value.into(), ttl_ms: 120_000 }
    }

    /// Key of the lock.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Tries to take it; read the reply with [`taken`].
    pub fn acquire(&self) -> Cmd {
        Cmd::new("SET").arg(&self.key).arg(&self.value).arg("PX").arg(self.ttl_ms).arg("NX")
    }

    /// Lives on for its whole life, if it is still ours; the reply is 1 if so.
    pub fn renew(&self) -> Cmd {
        Cmd::script(&lua::COMPARE_AND_EXPIRE, [&self.key]).arg(&self.value).arg(self.ttl_ms)
    }

    /// Gives it back if it is still ours; the reply is 1 if so.
    pub fn release(&self) -> Cmd {
        Cmd::script(&lua::COMPARE_AND_DELETE, [&self.key]).arg(&self.value)
    }
}

/// Whether [`Lock::acquire`] took the lock.
///
/// # Errors
/// When Redis refused the command.
pub fn taken(reply: Reply) -> Result<bool, StoreError> {
    Ok(reply.text()?.is_some())
}

#[cfg(test)]
mod tests;
