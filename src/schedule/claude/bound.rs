//! Accounts that the API key itself names (contract/anthropic.md §2.4, steps 4 to 6 and 8).

use std::sync::Arc;

use compat::{
    account_state::{Family, official},
    pool::{Entry, Kind},
};

use super::{KeyBindings, Ledger, SelectError, Unavailable};
use crate::{domain::AccountId, schedule::Exclusion};

/// First look, before the sticky session. `Ok(None)`: go on with the shared accounts.
pub(super) fn first(
    ledger: &mut Ledger<'_>,
    bindings: KeyBindings<'_>,
    family: Option<Family>,
) -> Result<Option<Arc<Entry>>, SelectError> {
    if !bindings.claude.is_empty()
        && let Some(entry) = dedicated(ledger, bindings.claude, family)?
    {
        return Ok(Some(entry));
    }
    if !bindings.console.is_empty()
        && let Some(entry) = ledger.get(Kind::Console, bindings.console)
    {
        ledger.purge_leases(&entry);
        let exclusion = console(ledger, &entry);
        if ledger.note(Kind::Console, &entry.id, exclusion) {
            return Ok(Some(entry));
        }
    }
    if !bindings.bedrock.is_empty()
        && let Some(entry) = ledger.get(Kind::Bedrock, bindings.bedrock)
    {
        let exclusion = bedrock(ledger, &entry);
        if ledger.note(Kind::Bedrock, &entry.id, exclusion) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// Second look, at the head of the shared accounts: stricter for console accounts, and an official
/// account that is limited ends the selection.
pub(super) fn again(
    ledger: &mut Ledger<'_>,
    bindings: KeyBindings<'_>,
    family: Option<Family>,
) -> Result<Option<Arc<Entry>>, SelectError> {
    if !bindings.claude.is_empty()
        && let Some(entry) = ledger.get(Kind::Official, bindings.claude)
        && entry.active()
        && !matches!(entry.status(), "error" | "blocked" | "temp_error")
        && !ledger.cooling(&entry)
    {
        if ledger.limited(Kind::Official, bindings.claude) {
            return Err(limited(ledger, &entry));
        }
        if !ledger.family_limited(bindings.claude, family) && entry.schedulable() {
            ledger.note(Kind::Official, &entry.id, None);
            return Ok(Some(entry));
        }
    }
    if !bindings.console.is_empty()
        && let Some(entry) = ledger.get(Kind::Console, bindings.console)
        && console_ready(&entry)
    {
        let id = entry.id.clone();
        ledger.check_quota(Kind::Console, &id);
        let cooling = ledger.cooling(&entry);
        let limited = ledger.limited(Kind::Console, &id);
        let spent = ledger.quota_spent(Kind::Console, &id);
        if !cooling && !limited && !spent {
            ledger.note(Kind::Console, &id, None);
            return Ok(Some(entry));
        }
    }
    if !bindings.bedrock.is_empty()
        && let Some(entry) = ledger.get(Kind::Bedrock, bindings.bedrock)
        && bedrock(ledger, &entry).is_none()
    {
        ledger.note(Kind::Bedrock, &entry.id, None);
        return Ok(Some(entry));
    }
    Ok(None)
}

fn dedicated(
    ledger: &mut Ledger<'_>,
    id: &str,
    family: Option<Family>,
) -> Result<Option<Arc<Entry>>, SelectError> {
    let shared: Arc<str> = Arc::from(id);
    let usable =
        ledger.get(Kind::Official, id).filter(|entry| entry.active() && entry.status() != "error");
    let Some(entry) = usable else {
        ledger.note(Kind::Official, &shared, Some(Exclusion::Inactive));
        return give_way(ledger, id, Unavailable::InactiveOrError);
    };
    // Limits come first: they also stop scheduling and leave a cool-down mark, and the client shall
    // hear of the limit. The record as read before an elapsed limit was lifted counts, so the first
    // request after the limit's end is still refused (legacy quirk).
    let stopped = entry.is("rateLimitAutoStopped") && !entry.schedulable();
    if ledger.limited(Kind::Official, id) || stopped {
        ledger.note(Kind::Official, &shared, Some(Exclusion::Limited));
        return Err(limited(ledger, &entry));
    }
    if ledger.family_limited(id, family) {
        let ends_at = family.map(|family| entry.get(family.limit_end_field()).to_owned());
        ledger.note(Kind::Official, &shared, family.map(Exclusion::FamilyLimited));
        return Err(SelectError::DedicatedLimited {
            account_id: AccountId::from(id),
            ends_at,
            family,
        });
    }
    let (exclusion, reason) = if ledger.cooling(&entry) {
        (Exclusion::Cooling, Unavailable::TemporarilyUnavailable)
    } else if !entry.schedulable() {
        (Exclusion::Unschedulable, Unavailable::NotSchedulable)
    } else {
        ledger.note(Kind::Official, &shared, None);
        return Ok(Some(entry));
    };
    ledger.note(Kind::Official, &shared, Some(exclusion));
    give_way(ledger, id, reason)
}

fn give_way(
    ledger: &Ledger<'_>,
    id: &str,
    reason: Unavailable,
) -> Result<Option<Arc<Entry>>, SelectError> {
    if ledger.seen.rules.dedicated_fallback {
        return Ok(None);
    }
    Err(SelectError::DedicatedUnavailable { account_id: AccountId::from(id), reason })
}

/// `before` is the record as first read: its end stands in when the limit was lifted on the way.
fn limited(ledger: &Ledger<'_>, before: &Entry) -> SelectError {
    let stated = ledger
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

fn console(ledger: &mut Ledger<'_>, entry: &Entry) -> Option<Exclusion> {
    if !entry.active() {
        return Some(Exclusion::Inactive);
    }
    if entry.status() != "active" {
        return Some(Exclusion::Status(entry.status().to_owned()));
    }
    if !entry.schedulable() {
        return Some(Exclusion::Unschedulable);
    }
    ledger.cooling(entry).then_some(Exclusion::Cooling)
}

fn console_ready(entry: &Entry) -> bool {
    entry.active() && entry.status() == "active" && entry.schedulable()
}

fn bedrock(ledger: &mut Ledger<'_>, entry: &Entry) -> Option<Exclusion> {
    if !ledger.has_credentials(entry) {
        return Some(Exclusion::Unreadable);
    }
    if !entry.active() {
        return Some(Exclusion::Inactive);
    }
    if !entry.schedulable() {
        return Some(Exclusion::Unschedulable);
    }
    ledger.cooling(entry).then_some(Exclusion::Cooling)
}
