//! Whether the account of a conversation can still serve it. Its type, its priority and the model are not
//! looked at.

use std::sync::Arc;

use compat::{
    account_state::responses,
    pool::{Entry, Kind},
};

use super::{Exclusion, Ledger};

/// Looks at one account. `None` means it can serve.
pub(super) fn check(ledger: &mut Ledger<'_>, kind: Kind, id: &str) -> Option<Exclusion> {
    let Some(entry) = ledger.account(kind, id) else { return Some(Exclusion::Missing) };
    // The legacy service takes a ChatGPT account that is switched off (`MIGRATION.md`).
    if !entry.active() {
        return Some(Exclusion::Inactive);
    }
    if matches!(entry.status(), "error" | "unauthorized") {
        return Some(Exclusion::Status(entry.status().to_owned()));
    }
    let exclusion = match kind {
        Kind::OpenAi => ledger.ready(&entry),
        _ => provider(ledger, &entry),
    };
    if exclusion.is_some() {
        return exclusion;
    }
    ledger.cooling(&entry).then_some(Exclusion::Cooling)
}

fn provider(ledger: &mut Ledger<'_>, entry: &Arc<Entry>) -> Option<Exclusion> {
    if !entry.schedulable() {
        return Some(Exclusion::Unschedulable);
    }
    if responses::plan_ended(entry, ledger.now_ms()) {
        return Some(Exclusion::Expired);
    }
    ledger.provider_limited(entry).then_some(Exclusion::Limited)
}
