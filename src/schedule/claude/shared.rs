//! The shared accounts (contract/anthropic.md §2.4, step 8): official, then console, then Bedrock.

use std::sync::Arc;

use compat::{
    account_state::Family,
    pool::{Entry, Kind, bedrock_order},
    record::ModelMap,
};

use super::{Exclusion, Ledger, Model, SelectError, check, model};

/// Accounts that can serve, in the order before sorting.
pub(super) fn eligible(
    ledger: &mut Ledger<'_>,
    requested: Model<'_>,
    family: Option<Family>,
) -> Result<Vec<Arc<Entry>>, SelectError> {
    let mut found = Vec::new();
    for entry in ledger.list(Kind::Official) {
        let exclusion = official(ledger, &entry, requested, family)?;
        if ledger.note(Kind::Official, &entry.id, exclusion) {
            found.push(entry);
        }
    }
    let all_full = console_accounts(ledger, requested, &mut found)?;
    let mut bedrock = ledger.list(Kind::Bedrock);
    // It matters only for otherwise equal accounts.
    let order = ledger.seen.rules.collation.clone();
    bedrock.sort_by(|a, b| bedrock_order(&order, [a.document.as_ref(), b.document.as_ref()]));
    for entry in bedrock {
        let exclusion = shared_bedrock(ledger, &entry);
        if ledger.note(Kind::Bedrock, &entry.id, exclusion) {
            found.push(entry);
        }
    }
    if found.is_empty() && all_full {
        return Err(SelectError::ConsoleFull);
    }
    Ok(found)
}

fn official(
    ledger: &mut Ledger<'_>,
    entry: &Entry,
    requested: Model<'_>,
    family: Option<Family>,
) -> Result<Option<Exclusion>, SelectError> {
    if !entry.active() {
        return Ok(Some(Exclusion::Inactive));
    }
    if matches!(entry.status(), "error" | "blocked" | "temp_error") {
        return Ok(Some(Exclusion::Status(entry.status().to_owned())));
    }
    if !matches!(entry.get("accountType"), "" | "shared") {
        return Ok(Some(Exclusion::NotShared));
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
    if ledger.limited(Kind::Official, &entry.id) {
        return Ok(Some(Exclusion::Limited));
    }
    Ok(match family {
        Some(family) if ledger.family_limited(&entry.id, Some(family)) => {
            Some(Exclusion::FamilyLimited(family))
        }
        _ => None,
    })
}

/// Adds console accounts, those with limited slots last. Tells whether there were eligible ones and
/// all of them were full.
fn console_accounts(
    ledger: &mut Ledger<'_>,
    requested: Model<'_>,
    found: &mut Vec<Arc<Entry>>,
) -> Result<bool, SelectError> {
    let (mut free, mut full) = (0_usize, 0_usize);
    let mut slotted = Vec::new();
    for listed in ledger.list(Kind::Console) {
        if !listed.get("id").is_empty() {
            ledger.purge_leases(&listed);
        }
        let (current, exclusion) = console(ledger, listed, requested)?;
        if exclusion.is_some() {
            ledger.note(Kind::Console, &current.id, exclusion);
        } else if current.max_concurrent() > 0 {
            slotted.push(current);
        } else {
            ledger.note(Kind::Console, &current.id, None);
            free += 1;
            found.push(current);
        }
    }
    for entry in slotted {
        let exclusion = ledger.slots_full(&entry).then_some(Exclusion::SlotsFull);
        if ledger.note(Kind::Console, &entry.id, exclusion) {
            free += 1;
            found.push(entry);
        } else {
            full += 1;
        }
    }
    Ok(full > 0 && free == 0)
}

/// Looks at one console account, after lifting a block or quota stop whose time is over. The record
/// returned is the one that was judged.
fn console(
    ledger: &mut Ledger<'_>,
    listed: Arc<Entry>,
    requested: Model<'_>,
) -> Result<(Arc<Entry>, Option<Exclusion>), SelectError> {
    let id = listed.id.clone();
    if listed.get("id").is_empty() {
        // The legacy listing deletes such a remnant; it is left alone here.
        return Ok((listed, Some(Exclusion::Unreadable)));
    }
    let models = ModelMap::parse(listed.get("supportedModels"));
    if matches!(models, ModelMap::Unreadable(_)) || !listed.proxy_readable() {
        return Ok((listed, Some(Exclusion::Unreadable)));
    }
    let blocked = ledger.console_blocked(&id);
    let mut entry = listed;
    // A listed record has defaults filled in and hides the end of its plan; one read again after a
    // recovery has neither (legacy quirk).
    let mut read_again = false;
    let status = |entry: &Entry, read_again: bool| match entry.status() {
        "" if !read_again => "active".to_owned(),
        status => status.to_owned(),
    };
    if !blocked && entry.status() == "account_blocked" {
        entry = ledger.get(Kind::Console, &id).unwrap_or(entry);
        read_again = true;
    }
    if entry.status() == "quota_exceeded" && !ledger.quota_spent(Kind::Console, &id) {
        entry = ledger.get(Kind::Console, &id).unwrap_or(entry);
        read_again = true;
    }
    let state = status(&entry, read_again);
    let exclusion = if !entry.active() {
        Some(Exclusion::Inactive)
    } else if state != "active" {
        Some(Exclusion::Status(state))
    } else if !(entry.get("accountType") == "shared"
        || entry.get("accountType").is_empty() && !read_again)
    {
        Some(Exclusion::NotShared)
    } else if !entry.schedulable() {
        Some(Exclusion::Unschedulable)
    } else {
        model::check(&entry, requested)?
    };
    if exclusion.is_some() {
        return Ok((entry, exclusion));
    }
    if read_again && check::expired(&entry, ledger.now_ms()) {
        return Ok((entry, Some(Exclusion::Expired)));
    }
    ledger.check_quota(Kind::Console, &id);
    if ledger.cooling(&entry) {
        return Ok((entry, Some(Exclusion::Cooling)));
    }
    let limited = ledger.limited(Kind::Console, &id);
    let spent = ledger.quota_spent(Kind::Console, &id);
    let exclusion =
        if limited { Some(Exclusion::Limited) } else { spent.then_some(Exclusion::Quota) };
    Ok((entry, exclusion))
}

fn shared_bedrock(ledger: &mut Ledger<'_>, entry: &Entry) -> Option<Exclusion> {
    if !entry.active() {
        return Some(Exclusion::Inactive);
    }
    if entry.text("accountType") != "shared" {
        return Some(Exclusion::NotShared);
    }
    if !entry.schedulable() {
        return Some(Exclusion::Unschedulable);
    }
    ledger.cooling(entry).then_some(Exclusion::Cooling)
}
