//! The account that the API key itself names. It serves, or the request is refused; only one that cools
//! down gives way to the shared accounts.

use std::sync::Arc;

use compat::{
    account_state::responses,
    pool::{Entry, Kind},
};

use super::{
    Ask, Exclusion,
    refusal::{Dedicated, Refusal},
    work::{Work, serves},
};

/// `Ok(None)`: go on with the shared accounts.
pub(super) fn choose(
    work: &mut Work<'_>,
    ask: &Ask<'_>,
    kind: Kind,
    id: &str,
) -> Result<Option<Arc<Entry>>, Refusal> {
    let shared: Arc<str> = Arc::from(id);
    let Some(entry) = work.account(kind, id) else {
        work.note(kind, &shared, Some(Exclusion::Missing));
        return Err(refused(ask.binding, Dedicated::Missing));
    };
    if let Some((why, exclusion)) = out_of_use(&entry) {
        work.note(kind, &shared, Some(exclusion));
        return Err(refused(entry.get("name"), why));
    }
    if work.cooling(&entry) {
        work.note(kind, &shared, Some(Exclusion::Cooling));
        return Ok(None);
    }
    let exclusion = match kind {
        Kind::OpenAi => work.ready(&entry),
        _ => provider(work, &entry),
    };
    if let Some(exclusion) = exclusion {
        let why = match exclusion {
            Exclusion::Limited => Dedicated::Limited,
            Exclusion::Expired => Dedicated::Expired,
            _ => Dedicated::Unschedulable,
        };
        work.note(kind, &shared, Some(exclusion));
        return Err(refused(entry.get("name"), why));
    }
    if let Some(model) = ask.model
        && kind == Kind::OpenAi
        && !serves(&entry, ask.model)
    {
        work.note(kind, &shared, Some(Exclusion::Model));
        let (name, model) = (entry.get("name").to_owned(), model.to_owned());
        return Err(Refusal::DedicatedModel { name, model });
    }
    work.note(kind, &shared, None);
    Ok(work.get(kind, id))
}

fn out_of_use(entry: &Entry) -> Option<(Dedicated, Exclusion)> {
    let status = || Exclusion::Status(entry.status().to_owned());
    if !entry.active() {
        return Some((Dedicated::Inactive, Exclusion::Inactive));
    }
    match entry.status() {
        "unauthorized" => Some((Dedicated::Unauthorized, status())),
        "error" => Some((Dedicated::Error, status())),
        _ => None,
    }
}

fn provider(work: &mut Work<'_>, entry: &Arc<Entry>) -> Option<Exclusion> {
    if work.limited(entry) {
        return Some(Exclusion::Limited);
    }
    let entry = work.get(entry.kind, &entry.id).unwrap_or_else(|| entry.clone());
    if !entry.schedulable() {
        return Some(Exclusion::Unschedulable);
    }
    responses::plan_ended(&entry, work.now_ms()).then_some(Exclusion::Expired)
}

fn refused(name: &str, why: Dedicated) -> Refusal {
    Refusal::Dedicated { name: name.to_owned(), why }
}
