//! What the legacy service does to keys in the background (contract/redis.md §e, §j): called by the
//! tasks, safe to run beside it.

use compat::{
    api_key_lookup,
    clock::iso,
    date::date_ms,
    lua,
    store::{Batch, Cmd, Reply, StoreError, accepted, scan_keys},
};

use super::Keys;

/// Commands per pipeline.
const STEP: usize = 500;

impl Keys {
    /// Every minute: drops expired leases, and anything under `concurrency:` that is no set of leases.
    /// Returns how many leases and foreign keys went.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn purge_leases(&self) -> Result<i64, StoreError> {
        let mut keys = scan_keys(&*self.store, "concurrency:*").await?;
        keys.retain(|key| !is_of_queue(key));
        let now = self.clock.now_ms();
        let mut gone = 0;
        for keys in keys.chunks(STEP) {
            // In one step: a lease may be taken at any moment.
            let purge = keys.iter().map(|key| Cmd::script(&lua::CONCURRENCY_PURGE, [key]).arg(now));
            let replies = self.store.run(purge.collect()).await?;
            accepted(&replies)?;
            gone += replies.into_iter().map(|reply| reply.int().unwrap_or(0)).sum::<i64>();
        }
        Ok(gone)
    }

    /// Every hour: switches off keys past their end of life. Returns how many.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn disable_expired(&self) -> Result<usize, StoreError> {
        let mut keys = scan_keys(&*self.store, "apikey:*").await?;
        keys.retain(|key| is_record(key));
        const READ: [&str; 4] = ["isActive", "expiresAt", "apiKey", "isDeleted"];
        let now = self.clock.now_ms();
        let mut disabled = 0;
        for keys in keys.chunks(STEP) {
            let read: Batch =
                keys.iter().map(|key| Cmd::new("HMGET").arg(key).args(READ)).collect();
            for (key, reply) in keys.iter().zip(self.store.run(read).await?) {
                let Ok(fields) = reply.texts() else { continue };
                let [active, expires_at, hash, deleted] = &fields[..] else { continue };
                if active != "true"
                    || deleted == "true"
                    || date_ms(expires_at).is_none_or(|at| at >= now)
                {
                    continue;
                }
                let id = key.strip_prefix("apikey:").unwrap_or(key);
                let expire = api_key_lookup::expire(id, expires_at, &iso(now));
                let replies = self.store.run(expire.into()).await?;
                accepted(&replies)?;
                if matches!(replies[..], [Reply::Int(1)]) {
                    self.store.run(api_key_lookup::after_expiry(id, hash)).await?;
                    self.forget(id);
                    tracing::info!(key = id, "an expired API key was switched off");
                    disabled += 1;
                }
            }
        }
        Ok(disabled)
    }
}

/// Whether `concurrency:…` belongs to the wait queue: its counters, and what it keeps count of.
fn is_of_queue(key: &str) -> bool {
    let Some(of) = key.strip_prefix("concurrency:queue:") else { return false };
    let kept = ["stats:", "wait_times:"].iter().any(|kind| of.starts_with(kind));
    kept || !(key.contains(":stats:") || key.contains(":wait_times:"))
}

/// Whether `apikey:x` is a record: exactly one colon, and not the hash map.
fn is_record(key: &str) -> bool {
    key.matches(':').count() == 1 && !key.starts_with("apikey:hash_map")
}
