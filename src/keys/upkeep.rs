//! What the legacy service does to keys in the background (contract/redis.md §e, §j): called by the
//! tasks, safe to run beside it.

use compat::{
    api_key_lookup,
    clock::iso,
    date::date_ms,
    store::{Batch, Cmd, Reply, StoreError, scan_keys},
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
        keys.retain(|key| !key.starts_with("concurrency:queue:"));
        let now = self.clock.now_ms();
        let mut gone = 0;
        for keys in keys.chunks(STEP) {
            let types: Batch = keys.iter().map(|key| Cmd::new("TYPE").arg(key)).collect();
            let types = self.store.run(types).await?;
            let purge: Batch = keys
                .iter()
                .zip(types)
                .map(|(key, kind)| match kind {
                    Reply::Data(kind) if kind == "zset" => {
                        Cmd::new("ZREMRANGEBYSCORE").arg(key).arg("-inf").arg(now)
                    }
                    _ => Cmd::new("DEL").arg(key),
                })
                .collect();
            for reply in self.store.run(purge).await? {
                gone += reply.int().unwrap_or(0);
            }
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
        let now = self.clock.now_ms();
        let mut disabled = 0;
        for keys in keys.chunks(STEP) {
            let read: Batch = keys
                .iter()
                .map(|key| Cmd::new("HMGET").arg(key).args(["isActive", "expiresAt", "apiKey"]))
                .collect();
            for (key, reply) in keys.iter().zip(self.store.run(read).await?) {
                let Ok(fields) = reply.texts() else { continue };
                let [active, expires_at, hash] = &fields[..] else { continue };
                if active != "true" || date_ms(expires_at).is_none_or(|at| at >= now) {
                    continue;
                }
                let id = key.strip_prefix("apikey:").unwrap_or(key);
                let expire = api_key_lookup::expire(id, expires_at, &iso(now));
                if matches!(self.store.run(expire.into()).await?.pop(), Some(Reply::Int(1))) {
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

/// Whether `apikey:x` is a record: exactly one colon, and not the hash map.
fn is_record(key: &str) -> bool {
    key.matches(':').count() == 1 && !key.starts_with("apikey:hash_map")
}
