//! Leases on request slots (contract/redis.md §e): a sorted set per key, member = one request, score =
//! when its lease ends by the writer's clock.
//!
//! Acquiring is unconditional; the caller compares the count with its limit and gives back. Leases of
//! other writers are never touched, only expired ones.

use crate::{
    lua,
    store::{Cmd, Reply, StoreError},
};

/// Key of an API key's leases.
pub fn api_key(key_id: &str) -> String {
    format!("concurrency:{key_id}")
}

/// Key of a console account's leases.
pub fn console_account(account_id: &str) -> String {
    format!("concurrency:console_account:{account_id}")
}

/// How long a lease lasts, and the key that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Lease, in milliseconds.
    pub ms: i64,
    /// Lifetime of the sorted set, in milliseconds: lease and grace, at least a minute.
    pub key_ttl_ms: i64,
}

const GRACE_MS: i64 = 30_000;

impl Lease {
    /// Lease of an API key's request slot: 300 s.
    pub const API_KEY: Self = Self::seconds(300);
    /// Lease of a console account's slot: 600 s.
    pub const CONSOLE_ACCOUNT: Self = Self::seconds(600);

    /// A lease of that many seconds.
    pub const fn seconds(seconds: i64) -> Self {
        let ms = seconds * 1000;
        let with_grace = ms + GRACE_MS;
        Self { ms, key_ttl_ms: if with_grace < 60_000 { 60_000 } else { with_grace } }
    }
}

/// Takes a slot or extends it; the reply is the number of slots taken, this one included.
pub fn acquire(key: &str, member: &str, now_ms: i64, lease: Lease) -> Cmd {
    timed(Cmd::script(&lua::CONCURRENCY_ACQUIRE, [key]), member, now_ms, lease)
}

/// Extends a slot; the reply is 0 when it no longer exists, and it is not made again.
pub fn refresh(key: &str, member: &str, now_ms: i64, lease: Lease) -> Cmd {
    timed(Cmd::script(&lua::CONCURRENCY_REFRESH, [key]), member, now_ms, lease)
}

/// Gives a slot back; harmless when it is not there. The reply is the number of slots left.
pub fn release(key: &str, member: &str, now_ms: i64) -> Cmd {
    Cmd::script(&lua::CONCURRENCY_RELEASE, [key]).arg(member).arg(now_ms)
}

/// Number of live slots.
pub fn count(key: &str, now_ms: i64) -> Cmd {
    Cmd::script(&lua::CONCURRENCY_COUNT, [key]).arg(now_ms)
}

fn timed(cmd: Cmd, member: &str, now_ms: i64, lease: Lease) -> Cmd {
    cmd.arg(member).arg(now_ms + lease.ms).arg(now_ms).arg(lease.key_ttl_ms)
}

/// Reads the reply of any command of this module.
///
/// # Errors
/// When Redis refused the command.
pub fn slots(reply: Reply) -> Result<i64, StoreError> {
    reply.int()
}

#[cfg(test)]
mod tests;
