//! States of Claude accounts as a decision meets them: what holds, and what ends on the way.

use std::sync::Arc;

use compat::{
    account_state::{Family, Phase, ccr, console, official},
    pool::{Entry, Kind, Patch},
    store::Cmd,
};

use super::Ledger;

impl Ledger<'_> {
    /// Whether the account is limited as a whole; an elapsed limit is lifted.
    pub(super) fn limited(&mut self, kind: Kind, id: &str) -> bool {
        let Some(entry) = self.get(kind, id) else { return false };
        let now_ms = self.now_ms();
        let (phase, lift): (Phase, fn(&Entry) -> Patch) = match kind {
            Kind::Official => (official::limit(&entry, now_ms), official::lift_limit),
            Kind::Console => (console::limit(&entry, now_ms), console::lift_limit),
            Kind::Ccr => (ccr::limit(&entry, now_ms), ccr::lift_limit),
            Kind::Bedrock | Kind::OpenAi | Kind::OpenAiResponses | Kind::Azure => return false,
        };
        if phase == Phase::Elapsed {
            self.patch(&entry, lift(&entry));
        }
        phase == Phase::On
    }

    /// Whether an official account is limited for one family; an elapsed limit is lifted.
    pub(super) fn family_limited(&mut self, id: &str, family: Option<Family>) -> bool {
        let Some(family) = family else { return false };
        let Some(entry) = self.get(Kind::Official, id) else { return false };
        let phase = official::family_limit(&entry, family, self.now_ms());
        if phase == Phase::Elapsed {
            self.patch(&entry, official::lift_family_limit(&entry, family));
        }
        phase == Phase::On
    }

    /// Whether a console account is blocked; an elapsed block is lifted.
    pub(super) fn console_blocked(&mut self, id: &str) -> bool {
        let Some(entry) = self.get(Kind::Console, id) else { return false };
        let phase = console::block(&entry, self.seen.rules.console_block_minutes, self.now_ms());
        if phase == Phase::Elapsed {
            self.patch(&entry, console::lift_block(&entry));
        }
        phase == Phase::On
    }

    /// Whether an account is overloaded; an elapsed overload of a console account is lifted.
    pub(super) fn overloaded(&mut self, kind: Kind, id: &str) -> bool {
        let Some(entry) = self.get(kind, id) else { return false };
        match kind {
            Kind::Console => {
                let phase = console::overload(&entry, self.now_ms());
                if phase == Phase::Elapsed {
                    self.patch(&entry, console::lift_overload(&entry));
                }
                phase == Phase::On
            }
            Kind::Ccr => ccr::overloaded(&entry),
            _ => false,
        }
    }

    /// Stops an account whose daily quota is spent.
    pub(super) fn check_quota(&mut self, kind: Kind, id: &str) {
        let Some(entry) = self.get(kind, id) else { return };
        let usage = self.snapshot().usage(id);
        match kind {
            Kind::Console => {
                let spent = console::spend_quota(&entry, usage, self.seen.prices, self.now_ms());
                if let Some((patch, reason)) = spent {
                    self.patch(&entry, patch);
                    self.report(&entry, "CLAUDE_CONSOLE_QUOTA_EXCEEDED", "quota_exceeded", reason);
                }
            }
            Kind::Ccr => {
                if let Some((patch, stops)) =
                    ccr::check_quota(&entry, usage, self.seen.prices, self.seen.moment)
                {
                    let reason = patch.sets().find(|(field, _)| *field == "errorMessage");
                    let reason = reason.map_or_else(String::new, |(_, text)| text.to_owned());
                    self.patch(&entry, patch);
                    if stops {
                        self.report(&entry, "QUOTA_EXCEEDED", "quota_exceeded", reason);
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether the daily quota keeps the account out; a new quota day begins on the way.
    pub(super) fn quota_spent(&mut self, kind: Kind, id: &str) -> bool {
        let Some(entry) = self.get(kind, id) else { return false };
        match kind {
            Kind::Console => {
                let phase = console::quota(&entry, self.seen.moment);
                if phase == Phase::Elapsed {
                    let reset = console::reset_quota(&entry, self.seen.moment);
                    self.patch(&entry, reset);
                }
                phase == Phase::On
            }
            Kind::Ccr => {
                let usage = self.snapshot().usage(id);
                let (spent, stop) = ccr::quota(&entry, usage, self.seen.prices, self.now_ms());
                if let Some(stop) = stop {
                    self.patch(&entry, stop);
                }
                spent
            }
            _ => false,
        }
    }

    /// The account with a state ended that has outlived its reason; only CCR accounts need it here.
    pub(super) fn recovered(&mut self, entry: &Arc<Entry>) -> Arc<Entry> {
        if entry.kind != Kind::Ccr {
            return entry.clone();
        }
        let usage = self.snapshot().usage(&entry.id);
        let Some(patch) = ccr::recover(entry, usage, self.seen.prices, self.seen.moment) else {
            return entry.clone();
        };
        self.patch(entry, patch);
        self.get(entry.kind, &entry.id).unwrap_or_else(|| entry.clone())
    }

    /// Reading a console account removes its elapsed leases.
    pub(super) fn purge_leases(&mut self, entry: &Entry) {
        if entry.leases.stale {
            let key = compat::concurrency::console_account(&entry.id);
            let purge = Cmd::new("ZREMRANGEBYSCORE").arg(key).arg("-inf").arg(self.now_ms());
            self.run(purge);
        }
    }

    /// Whether a Bedrock account has credentials to send with, its own or the surroundings'.
    pub(super) fn has_credentials(&self, entry: &Entry) -> bool {
        entry.credentials || self.seen.rules.surroundings && !entry.has_own_credentials()
    }

    /// Whether all slots of a console account are taken. Its leases are counted, not taken.
    pub(super) fn slots_full(&self, entry: &Entry) -> bool {
        let max = entry.max_concurrent();
        max > 0 && entry.leases.live >= max
    }
}
