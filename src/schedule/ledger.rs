//! The state of one decision: accounts as changed so far, and everything that follows from it.

use std::{collections::HashMap, sync::Arc};

use compat::{
    cooldown,
    pool::{Entry, Kind, Patch, Snapshot},
    sticky::{self, Mapping, StickyTtl},
    store::Cmd,
};

use super::{Considered, Decision, Exclusion, Question, Seen, Selection, Via};
use crate::domain::{AccountId, Anomaly};

/// Settings of selection.
#[derive(Clone, Debug)]
pub struct Rules {
    /// A dedicated official account that cannot serve gives way to the shared ones
    /// (`CLAUDE_DEDICATED_ACCOUNT_FALLBACK`).
    pub dedicated_fallback: bool,
    /// Minutes that a console account stays blocked (`CLAUDE_CONSOLE_BLOCKED_HANDLING_MINUTES`).
    pub console_block_minutes: i64,
    /// Life of sticky sessions.
    pub sticky: StickyTtl,
    /// Bedrock accounts without credentials of their own have those of the surroundings.
    pub surroundings: bool,
    /// Order of names.
    pub collation: js::Collation,
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

/// Accounts as seen and changed by one decision, with what is to be done and what was looked at.
pub(super) struct Ledger<'a> {
    pub(super) seen: Seen<'a>,
    effects: Vec<Effect>,
    trace: Vec<Considered>,
    changed: HashMap<(Kind, Arc<str>), Arc<Entry>>,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(seen: Seen<'a>) -> Self {
        let (effects, trace, changed) = (Vec::new(), Vec::new(), HashMap::new());
        Self { seen, effects, trace, changed }
    }

    /// The decision that was come to.
    pub(super) fn close<E>(self, result: Result<(Arc<Entry>, Via), E>) -> Decision<E> {
        let Self { effects, trace, .. } = self;
        let result = result.map(|(account, via)| Selection { account, via, trace: trace.clone() });
        Decision { result, effects, trace }
    }

    pub(super) fn snapshot(&self) -> &'a Snapshot {
        self.seen.snapshot
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.seen.moment.now_ms
    }

    /// The account as it stands now, this decision's own changes included.
    pub(super) fn get(&self, kind: Kind, id: &str) -> Option<Arc<Entry>> {
        match self.changed.get(&(kind, Arc::from(id))) {
            Some(entry) => Some(entry.clone()),
            None => self.snapshot().get(kind, id),
        }
    }

    /// All indexed accounts of a kind; the listing's repairs of the index become effects.
    pub(super) fn list(&mut self, kind: Kind) -> Vec<Arc<Entry>> {
        self.effects.extend(self.snapshot().upkeep(kind).iter().cloned().map(Effect::Cmd));
        self.snapshot().list(kind)
    }

    /// Does something once the decision is made.
    pub(super) fn run(&mut self, cmd: Cmd) {
        self.effects.push(Effect::Cmd(cmd));
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

    /// Tells the operators.
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
            at_ms: self.now_ms(),
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
            self.run(Cmd::new("DEL").arg(cooldown::mark_key(entry.kind.as_str(), &entry.id)));
        }
        entry.cooling()
    }

    /// The conversation's account, if it has any.
    pub(super) fn mapping<Q: Question>(&self, question: &Q) -> Option<Mapping> {
        question.session()?;
        self.seen.stuck?.mapping.clone()
    }

    /// The conversation's account is used again; its mapping is renewed when that is due.
    pub(super) fn renew<Q: Question>(&mut self, question: &Q) {
        let ttl = self.seen.rules.sticky;
        if self.seen.stuck.is_some_and(|stuck| ttl.renews(stuck.remaining_s)) {
            self.on_mapping(question, |key| sticky::renew(key, ttl));
        }
    }

    /// The conversation's account cannot serve it any more.
    pub(super) fn forget<Q: Question>(&mut self, question: &Q) {
        self.on_mapping(question, sticky::forget);
    }

    /// The conversation stays with this account.
    pub(super) fn stick<Q: Question>(&mut self, question: &Q, entry: &Entry) {
        let mapping = Mapping {
            account_id: entry.id.to_string(),
            account_type: entry.kind.as_str().to_owned(),
        };
        let ttl = self.seen.rules.sticky;
        self.on_mapping(question, |key| sticky::set(key, &mapping, ttl));
    }

    fn on_mapping<Q: Question>(&mut self, question: &Q, cmd: impl FnOnce(&str) -> Cmd) {
        if let Some(session) = question.session() {
            self.run(cmd(&sticky::key(Q::FAMILY, session)));
        }
    }
}
