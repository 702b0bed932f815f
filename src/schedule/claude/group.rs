//! Keys bound to an account group (contract/anthropic.md §2.5).

use std::sync::Arc;

use compat::{
    account_state::Family,
    pool::{Entry, Group, Kind},
};

use super::{Exclusion, Model, SelectError, model, order, work::Work};

/// The group of that id.
pub(super) fn find(work: &Work<'_>, id: &str) -> Result<Arc<Group>, SelectError> {
    work.snapshot().group(id).ok_or_else(|| SelectError::GroupNotFound(id.to_owned()))
}

/// The member to use when the conversation has none.
pub(super) fn choose(
    work: &mut Work<'_>,
    group: &Group,
    requested: Model<'_>,
    family: Option<Family>,
) -> Result<Arc<Entry>, SelectError> {
    if group.members.is_empty() {
        return Err(SelectError::GroupEmpty(group.name.clone()));
    }
    let mut found = Vec::new();
    for id in &group.members {
        let Some(entry) = member(work, group, id) else {
            work.note(Kind::Official, id, Some(Exclusion::Missing));
            continue;
        };
        let exclusion = look(work, &entry, requested, family)?;
        if work.note(entry.kind, id, exclusion) {
            found.push(entry);
        }
    }
    order::sort(&mut found);
    found.into_iter().next().ok_or_else(|| SelectError::GroupUnavailable(group.name.clone()))
}

/// A member's record: an official account, else a console account. Groups of other platforms have none
/// here.
fn member(work: &Work<'_>, group: &Group, id: &str) -> Option<Arc<Entry>> {
    if group.platform != "claude" {
        return None;
    }
    work.get(Kind::Official, id)
        .filter(|entry| !entry.get("id").is_empty())
        .or_else(|| work.get(Kind::Console, id))
}

fn look(
    work: &mut Work<'_>,
    entry: &Entry,
    requested: Model<'_>,
    family: Option<Family>,
) -> Result<Option<Exclusion>, SelectError> {
    work.purge_leases(entry);
    if !entry.active() {
        return Ok(Some(Exclusion::Inactive));
    }
    let takes_requests = match entry.kind {
        Kind::Official => !matches!(entry.status(), "error" | "blocked"),
        _ => entry.status() == "active",
    };
    if !takes_requests {
        return Ok(Some(Exclusion::Status(entry.status().to_owned())));
    }
    if !entry.schedulable() {
        return Ok(Some(Exclusion::Unschedulable));
    }
    if let Some(exclusion) = model::check(entry, requested)? {
        return Ok(Some(exclusion));
    }
    if work.cooling(entry) {
        return Ok(Some(Exclusion::Cooling));
    }
    if work.limited(entry.kind, &entry.id) {
        return Ok(Some(Exclusion::Limited));
    }
    if entry.kind == Kind::Official
        && let Some(family) = family
        && work.family_limited(&entry.id, Some(family))
    {
        return Ok(Some(Exclusion::FamilyLimited(family)));
    }
    Ok((entry.kind == Kind::Console && work.slots_full(entry)).then_some(Exclusion::SlotsFull))
}
