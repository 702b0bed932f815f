//! Accounts of providers with an API key: what console and CCR accounts share.

use std::sync::Arc;

use compat::{
    clock::iso,
    pool::{Entry, Kind, Patch},
    store::Cmd,
};

use crate::{accounts::Accounts, domain::HeaderList};

/// A provider's answer, its head at least.
#[derive(Clone, Copy, Debug)]
pub struct ProviderReply<'a> {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: &'a HeaderList,
    /// Its body, when the status is not 2xx; only looked at for console accounts.
    pub error_body: &'a [u8],
    /// Whether the client asked for a stream.
    pub stream: bool,
}

impl Accounts {
    /// Carries an answer over to the account's state, and notes the use. For streams the use is noted
    /// by [`Accounts::provider_used`] when the stream has ended. A success is carried over apart from
    /// the request, which need not wait for it.
    pub async fn settle_provider(&self, entry: &Arc<Entry>, reply: &ProviderReply<'_>) {
        let stream = reply.stream;
        if reply.status == 200 || reply.status == 201 && !stream {
            if !stream {
                // The next choice goes by it.
                self.provider_used(entry).await;
            }
            let (accounts, entry) = (self.clone(), entry.clone());
            // Bounded by the requests that end; tracked, so that shutdown waits for it.
            self.0.tasks.spawn(async move {
                let entry = accounts.fresh(&entry).await;
                let cmds = match entry.kind {
                    Kind::Ccr => accounts.ccr_success(&entry),
                    _ => accounts.console_success(&entry),
                };
                accounts.0.ports.writes.send(cmds).await;
            });
            return;
        }
        let entry = self.fresh(entry).await;
        let mut cmds = match entry.kind {
            Kind::Ccr => self.ccr_failure(&entry, reply),
            _ => self.console_failure(&entry, reply),
        };
        cmds.extend(self.used_now(&entry));
        self.write_now(cmds).await;
    }

    /// A stream was read to its end.
    pub async fn provider_used(&self, entry: &Arc<Entry>) {
        let cmds = self.used_now(&self.current(entry));
        self.0.ports.writes.send(cmds).await;
    }

    fn used_now(&self, entry: &Entry) -> Vec<Cmd> {
        self.patch(entry, &Patch::new().set("lastUsedAt", iso(self.now_ms())))
    }
}
