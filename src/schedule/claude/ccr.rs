//! Accounts for models with the `ccr,` prefix: only these, whatever the key names.

use std::sync::Arc;

use compat::pool::{Entry, Kind};

use super::{Exclusion, Ledger, Model, SelectError, model, order};

/// The CCR account to use.
pub(super) fn choose(
    ledger: &mut Ledger<'_>,
    requested: Model<'_>,
) -> Result<Arc<Entry>, SelectError> {
    let mut found = Vec::new();
    for entry in ledger.list(Kind::Ccr) {
        let exclusion = look(ledger, &entry, requested)?;
        if ledger.note(Kind::Ccr, &entry.id, exclusion) {
            found.push(entry);
        }
    }
    order::sort(&mut found);
    found.into_iter().next().ok_or_else(|| {
        SelectError::NoCcr(match requested {
            Model::Unspecified => "unspecified".to_owned(),
            Model::Name(name) | Model::NotText(name) => name.to_owned(),
        })
    })
}

fn look(
    ledger: &mut Ledger<'_>,
    entry: &Arc<Entry>,
    requested: Model<'_>,
) -> Result<Option<Exclusion>, SelectError> {
    if !entry.active() {
        return Ok(Some(Exclusion::Inactive));
    }
    let entry = &ledger.recovered(entry);
    let status = match entry.status() {
        "" => "active",
        status => status,
    };
    if status != "active" {
        return Ok(Some(Exclusion::Status(status.to_owned())));
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
    if !entry.proxy_readable() {
        return Ok(Some(Exclusion::Unreadable));
    }
    if ledger.cooling(entry) {
        return Ok(Some(Exclusion::Cooling));
    }
    let limited = ledger.limited(Kind::Ccr, &entry.id);
    let spent = ledger.quota_spent(Kind::Ccr, &entry.id);
    let overloaded = ledger.overloaded(Kind::Ccr, &entry.id);
    Ok(if limited {
        Some(Exclusion::Limited)
    } else if spent {
        Some(Exclusion::Quota)
    } else {
        overloaded.then_some(Exclusion::Overloaded)
    })
}
