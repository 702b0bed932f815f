//! Locks and counters of the queues that nobody will ever give back: those without an expiry.
//!
//! The legacy service deletes all of them when it starts, also those that other instances hold
//! (MIGRATION 50).

use compat::{
    lua,
    relay_config::RelayConfig,
    store::{Cmd, Reply, StoreError},
};

use super::{Done, Jobs, counted};

impl Jobs {
    /// Every minute while the message queue is on: its locks without an expiry. What is no lock (empty, or of
    /// another type) stays, as with the legacy service.
    pub(super) async fn remove_orphan_locks(&self) -> Done {
        let stored = self.one(Cmd::new("GET").arg(compat::keys::RELAY_CONFIG)).await?.text()?;
        if !RelayConfig::parse(stored.as_deref()).user_message_queue.enabled {
            return Ok(None);
        }
        let gone = self.remove_lasting("user_msg_queue_lock:*", true, |_| true).await?;
        Ok(counted(gone, "lock removed", "locks removed"))
    }

    /// At start: locks of the message queue and counters of the wait queue without an expiry.
    pub(super) async fn remove_leftovers(&self) -> Done {
        let locks = self.remove_lasting("user_msg_queue_lock:*", false, |_| true).await?;
        let counter = |key: &str| {
            !key.starts_with("concurrency:queue:stats:")
                && !key.starts_with("concurrency:queue:wait_times:")
        };
        let counters = match self.0.settings.clear_queues_at_start {
            true => self.remove_lasting("concurrency:queue:*", false, counter).await?,
            false => 0,
        };
        Ok(counted(locks + counters, "leftover removed", "leftovers removed"))
    }

    /// Removes what has no expiry; `texts` spares all but texts that are not empty.
    async fn remove_lasting(
        &self,
        pattern: &str,
        texts: bool,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<usize, StoreError> {
        let mut keys = self.scan(pattern).await?;
        keys.retain(|key| wanted(key));
        // In one step: somebody may take the lock at any moment.
        let remove =
            keys.iter().map(|key| Cmd::script(&lua::DELETE_LASTING, [key]).arg(i64::from(texts)));
        let replies = self.run(remove.collect()).await?;
        Ok(replies.into_iter().filter(|reply| matches!(reply, Reply::Int(1))).count())
    }
}
