//! Accounts for models with the `ccr,` prefix: only these, whatever the key names.

use std::sync::Arc;

use compat::pool::{Entry, Kind};

use super::{Exclusion, Model, SelectError, model, order, work::Work};

/// The CCR account to use.
pub(super) fn choose(work: &mut Work<'_>, requested: Model<'_>) -> Result<Arc<Entry>, SelectError> {
    let mut found = Vec::new();
    for entry in work.list(Kind::Ccr) {
        let exclusion = look(work, &entry, requested)?;
        if work.note(Kind::Ccr, &entry.id, exclusion) {
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
    work: &mut Work<'_>,
    entry: &Arc<Entry>,
    requested: Model<'_>,
) -> Result<Option<Exclusion>, SelectError> {
    if !entry.active() {
        return Ok(Some(Exclusion::Inactive));
    }
    let entry = &work.recovered(entry);
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
    if work.cooling(entry) {
        return Ok(Some(Exclusion::Cooling));
    }
    let limited = work.limited(Kind::Ccr, &entry.id);
    let spent = work.quota_spent(Kind::Ccr, &entry.id);
    let overloaded = work.overloaded(Kind::Ccr, &entry.id);
    Ok(if limited {
        Some(Exclusion::Limited)
    } else if spent {
        Some(Exclusion::Quota)
    } else {
        overloaded.then_some(Exclusion::Overloaded)
    })
}
