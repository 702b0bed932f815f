//! Locks and counters of the queues that nobody will ever give back: those without an expiry.
//!
//! The legacy service deletes all of them when it starts, also those that other instances hold
//! (MIGRATION 50).

use compat::{
    relay_config::RelayConfig,
    store::{Cmd, Reply, StoreError},
};

use super::{Done, Jobs, counted};

impl Jobs {
    /// Every minute while the message queue is on: its locks without an expiry.
    pub(super) async fn remove_orphan_locks(&self) -> Done {
        let stored = self.one(Cmd::new("GET").arg(compat::keys::RELAY_CONFIG)).await?.text()?;
        if !RelayConfig::parse(stored.as_deref()).user_message_queue.enabled {
            return Ok(None);
        }
        let gone = self.remove_lasting("user_msg_queue_lock:*", |_| true).await?;
        Ok(counted(gone, "lock removed", "locks removed"))
    }

    /// At start: locks of the message queue and counters of the wait queue without an expiry.
    pub(super) async fn remove_leftovers(&self) -> Done {
        let locks = self.remove_lasting("user_msg_queue_lock:*", |_| true).await?;
        let counter = |key: &str| {
            !key.starts_with("concurrency:queue:stats:")
                && !key.starts_with("concurrency:queue:wait_times:")
        };
        let counters = match self.0.settings.clear_queues_at_start {
            true => self.remove_lasting("concurrency:queue:*", counter).await?,
            false => 0,
        };
        Ok(counted(locks + counters, "leftover removed", "leftovers removed"))
    }

    async fn remove_lasting(
        &self,
        pattern: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<usize, StoreError> {
        let mut keys = self.scan(pattern).await?;
        keys.retain(|key| wanted(key));
        let ask = keys.iter().map(|key| Cmd::new("PTTL").arg(key)).collect();
        let lasting = keys.iter().zip(self.run(ask).await?);
        let lasting = lasting.filter_map(|(key, ttl)| matches!(ttl, Reply::Int(-1)).then_some(key));
        let gone: Vec<Cmd> = lasting.map(|key| Cmd::new("DEL").arg(key)).collect();
        let count = gone.len();
        self.run(gone).await?;
        Ok(count)
    }
}
