//! Accounts that the API key itself names (contract/anthropic.md §2.4, steps 4 to 6 and 8).

use std::sync::Arc;

use compat::{
    account_state::{Family, official},
    pool::{Entry, Kind},
};

use super::{KeyBindings, SelectError, Unavailable, work::Work};
use crate::{domain::AccountId, schedule::Exclusion};

/// First look, before the sticky session. `Ok(None)`: go on with the shared accounts.
pub(super) fn first(
    work: &mut Work<'_>,
    bindings: KeyBindings<'_>,
    family: Option<Family>,
) -> Result<Option<Arc<Entry>>, SelectError> {
    if !bindings.claude.is_empty()
        && let Some(entry) = dedicated(work, bindings.claude, family)?
    {
        return Ok(Some(entry));
    }
    if !bindings.console.is_empty()
        && let Some(entry) = work.get(Kind::Console, bindings.console)
    {
        work.purge_leases(&entry);
        let exclusion = console(work, &entry);
        if work.note(Kind::Console, &entry.id, exclusion) {
            return Ok(Some(entry));
        }
    }
    if !bindings.bedrock.is_empty()
        && let Some(entry) = work.get(Kind::Bedrock, bindings.bedrock)
    {
        let exclusion = bedrock(work, &entry);
        if work.note(Kind::Bedrock, &entry.id, exclusion) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// Second look, at the head of the shared accounts: stricter for console accounts, and an official
/// account that is limited ends the selection.
pub(super) fn again(
    work: &mut Work<'_>,
    bindings: KeyBindings<'_>,
    family: Option<Family>,
) -> Result<Option<Arc<Entry>>, SelectError> {
    if !bindings.claude.is_empty()
        && let Some(entry) = work.get(Kind::Official, bindings.claude)
        && entry.active()
        && !matches!(entry.status(), "error" | "blocked" | "temp_error")
        && !work.cooling(&entry)
    {
        if work.limited(Kind::Official, bindings.claude) {
            return Err(limited(work, &entry));
        }
        if !work.family_limited(bindings.claude, family) && entry.schedulable() {
            work.note(Kind::Official, &entry.id, None);
            return Ok(Some(entry));
        }
    }
    if !bindings.console.is_empty()
        && let Some(entry) = work.get(Kind::Console, bindings.console)
        && console_ready(&entry)
    {
        let id = entry.id.clone();
        work.check_quota(Kind::Console, &id);
        let cooling = work.cooling(&entry);
        let limited = work.limited(Kind::Console, &id);
        let spent = work.quota_spent(Kind::Console, &id);
        if !cooling && !limited && !spent {
            work.note(Kind::Console, &id, None);
            return Ok(Some(entry));
        }
    }
    if !bindings.bedrock.is_empty()
        && let Some(entry) = work.get(Kind::Bedrock, bindings.bedrock)
        && bedrock(work, &entry).is_none()
    {
        work.note(Kind::Bedrock, &entry.id, None);
        return Ok(Some(entry));
    }
    Ok(None)
}

fn dedicated(
    work: &mut Work<'_>,
    id: &str,
    family: Option<Family>,
) -> Result<Option<Arc<Entry>>, SelectError> {
    let shared: Arc<str> = Arc::from(id);
    let usable =
        work.get(Kind::Official, id).filter(|entry| entry.active() && entry.status() != "error");
    let Some(entry) = usable else {
        work.note(Kind::Official, &shared, Some(Exclusion::Inactive));
        return give_way(work, id, Unavailable::InactiveOrError);
    };
    // Limits come first: they also stop scheduling and leave a cool-down mark, and the client shall
    // hear of the limit. The record as read before an elapsed limit was lifted counts, so the first
    // request after the limit's end is still refused (legacy quirk).
    let stopped = entry.is("rateLimitAutoStopped") && !entry.schedulable();
    if work.limited(Kind::Official, id) || stopped {
        work.note(Kind::Official, &shared, Some(Exclusion::Limited));
        return Err(limited(work, &entry));
    }
    if work.family_limited(id, family) {
        let ends_at = family.map(|family| entry.get(family.limit_end_field()).to_owned());
        work.note(Kind::Official, &shared, family.map(Exclusion::FamilyLimited));
        return Err(SelectError::DedicatedLimited {
            account_id: AccountId::from(id),
            ends_at,
            family,
        });
    }
    let (exclusion, reason) = if work.cooling(&entry) {
        (Exclusion::Cooling, Unavailable::TemporarilyUnavailable)
    } else if !entry.schedulable() {
        (Exclusion::Unschedulable, Unavailable::NotSchedulable)
    } else {
        work.note(Kind::Official, &shared, None);
        return Ok(Some(entry));
    };
    work.note(Kind::Official, &shared, Some(exclusion));
    give_way(work, id, reason)
}

fn give_way(
    work: &Work<'_>,
    id: &str,
    reason: Unavailable,
) -> Result<Option<Arc<Entry>>, SelectError> {
    if work.seen.rules.dedicated_fallback {
        return Ok(None);
    }
    Err(SelectError::DedicatedUnavailable { account_id: AccountId::from(id), reason })
}

/// `before` is the record as first read: its end stands in when the limit was lifted on the way.
fn limited(work: &Work<'_>, before: &Entry) -> SelectError {
    let stated = work
        .get(Kind::Official, &before.id)
        .filter(|now| {
            now.get("rateLimitStatus") == "limited" && !now.get("rateLimitedAt").is_empty()
        })
        .and_then(|now| official::limit_end(&now));
    let stored = Some(before.get("rateLimitEndAt")).filter(|end| !end.is_empty());
    SelectError::DedicatedLimited {
        account_id: AccountId::from(&*before.id),
        ends_at: stated.or_else(|| stored.map(str::to_owned)),
        family: None,
    }
}

fn console(work: &mut Work<'_>, entry: &Entry) -> Option<Exclusion> {
    if !entry.active() {
        return Some(Exclusion::Inactive);
    }
    if entry.status() != "active" {
        return Some(Exclusion::Status(entry.status().to_owned()));
    }
    if !entry.schedulable() {
        return Some(Exclusion::Unschedulable);
    }
    work.cooling(entry).then_some(Exclusion::Cooling)
}

fn console_ready(entry: &Entry) -> bool {
    entry.active() && entry.status() == "active" && entry.schedulable()
}

fn bedrock(work: &mut Work<'_>, entry: &Entry) -> Option<Exclusion> {
    if !entry.credentials {
        return Some(Exclusion::Unreadable);
    }
    if !entry.active() {
        return Some(Exclusion::Inactive);
    }
    if !entry.schedulable() {
        return Some(Exclusion::Unschedulable);
    }
    work.cooling(entry).then_some(Exclusion::Cooling)
}
