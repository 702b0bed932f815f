//! Whether the account of a sticky session can still serve (contract/anthropic.md §2.6), and the check
//! of a session's bound account.

use std::sync::Arc;

use compat::{
    account_state::Family,
    js,
    pool::{Entry, Kind},
};

use super::{Exclusion, Ledger, Model, model};

/// Looks at one account by the rules for sticky sessions. `None` means it can serve.
pub(super) fn sticky(
    ledger: &mut Ledger<'_>,
    kind: Kind,
    id: &str,
    requested: Model<'_>,
    family: Option<Family>,
) -> Option<Exclusion> {
    let Some(entry) = ledger.get(kind, id) else { return Some(Exclusion::Missing) };
    match kind {
        Kind::Official => official(ledger, &entry, requested, family),
        Kind::Console | Kind::Ccr => provider(ledger, &entry, requested),
        Kind::Bedrock => bedrock(ledger, &entry),
        // Other families' mappings are no mappings here.
        Kind::OpenAi | Kind::OpenAiResponses | Kind::Azure => Some(Exclusion::Missing),
    }
}

fn official(
    ledger: &mut Ledger<'_>,
    entry: &Arc<Entry>,
    requested: Model<'_>,
    family: Option<Family>,
) -> Option<Exclusion> {
    if !entry.active() {
        return Some(Exclusion::Inactive);
    }
    if matches!(entry.status(), "error" | "temp_error") {
        return Some(Exclusion::Status(entry.status().to_owned()));
    }
    if !entry.schedulable() {
        return Some(Exclusion::Unschedulable);
    }
    // An odd model here only makes the mapping useless.
    if let Some(exclusion) = model::check(entry, requested).unwrap_or(Some(Exclusion::Model)) {
        return Some(exclusion);
    }
    if ledger.cooling(entry) {
        return Some(Exclusion::Cooling);
    }
    if ledger.limited(Kind::Official, &entry.id) {
        return Some(Exclusion::Limited);
    }
    ledger
        .family_limited(&entry.id, family)
        .then(|| family.map_or(Exclusion::Limited, Exclusion::FamilyLimited))
}

/// Console and CCR accounts.
fn provider(
    ledger: &mut Ledger<'_>,
    entry: &Arc<Entry>,
    requested: Model<'_>,
) -> Option<Exclusion> {
    let (kind, id) = (entry.kind, entry.id.clone());
    ledger.purge_leases(entry);
    if !entry.active() {
        return Some(Exclusion::Inactive);
    }
    let entry = &ledger.recovered(entry);
    // An overloaded account keeps its sessions while its overload lasts only in the status field; an
    // unauthorized one passes here to have its quota checked, and is refused below.
    if !matches!(entry.status(), "active" | "unauthorized" | "overloaded") {
        return Some(Exclusion::Status(entry.status().to_owned()));
    }
    if !entry.schedulable() {
        return Some(Exclusion::Unschedulable);
    }
    if let Some(exclusion) = model::check(entry, requested).unwrap_or(Some(Exclusion::Model)) {
        return Some(exclusion);
    }
    if expired(entry, ledger.now_ms()) {
        return Some(Exclusion::Expired);
    }
    ledger.check_quota(kind, &id);
    if ledger.cooling(entry) {
        return Some(Exclusion::Cooling);
    }
    if ledger.limited(kind, &id) {
        return Some(Exclusion::Limited);
    }
    if ledger.quota_spent(kind, &id) {
        return Some(Exclusion::Quota);
    }
    if entry.status() == "unauthorized" {
        return Some(Exclusion::Status("unauthorized".to_owned()));
    }
    if ledger.overloaded(kind, &id) {
        return Some(Exclusion::Overloaded);
    }
    (kind == Kind::Console && ledger.slots_full(entry)).then_some(Exclusion::SlotsFull)
}

fn bedrock(ledger: &mut Ledger<'_>, entry: &Arc<Entry>) -> Option<Exclusion> {
    if !ledger.has_credentials(entry) {
        return Some(Exclusion::Unreadable);
    }
    if !truthy_active(entry) {
        return Some(Exclusion::Inactive);
    }
    if !entry.schedulable() {
        return Some(Exclusion::Unschedulable);
    }
    ledger.cooling(entry).then_some(Exclusion::Cooling)
}

/// The account that a session is bound to: neither scheduling nor the model are looked at.
pub(super) fn forced(ledger: &mut Ledger<'_>, id: &str) -> Option<Exclusion> {
    let Some(entry) = ledger.get(Kind::Official, id) else { return Some(Exclusion::Missing) };
    if !entry.active() {
        return Some(Exclusion::Inactive);
    }
    if matches!(entry.status(), "error" | "temp_error") {
        return Some(Exclusion::Status(entry.status().to_owned()));
    }
    if ledger.limited(Kind::Official, id) {
        return Some(Exclusion::Limited);
    }
    ledger.cooling(&entry).then_some(Exclusion::Cooling)
}

/// Whether a plan has ended; an unreadable end never comes.
pub(super) fn expired(entry: &Entry, now_ms: i64) -> bool {
    let end = entry.get("subscriptionExpiresAt");
    !end.is_empty() && js::date_ms(end).is_some_and(|end| end <= now_ms)
}

/// Bedrock records hold real booleans; a sticky check takes any truthy value.
fn truthy_active(entry: &Entry) -> bool {
    use serde_json::Value;
    match entry.document.as_ref().and_then(|document| document.get("isActive")) {
        Some(Value::Bool(yes)) => *yes,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::Null) | None => false,
        Some(_) => true,
    }
}
