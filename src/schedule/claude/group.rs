//! Keys bound to an account group (contract/anthropic.md §2.5).

use std::sync::Arc;

use compat::{
    account_state::Family,
    pool::{Entry, Group, Kind},
};

use super::{Exclusion, Ledger, Model, SelectError, model, order};

/// The group of that id.
pub(super) fn find(ledger: &Ledger<'_>, id: &str) -> Result<Arc<Group>, SelectError> {
    ledger.snapshot().group(id).ok_or_else(|| SelectError::GroupNotFound(id.to_owned()))
}

/// The member to use when the conversation has none.
pub(super) fn choose(
    ledger: &mut Ledger<'_>,
    group: &Group,
    requested: Model<'_>,
    family: Option<Family>,
) -> Result<Arc<Entry>, SelectError> {
    if group.members.is_empty() {
        return Err(SelectError::GroupEmpty(group.name.clone()));
    }
    let mut found = Vec::new();
    for id in &group.members {
        let Some(entry) = member(ledger, group, id) else {
            ledger.note(Kind::Official, id, Some(Exclusion::Missing));
            continue;
        };
        let exclusion = look(ledger, &entry, requested, family)?;
        if ledger.note(entry.kind, id, exclusion) {
            found.push(entry);
        }
    }
    order::sort(&mut found);
    found.into_iter().next().ok_or_else(|| SelectError::GroupUnavailable(group.name.clone()))
}

/// A member's record: an official account, else a console account. Groups of other platforms have none
/// here.
fn member(ledger: &Ledger<'_>, group: &Group, id: &str) -> Option<Arc<Entry>> {
    if group.platform != "claude" {
        return None;
    }
    ledger
        .get(Kind::Official, id)
        .filter(|entry| !entry.get("id").is_empty())
        .or_else(|| ledger.get(Kind::Console, id))
}

fn look(
    ledger: &mut Ledger<'_>,
    entry: &Entry,
    requested: Model<'_>,
    family: Option<Family>,
) -> Result<Option<Exclusion>, SelectError> {
    ledger.purge_leases(entry);
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
    if ledger.cooling(entry) {
        return Ok(Some(Exclusion::Cooling));
    }
    if ledger.limited(entry.kind, &entry.id) {
        return Ok(Some(Exclusion::Limited));
    }
    if entry.kind == Kind::Official
        && let Some(family) = family
        && ledger.family_limited(&entry.id, Some(family))
    {
        return Ok(Some(Exclusion::FamilyLimited(family)));
    }
    Ok((entry.kind == Kind::Console && ledger.slots_full(entry)).then_some(Exclusion::SlotsFull))
}
