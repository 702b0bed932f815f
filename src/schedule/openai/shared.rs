//! The shared accounts: ChatGPT accounts, then providers.

use std::sync::Arc;

use compat::{
    account_state::{openai, responses},
    pool::{Entry, Kind},
};

use super::{
    Ask, Exclusion, Ledger, Refusal,
    states::{serves, shared},
};

/// Accounts that can serve, in the order before sorting.
///
/// # Errors
/// When the choice depends on refreshes that were not tried yet.
pub(super) fn eligible(ledger: &mut Ledger<'_>, ask: &Ask<'_>) -> Result<Vec<Arc<Entry>>, Refusal> {
    let (mut found, mut stale) = (Vec::new(), Vec::new());
    for entry in ledger.list(Kind::OpenAi) {
        let exclusion = match chatgpt(ledger, &entry, ask) {
            Look::Verdict(exclusion) => exclusion,
            Look::Refresh => {
                stale.push(entry);
                continue;
            }
        };
        if ledger.note(Kind::OpenAi, &entry.id, exclusion) {
            found.push(ledger.get(Kind::OpenAi, &entry.id).unwrap_or(entry));
        }
    }
    if !stale.is_empty() {
        return Err(Refusal::Refresh(stale));
    }
    for entry in ledger.list(Kind::OpenAiResponses) {
        let exclusion = provider(ledger, &entry);
        if ledger.note(Kind::OpenAiResponses, &entry.id, exclusion) {
            found.push(ledger.get(Kind::OpenAiResponses, &entry.id).unwrap_or(entry));
        }
    }
    Ok(found)
}

/// What looking at an account came to.
enum Look {
    Verdict(Option<Exclusion>),
    Refresh,
}

fn chatgpt(ledger: &mut Ledger<'_>, entry: &Arc<Entry>, ask: &Ask<'_>) -> Look {
    if let Some(exclusion) = before_token(ledger, entry) {
        return Look::Verdict(Some(exclusion));
    }
    // The listing shows the end of the plan in place of the token's (legacy quirk): once it has passed,
    // the token is refreshed for every selection and the account is used all the same.
    if openai::plan_ended(entry, ledger.now_ms()) {
        if entry.get("refreshToken").is_empty() {
            return Look::Verdict(Some(Exclusion::Token));
        }
        let tried = ask.refreshed.iter().find(|tried| tried.account.id == entry.id);
        match tried {
            None => return Look::Refresh,
            Some(tried) if !tried.done => return Look::Verdict(Some(Exclusion::Token)),
            Some(_) => {}
        }
    }
    Look::Verdict((!serves(entry, ask.model)).then_some(Exclusion::Model))
}

fn before_token(ledger: &mut Ledger<'_>, entry: &Arc<Entry>) -> Option<Exclusion> {
    if !entry.active() {
        return Some(Exclusion::Inactive);
    }
    if entry.status() == "error" {
        return Some(Exclusion::Status(entry.status().to_owned()));
    }
    if !shared(entry) {
        return Some(Exclusion::NotShared);
    }
    if let Some(exclusion) = ledger.ready(entry) {
        return Some(exclusion);
    }
    ledger.cooling(entry).then_some(Exclusion::Cooling)
}

fn provider(ledger: &mut Ledger<'_>, entry: &Arc<Entry>) -> Option<Exclusion> {
    let now_ms = ledger.now_ms();
    if entry.get("id").is_empty() {
        return Some(Exclusion::Unreadable);
    }
    if !entry.active() {
        return Some(Exclusion::Inactive);
    }
    if entry.status() == "error" {
        return Some(Exclusion::Status(entry.status().to_owned()));
    }
    if !shared(entry) {
        return Some(Exclusion::NotShared);
    }
    if responses::shown_limited(entry, now_ms) {
        return Some(Exclusion::Limited);
    }
    if entry.status() == "rateLimited" {
        ledger.patch(entry, responses::lift_status());
    } else if !entry.schedulable() {
        return Some(Exclusion::Unschedulable);
    }
    if ledger.cooling(entry) {
        return Some(Exclusion::Cooling);
    }
    responses::plan_ended(entry, now_ms).then_some(Exclusion::Expired)
}
