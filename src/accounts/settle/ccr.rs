//! CCR accounts (contract/anthropic.md §5.2).

use std::sync::Arc;

use compat::{
    account_state::{Moment, ccr},
    pool::Entry,
    store::Cmd,
};

use super::ProviderReply;
use crate::accounts::{Accounts, events::Event};

impl Accounts {
    /// The exchange with a CCR provider broke below HTTP. A client's leaving is none of its faults.
    pub async fn ccr_broken(&self, entry: &Arc<Entry>) {
        let entry = self.fresh(entry).await;
        if !entry.is("disableAutoProtection") {
            let cmds = self.cool_down(&entry, 503, None);
            self.write_now(cmds).await;
        }
    }

    pub(super) fn ccr_success(&self, entry: &Arc<Entry>) -> Vec<Cmd> {
        let mut cmds = Vec::new();
        let mut now = entry.clone();
        if !entry.get("rateLimitedAt").is_empty() {
            let lift = ccr::lift_limit(entry);
            cmds.extend(self.patch(entry, &lift));
            now = Arc::new(entry.patched(&lift));
        }
        if ccr::overloaded(&now) {
            cmds.extend(self.patch(&now, &ccr::lift_overload(&now)));
        }
        cmds
    }

    pub(super) fn ccr_failure(&self, entry: &Arc<Entry>, reply: &ProviderReply<'_>) -> Vec<Cmd> {
        let protected = !entry.is("disableAutoProtection");
        match reply.status {
            // In streams the legacy service does not wait for the look at the quota, so its writes
            // come last.
            429 => {
                let (mut cmds, mut entry, mut quota) = (Vec::new(), entry.clone(), Vec::new());
                if reply.stream {
                    quota = self.ccr_quota(&entry).0;
                } else {
                    (cmds, entry) = self.ccr_quota(&entry);
                }
                if protected {
                    if let Some(patch) = ccr::limited(&entry, self.now_ms()) {
                        cmds.extend(self.patch(&entry, &patch));
                    }
                    cmds.extend(self.cool_down(&entry, 429, self.hint(reply.headers)));
                } else {
                    cmds.extend(self.history(&entry, 429, "rate_limit"));
                }
                cmds.extend(quota);
                cmds
            }
            529 if protected => {
                let mut cmds = self.patch(entry, &ccr::overload(self.now_ms()));
                cmds.extend(self.cool_down(entry, 529, None));
                cmds
            }
            529 => self.history(entry, 529, "overload"),
            status @ (401 | 500..) if protected => self.cool_down(entry, status, None),
            _ => Vec::new(),
        }
    }

    /// Stops the account if its quota is spent, or begins its new day; returns it as it then is.
    fn ccr_quota(&self, entry: &Arc<Entry>) -> (Vec<Cmd>, Arc<Entry>) {
        let checked = self.0.ports.pools.with(entry.kind).current().and_then(|snapshot| {
            let usage = snapshot.usage(&entry.id);
            let moment = Moment { now_ms: self.now_ms(), calendar: self.0.ports.calendar };
            ccr::check_quota(entry, usage, &*self.0.ports.prices, moment)
        });
        let Some((patch, stops)) = checked else { return (Vec::new(), entry.clone()) };
        if stops {
            let reason = patch.sets().find(|(field, _)| *field == "errorMessage");
            let reason = reason.map_or_else(String::new, |(_, text)| text.to_owned());
            self.report(entry, Event::new("ccr", "quota_exceeded", "QUOTA_EXCEEDED", reason));
        }
        (self.patch(entry, &patch), Arc::new(entry.patched(&patch)))
    }
}
