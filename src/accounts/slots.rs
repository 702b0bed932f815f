//! Slots of console accounts (`concurrency:console_account:{id}`, contract/anthropic.md §5.1).

use std::{sync::Arc, time::Duration};

use compat::{
    concurrency::{self, Lease},
    pool::Entry,
    store::StoreError,
};
use thiserror::Error;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Accounts;

/// Leases are renewed this often while a slot is held.
const RENEW: Duration = Duration::from_secs(300);

/// Why there is no slot.
#[derive(Clone, Debug, Error)]
pub enum SlotError {
    /// All are taken (`CONSOLE_ACCOUNT_CONCURRENCY_FULL`). The caller drops the conversation's sticky
    /// mapping and selects once more.
    #[error("Console account concurrency limit reached")]
    Full,
    /// Redis does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A held slot; given back when dropped.
pub struct Slot {
    accounts: Accounts,
    key: String,
    member: String,
    held: bool,
    _renewal: DropGuard,
}

impl Accounts {
    /// Takes a slot of a console account; `None` when its slots are not limited.
    ///
    /// # Errors
    /// When all slots are taken or Redis does not answer.
    pub async fn acquire_slot(&self, entry: &Arc<Entry>) -> Result<Option<Slot>, SlotError> {
        let max = self.current(entry).max_concurrent();
        if max <= 0 {
            return Ok(None);
        }
        let key = concurrency::console_account(&entry.id);
        let member = uuid::Uuid::new_v4().to_string();
        let lease = Lease::CONSOLE_ACCOUNT;
        let acquire = concurrency::acquire(&key, &member, self.now_ms(), lease);
        let renewal = CancellationToken::new();
        // Armed before asking: should this request be given up while Redis answers, nothing leaks.
        let mut slot = Slot {
            accounts: self.clone(),
            key: key.clone(),
            member: member.clone(),
            held: true,
            _renewal: renewal.clone().drop_guard(),
        };
        if concurrency::slots(self.run(acquire).await?)? > max {
            // Waited for, or a second try would find this one's member.
            self.run(concurrency::release(&key, &member, self.now_ms())).await?;
            slot.held = false;
            return Err(SlotError::Full);
        }
        let accounts = self.clone();
        // Renews as long as the slot is held; the slot's drop ends it.
        self.0.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(RENEW) => {}
                    () = renewal.cancelled() => return,
                }
                let refresh = concurrency::refresh(&key, &member, accounts.now_ms(), lease);
                if let Err(error) = accounts.run(refresh).await {
                    tracing::warn!(%error, key, "lease was not renewed");
                }
            }
        });
        Ok(Some(slot))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.held {
            return;
        }
        let release = concurrency::release(&self.key, &self.member, self.accounts.now_ms());
        let Err(cmds) = self.accounts.0.ports.writes.post(vec![release]) else { return };
        let writes = self.accounts.0.ports.writes.clone();
        // The queue was full: wait for room apart from whoever dropped the slot.
        self.accounts.0.tasks.spawn(async move { writes.send(cmds).await });
    }
}
