//! Keys bound to an account group.

use std::sync::Arc;

use compat::{
    account_state::openai,
    pool::{Entry, Family, Group, Kind},
};

use super::{
    Exclusion, Refusal,
    work::{Work, serves},
};

/// The group of that id.
pub(super) fn find(work: &Work<'_>, id: &str) -> Result<Arc<Group>, Refusal> {
    let group = work.snapshot().group(id).ok_or_else(|| Refusal::GroupNotFound(id.to_owned()))?;
    if group.platform != "openai" {
        return Err(Refusal::GroupPlatform(group.name.clone()));
    }
    Ok(group)
}

/// Members that can serve, in the order before sorting.
pub(super) fn eligible(
    work: &mut Work<'_>,
    group: &Group,
    model: Option<&str>,
) -> Result<Vec<Arc<Entry>>, Refusal> {
    if group.members.is_empty() {
        return Err(Refusal::GroupEmpty(group.name.clone()));
    }
    let mut found = Vec::new();
    for id in &group.members {
        let mut kinds = Family::OpenAi.members().iter();
        let Some(entry) = kinds.find_map(|kind| work.account(*kind, id)) else {
            work.note(Kind::OpenAi, id, Some(Exclusion::Missing));
            continue;
        };
        let exclusion = look(work, &entry, model);
        if work.note(entry.kind, id, exclusion) {
            found.push(work.get(entry.kind, id).unwrap_or(entry));
        }
    }
    Ok(found)
}

fn look(work: &mut Work<'_>, entry: &Arc<Entry>, model: Option<&str>) -> Option<Exclusion> {
    if !entry.active() {
        return Some(Exclusion::Inactive);
    }
    if entry.status() == "error" {
        return Some(Exclusion::Status(entry.status().to_owned()));
    }
    let exclusion = match entry.kind {
        Kind::OpenAi => work.ready(entry),
        _ => provider(work, entry),
    };
    if exclusion.is_some() {
        return exclusion;
    }
    if work.cooling(entry) {
        return Some(Exclusion::Cooling);
    }
    let useless = entry.kind == Kind::OpenAi
        && openai::token_expired(entry, work.now_ms())
        && entry.get("refreshToken").is_empty();
    if useless {
        return Some(Exclusion::Token);
    }
    (!serves(entry, model)).then_some(Exclusion::Model)
}

/// The legacy service looks a provider's limit up among the ChatGPT accounts, finds none and takes the
/// account (`MIGRATION.md`).
fn provider(work: &mut Work<'_>, entry: &Arc<Entry>) -> Option<Exclusion> {
    if work.limited(entry) {
        return Some(Exclusion::Limited);
    }
    let now = work.get(entry.kind, &entry.id);
    let schedulable = now.as_deref().unwrap_or(entry).schedulable();
    (!schedulable).then_some(Exclusion::Unschedulable)
}
