//! States of these accounts as a decision meets them: what holds, and what ends on the way.

use std::sync::Arc;

use compat::{
    account_state::{Phase, openai, responses},
    pool::{Entry, Kind},
};

use super::{Exclusion, Ledger};

impl Ledger<'_> {
    /// An account; one of a provider only when its record has an id.
    pub(super) fn account(&self, kind: Kind, id: &str) -> Option<Arc<Entry>> {
        let entry = self.get(kind, id)?;
        (kind == Kind::OpenAi || !entry.get("id").is_empty()).then_some(entry)
    }

    /// Whether a ChatGPT account may be scheduled; a limit that is over is lifted.
    pub(super) fn ready(&mut self, entry: &Entry) -> Option<Exclusion> {
        match openai::limit(entry, self.now_ms()) {
            Phase::On => return Some(Exclusion::Limited),
            Phase::Elapsed => {
                let lift = openai::lift_limit(entry, self.now_ms());
                self.patch(entry, lift);
                if entry.status() == "unauthorized" && !entry.schedulable() {
                    return Some(Exclusion::Status("unauthorized".to_owned()));
                }
                return None;
            }
            Phase::Off => {}
        }
        // Of a limit that just does not count any more, only the stop is left, and that does not count
        // either.
        let stopped = !entry.schedulable() && !openai::flagged(entry);
        stopped.then_some(Exclusion::Unschedulable)
    }

    /// Whether the limit of a provider's account holds; one that is over is lifted.
    pub(super) fn provider_limited(&mut self, entry: &Entry) -> bool {
        let phase = responses::limit(entry, self.now_ms());
        if phase == Phase::Elapsed {
            self.patch(entry, responses::lift_limit(entry));
        }
        phase == Phase::On
    }

    /// Notes the use of the account that was chosen.
    pub(super) fn used(&mut self, entry: &Entry) {
        let now_ms = self.now_ms();
        let used = match entry.kind {
            Kind::OpenAi => openai::used(now_ms),
            _ => responses::used(now_ms),
        };
        self.patch(entry, used);
    }
}

/// Whether the account serves the model. What it lists is one text, and a part of it will do (legacy
/// quirk).
pub(super) fn serves(entry: &Entry, model: Option<&str>) -> bool {
    let listed = entry.get("supportedModels");
    listed.is_empty() || model.is_none_or(|model| listed.contains(model))
}

/// Whether any key may use it.
pub(super) fn shared(entry: &Entry) -> bool {
    matches!(entry.get("accountType"), "" | "shared")
}
