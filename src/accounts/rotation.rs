//! Watching over rotated tokens.
//!
//! The legacy service writes whole records back. One that it had read before a rotation undoes the
//! rotation (contract/redis.md §k.1), and with it the only valid refresh token is lost. After each
//! rotation the record is looked at a few times and, if the old ciphertext is back, written again.

use std::{sync::Arc, time::Duration};

use compat::{
    pool::{Entry, Patch},
    store::Cmd,
};
use tokio_util::sync::CancellationToken;

use super::Accounts;

/// Moments of the checks after a rotation; a stale write-back follows within milliseconds of its read.
const CHECKS_MS: [u64; 5] = [20, 100, 500, 2000, 10_000];

/// Stops the checks at shutdown.
#[derive(Default)]
pub(super) struct Rotations(CancellationToken);

impl Rotations {
    pub(super) fn stop(&self) {
        self.0.cancel();
    }
}

impl Accounts {
    /// Starts the checks for a rotation that was just written.
    pub(super) fn guard_rotation(&self, before: &Entry, rotation: &Patch) {
        let old = before.get("accessToken").to_owned();
        let (accounts, entry, rotation) =
            (self.clone(), Arc::new(before.clone()), rotation.clone());
        let stop = self.0.rotations.0.clone();
        // Outlives the request by design; tracked, and ended by shutdown.
        self.0.tasks.spawn(async move {
            for pause in CHECKS_MS {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(pause)) => {}
                    () = stop.cancelled() => {}
                }
                accounts.restore_rotation(&entry, &old, &rotation).await;
                if stop.is_cancelled() {
                    return;
                }
            }
        });
    }

    async fn restore_rotation(&self, entry: &Entry, old: &str, rotation: &Patch) {
        let key = entry.kind.record_key(&entry.id);
        let stored = match self.run(Cmd::new("HGET").arg(key).arg("accessToken")).await {
            Ok(reply) => reply.text().ok().flatten(),
            Err(_) => return,
        };
        if stored.as_deref() != Some(old) {
            return;
        }
        tracing::warn!(account = %entry.id, "another writer undid a token rotation; restoring it");
        let guarded = rotation.clone().expect("accessToken", old);
        let cmds = self.patch(entry, &guarded);
        if let Err(error) = self.0.ports.store.run(cmds.into_iter().collect()).await {
            tracing::error!(%error, account = %entry.id, "token rotation could not be restored");
        }
    }
}
