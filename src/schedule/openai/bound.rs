//! The account that the API key itself names. It serves, or the request is refused; only one that cools
//! down gives way to the shared accounts.

use std::sync::Arc;

use compat::{
    account_state::responses,
    pool::{Entry, Kind},
};

use super::{
    Ask, Exclusion, Ledger,
    refusal::{Dedicated, Refusal},
    states::serves,
};

/// `Ok(None)`: go on with the shared accounts.
pub(super) fn choose(
    ledger: &mut Ledger<'_>,
    ask: &Ask<'_>,
    kind: Kind,
    id: &str,
) -> Result<Option<Arc<Entry>>, Refusal> {
    let shared: Arc<str> = Arc::from(id);
    let Some(entry) = ledger.account(kind, id) else {
        ledger.note(kind, &shared, Some(Exclusion::Missing));
        return Err(refused(ask.binding, Dedicated::Missing));
    };
    if let Some((why, exclusion)) = out_of_use(&entry) {
        ledger.note(kind, &shared, Some(exclusion));
        return Err(refused(entry.get("name"), why));
    }
    if ledger.cooling(&entry) {
        ledger.note(kind, &shared, Some(Exclusion::Cooling));
        return Ok(None);
    }
    let exclusion = match kind {
        Kind::OpenAi => ledger.ready(&entry),
        _ => provider(ledger, &entry),
    };
    if let Some(exclusion) = exclusion {
        let why = match exclusion {
            Exclusion::Limited => Dedicated::Limited,
            Exclusion::Expired => Dedicated::Expired,
            _ => Dedicated::Unschedulable,
        };
        ledger.note(kind, &shared, Some(exclusion));
        return Err(refused(entry.get("name"), why));
    }
    if let Some(model) = ask.model
        && kind == Kind::OpenAi
        && !serves(&entry, ask.model)
    {
        ledger.note(kind, &shared, Some(Exclusion::Model));
        let (name, model) = (entry.get("name").to_owned(), model.to_owned());
        return Err(Refusal::DedicatedModel { name, model });
    }
    ledger.note(kind, &shared, None);
    Ok(ledger.get(kind, id))
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

fn provider(ledger: &mut Ledger<'_>, entry: &Arc<Entry>) -> Option<Exclusion> {
    if ledger.provider_limited(entry) {
        return Some(Exclusion::Limited);
    }
    let entry = ledger.get(entry.kind, &entry.id).unwrap_or_else(|| entry.clone());
    if !entry.schedulable() {
        return Some(Exclusion::Unschedulable);
    }
    responses::plan_ended(&entry, ledger.now_ms()).then_some(Exclusion::Expired)
}

fn refused(name: &str, why: Dedicated) -> Refusal {
    Refusal::Dedicated { name: name.to_owned(), why }
}
