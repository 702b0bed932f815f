//! Keys bound to an account group.

use std::sync::Arc;

use compat::{
    account_state::openai,
    pool::{Entry, Family, Group, Kind},
};

use super::{Exclusion, Ledger, Refusal, states::serves};

/// The group of that id.
pub(super) fn find(ledger: &Ledger<'_>, id: &str) -> Result<Arc<Group>, Refusal> {
    let group = ledger.snapshot().group(id).ok_or_else(|| Refusal::GroupNotFound(id.to_owned()))?;
    if group.platform != "openai" {
        return Err(Refusal::GroupPlatform(group.name.clone()));
    }
    Ok(group)
}

/// Members that can serve, in the order before sorting.
pub(super) fn eligible(
    ledger: &mut Ledger<'_>,
    group: &Group,
    model: Option<&str>,
) -> Result<Vec<Arc<Entry>>, Refusal> {
    if group.members.is_empty() {
        return Err(Refusal::GroupEmpty(group.name.clone()));
    }
    let mut found = Vec::new();
    for id in &group.members {
        let mut kinds = Family::OpenAi.members().iter();
        let Some(entry) = kinds.find_map(|kind| ledger.account(*kind, id)) else {
            ledger.note(Kind::OpenAi, id, Some(Exclusion::Missing));
            continue;
        };
        let exclusion = look(ledger, &entry, model);
        if ledger.note(entry.kind, id, exclusion) {
            found.push(ledger.get(entry.kind, id).unwrap_or(entry));
        }
    }
    Ok(found)
}

fn look(ledger: &mut Ledger<'_>, entry: &Arc<Entry>, model: Option<&str>) -> Option<Exclusion> {
    if !entry.active() {
        return Some(Exclusion::Inactive);
    }
    if entry.status() == "error" {
        return Some(Exclusion::Status(entry.status().to_owned()));
    }
    let exclusion = match entry.kind {
        Kind::OpenAi => ledger.ready(entry),
        _ => provider(ledger, entry),
    };
    if exclusion.is_some() {
        return exclusion;
    }
    if ledger.cooling(entry) {
        return Some(Exclusion::Cooling);
    }
    let useless = entry.kind == Kind::OpenAi
        && openai::token_expired(entry, ledger.now_ms())
        && entry.get("refreshToken").is_empty();
    if useless {
        return Some(Exclusion::Token);
    }
    (!serves(entry, model)).then_some(Exclusion::Model)
}

/// The legacy service looks a provider's limit up among the ChatGPT accounts, finds none and takes the
/// account (`MIGRATION.md`).
fn provider(ledger: &mut Ledger<'_>, entry: &Arc<Entry>) -> Option<Exclusion> {
    if ledger.provider_limited(entry) {
        return Some(Exclusion::Limited);
    }
    let now = ledger.get(entry.kind, &entry.id);
    let schedulable = now.as_deref().unwrap_or(entry).schedulable();
    (!schedulable).then_some(Exclusion::Unschedulable)
}
