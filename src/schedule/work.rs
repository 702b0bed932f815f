//! The state of one decision: accounts as changed so far, and everything that follows from it.

use std::{collections::HashMap, sync::Arc};

use compat::{
    account_state::{Family, Moment, Phase, UsageCost, ccr, console, official},
    cooldown,
    pool::{Entry, Kind, Patch, Snapshot},
    sticky::StickyTtl,
    store::Cmd,
};

use super::{Considered, Exclusion};
use crate::domain::{AccountId, Anomaly};

/// Settings of selection.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// A dedicated official account that cannot serve gives way to the shared ones
    /// (`CLAUDE_DEDICATED_ACCOUNT_FALLBACK`).
    pub dedicated_fallback: bool,
    /// Minutes that a console account stays blocked (`CLAUDE_CONSOLE_BLOCKED_HANDLING_MINUTES`).
    pub console_block_minutes: i64,
    /// Life of sticky sessions.
    pub sticky: StickyTtl,
}

/// Something to do once the decision is made.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Change fields of an account.
    Patch(Kind, Arc<str>, Patch),
    /// Any other command.
    Cmd(Cmd),
    /// Tell the operators.
    Report(Anomaly),
}

pub(super) struct Work<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) rules: &'a Rules,
    pub(super) moment: Moment,
    pub(super) prices: &'a dyn UsageCost,
    pub(super) effects: Vec<Effect>,
    pub(super) trace: Vec<Considered>,
    changed: HashMap<(Kind, Arc<str>), Arc<Entry>>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        rules: &'a Rules,
        moment: Moment,
        prices: &'a dyn UsageCost,
    ) -> Self {
        let (effects, trace, changed) = (Vec::new(), Vec::new(), HashMap::new());
        Self { snapshot, rules, moment, prices, effects, trace, changed }
    }

    /// The account as it stands now, this decision's own changes included.
    pub(super) fn get(&self, kind: Kind, id: &str) -> Option<Arc<Entry>> {
        match self.changed.get(&(kind, Arc::from(id))) {
            Some(entry) => Some(entry.clone()),
            None => self.snapshot.get(kind, id),
        }
    }

    /// All indexed accounts of a kind; the listing's repairs of the index become effects.
    pub(super) fn list(&mut self, kind: Kind) -> Vec<Arc<Entry>> {
        self.effects.extend(self.snapshot.upkeep(kind).iter().cloned().map(Effect::Cmd));
        self.snapshot.list(kind)
    }

    /// Changes fields. Writing an official account also repairs its place in the index.
    pub(super) fn patch(&mut self, entry: &Entry, patch: Patch) {
        let current = self.get(entry.kind, &entry.id);
        let base = current.as_deref().unwrap_or(entry);
        let patched = Arc::new(base.patched(&patch));
        self.changed.insert((entry.kind, entry.id.clone()), patched);
        self.effects.push(Effect::Patch(entry.kind, entry.id.clone(), patch));
        if entry.kind == Kind::Official && !entry.indexed {
            self.effects.extend(compat::pool::index_repair(entry.kind, &entry.id).map(Effect::Cmd));
        }
    }

    pub(super) fn report(
        &mut self,
        entry: &Entry,
        code: &'static str,
        status: &'static str,
        reason: String,
    ) {
        self.effects.push(Effect::Report(Anomaly {
            account_id: AccountId::from(&*entry.id),
            account_name: Anomaly::called(code, entry.name(), &entry.id).to_owned(),
            platform: entry.kind.as_str(),
            status,
            code,
            reason,
            details: None,
            at_ms: self.moment.now_ms,
        }));
    }

    /// Notes the verdict on an account; tells whether it can serve.
    pub(super) fn note(&mut self, kind: Kind, id: &Arc<str>, exclusion: Option<Exclusion>) -> bool {
        let fits = exclusion.is_none();
        self.trace.push(Considered { kind, id: id.clone(), exclusion });
        fits
    }

    /// Whether the account cools down. A mark without expiry would do so for ever; it is removed.
    pub(super) fn cooling(&mut self, entry: &Entry) -> bool {
        if entry.cooldown_ttl == -1 {
            let key = cooldown::mark_key(entry.kind.as_str(), &entry.id);
            self.effects.push(Effect::Cmd(Cmd::new("DEL").arg(key)));
        }
        entry.cooling()
    }

    /// Whether the account is limited as a whole; an elapsed limit is lifted.
    pub(super) fn limited(&mut self, kind: Kind, id: &str) -> bool {
        let Some(entry) = self.get(kind, id) else { return false };
        let now_ms = self.moment.now_ms;
        let (phase, lift): (Phase, fn(&Entry) -> Patch) = match kind {
            Kind::Official => (official::limit(&entry, now_ms), official::lift_limit),
            Kind::Console => (console::limit(&entry, now_ms), console::lift_limit),
            Kind::Ccr => (ccr::limit(&entry, now_ms), ccr::lift_limit),
            Kind::Bedrock => return false,
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
        let phase = official::family_limit(&entry, family, self.moment.now_ms);
        if phase == Phase::Elapsed {
            self.patch(&entry, official::lift_family_limit(&entry, family));
        }
        phase == Phase::On
    }

    /// Whether a console account is blocked; an elapsed block is lifted.
    pub(super) fn console_blocked(&mut self, id: &str) -> bool {
        let Some(entry) = self.get(Kind::Console, id) else { return false };
        let phase = console::block(&entry, self.rules.console_block_minutes, self.moment.now_ms);
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
                let phase = console::overload(&entry, self.moment.now_ms);
                if phase == Phase::Elapsed {
                    self.patch(&entry, console::lift_overload(&entry));
                }
                phase == Phase::On
            }
            Kind::Ccr => ccr::overloaded(&entry),
            Kind::Official | Kind::Bedrock => false,
        }
    }

    /// Stops an account whose daily quota is spent.
    pub(super) fn check_quota(&mut self, kind: Kind, id: &str) {
        let Some(entry) = self.get(kind, id) else { return };
        let usage = self.snapshot.usage(id);
        match kind {
            Kind::Console => {
                let spent = console::spend_quota(&entry, usage, self.prices, self.moment.now_ms);
                if let Some((patch, reason)) = spent {
                    self.patch(&entry, patch);
                    self.report(&entry, "CLAUDE_CONSOLE_QUOTA_EXCEEDED", "quota_exceeded", reason);
                }
            }
            Kind::Ccr => {
                if let Some((patch, stops)) =
                    ccr::check_quota(&entry, usage, self.prices, self.moment)
                {
                    let reason = patch.sets().find(|(field, _)| *field == "errorMessage");
                    let reason = reason.map_or_else(String::new, |(_, text)| text.to_owned());
                    self.patch(&entry, patch);
                    if stops {
                        self.report(&entry, "QUOTA_EXCEEDED", "quota_exceeded", reason);
                    }
                }
            }
            Kind::Official | Kind::Bedrock => {}
        }
    }

    /// Whether the daily quota keeps the account out; a new quota day begins on the way.
    pub(super) fn quota_spent(&mut self, kind: Kind, id: &str) -> bool {
        let Some(entry) = self.get(kind, id) else { return false };
        match kind {
            Kind::Console => {
                let phase = console::quota(&entry, self.moment);
                if phase == Phase::Elapsed {
                    self.patch(&entry, console::reset_quota(&entry, self.moment));
                }
                phase == Phase::On
            }
            Kind::Ccr => {
                let usage = self.snapshot.usage(id);
                let (spent, stop) = ccr::quota(&entry, usage, self.prices, self.moment.now_ms);
                if let Some(stop) = stop {
                    self.patch(&entry, stop);
                }
                spent
            }
            Kind::Official | Kind::Bedrock => false,
        }
    }

    /// The account with a state ended that has outlived its reason; only CCR accounts need it here.
    pub(super) fn recovered(&mut self, entry: &Arc<Entry>) -> Arc<Entry> {
        if entry.kind != Kind::Ccr {
            return entry.clone();
        }
        let usage = self.snapshot.usage(&entry.id);
        let Some(patch) = ccr::recover(entry, usage, self.prices, self.moment) else {
            return entry.clone();
        };
        self.patch(entry, patch);
        self.get(entry.kind, &entry.id).unwrap_or_else(|| entry.clone())
    }

    /// Reading a console account removes its elapsed leases.
    pub(super) fn purge_leases(&mut self, entry: &Entry) {
        if entry.leases.stale {
            let key = compat::concurrency::console_account(&entry.id);
            let purge = Cmd::new("ZREMRANGEBYSCORE").arg(key).arg("-inf").arg(self.moment.now_ms);
            self.effects.push(Effect::Cmd(purge));
        }
    }

    /// Whether all slots of a console account are taken. Its leases are counted, not taken.
    pub(super) fn slots_full(&self, entry: &Entry) -> bool {
        let max = entry.max_concurrent();
        max > 0 && entry.leases.live >= max
    }
}
