//! The hourly sweep (contract/auth-limits-usage.md §11): expired keys, accounts in error, keys of Redis that
//! should expire and do not; and every minute the slots of the dead.

use compat::{
    lua,
    store::{Cmd, Reply, StoreError},
};

use super::{Done, Jobs, counted, joined};

/// Patterns of keys that must expire, and the seconds they get when they do not.
const MUST_EXPIRE: [(&str, i64); 5] = [
    ("usage:daily:*", 86_400),
    ("ratelimit:*", 86_400),
    ("session:*", 86_400),
    ("sticky_session:*", 86_400),
    ("oauth:*", 600),
];

impl Jobs {
    /// Switches off expired keys, gives accounts in error another chance, repairs expiries.
    pub(super) async fn clean_up(&self) -> Done {
        let disabled = self.0.keys.disable_expired().await?;
        let retried = self.0.accounts.retry_errors().await?;
        let repaired = self.repair_expiries().await?;
        Ok(joined([
            counted(disabled, "key expired", "keys expired"),
            counted(retried, "account in error tried again", "accounts in error tried again"),
            counted(repaired, "expiry repaired", "expiries repaired"),
        ]))
    }

    async fn repair_expiries(&self) -> Result<usize, StoreError> {
        let mut repaired = 0;
        for (pattern, seconds) in MUST_EXPIRE {
            let keys = self.scan(pattern).await?;
            // In one step: another writer may set the right expiry at any moment.
            let expire =
                keys.iter().map(|key| Cmd::script(&lua::EXPIRE_LASTING, [key]).arg(seconds));
            let replies = self.run(expire.collect()).await?;
            repaired += replies.into_iter().filter(|reply| matches!(reply, Reply::Int(1))).count();
        }
        Ok(repaired)
    }

    /// Drops expired leases, and what is no set of leases.
    pub(super) async fn purge_leases(&self) -> Done {
        let gone = self.0.keys.purge_leases().await?;
        let gone = usize::try_from(gone).unwrap_or(0);
        Ok(counted(gone, "slot freed", "slots freed"))
    }
}
