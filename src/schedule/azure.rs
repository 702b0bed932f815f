//! Which Azure account serves a request (`contract/openai-azure-droid.md §7`): the conversation's, else the
//! shared one of the highest priority. Bindings of the key are not looked at, as in the legacy service.

use std::sync::Arc;

use compat::{
    js, number,
    pool::{Entry, Family, Kind, Need},
    sticky::{self, Stuck},
    store::{Cmd, StoreError},
};
use thiserror::Error;

use super::{Decision, Exclusion, Question, Seen, Via, ledger::Ledger};

/// How long a conversation stays with its account; never renewed.
const STICKY_S: i64 = 3600;
/// Priority of accounts that name none.
const DEFAULT_PRIORITY: f64 = 50.0;

const LISTS: [Need; 1] = [Need::List(Kind::Azure)];

/// A request for an Azure account.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What the client calls its session (`x-session-id`), when it does.
    pub session: Option<&'a str>,
}

/// Why there is none. `Display` gives the legacy service's message.
#[derive(Clone, Debug, Error)]
pub enum Refusal {
    /// No account can serve.
    #[error("No available Azure OpenAI accounts")]
    None,
    /// Accounts could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Question for Ask<'_> {
    type Error = Refusal;

    const FAMILY: Family = Family::Azure;

    fn session(&self) -> Option<&str> {
        self.session
    }

    fn needs(&self, stuck: Option<&Stuck>) -> Vec<Need> {
        let mapping = stuck.and_then(|stuck| stuck.mapping.as_ref());
        mapping
            .map(|mapping| Need::Account(Kind::Azure, mapping.account_id.as_str().into()))
            .into_iter()
            .collect()
    }

    fn lists(&self) -> &'static [Need] {
        &LISTS
    }

    fn decide(&self, seen: &Seen<'_>) -> Option<Decision<Refusal>> {
        let mut ledger = Ledger::new(*seen);
        if let Some(mapping) = ledger.mapping(self) {
            let id: Arc<str> = mapping.account_id.into();
            let entry = ledger.get(Kind::Azure, &id);
            let exclusion = match &entry {
                None => Some(Exclusion::Missing),
                Some(entry) => unfit(&mut ledger, entry, None),
            };
            if ledger.note(Kind::Azure, &id, exclusion)
                && let Some(entry) = entry
            {
                return Some(ledger.close(Ok((entry, Via::Sticky))));
            }
        }
        if !seen.snapshot.covers(&LISTS) {
            return None;
        }
        let now_ms = seen.moment.now_ms;
        let mut fit = Vec::new();
        for entry in ledger.list(Kind::Azure) {
            let exclusion = unfit(&mut ledger, &entry, Some(now_ms));
            if ledger.note(Kind::Azure, &entry.id, exclusion) {
                fit.push(entry);
            }
        }
        let Some(first) = highest(fit) else { return Some(ledger.close(Err(Refusal::None))) };
        if let Some(session) = self.session {
            let key = sticky::key(Family::Azure, session);
            ledger.run(Cmd::new("SETEX").arg(key).arg(STICKY_S).arg(&*first.id));
        }
        Some(ledger.close(Ok((first, Via::Shared))))
    }
}

/// Why an account cannot serve. Only those of the pool are asked whether their plan has ended (`now_ms`).
fn unfit(ledger: &mut Ledger<'_>, entry: &Entry, now_ms: Option<i64>) -> Option<Exclusion> {
    if !entry.active() {
        return Some(Exclusion::Inactive);
    }
    if now_ms.is_some_and(|now_ms| ended(entry, now_ms)) {
        return Some(Exclusion::Expired);
    }
    // Unlike elsewhere, what is not said to be schedulable is not.
    if !entry.is("schedulable") {
        return Some(Exclusion::Unschedulable);
    }
    ledger.cooling(entry).then_some(Exclusion::Cooling)
}

fn ended(entry: &Entry, now_ms: i64) -> bool {
    let end = entry.get("subscriptionExpiresAt");
    !end.is_empty() && js::date_ms(end).is_some_and(|end| end <= now_ms)
}

/// The account of the highest priority, the first of equals. What is no number equals everything, so the
/// order is found by insertion, as the legacy runtime finds it.
fn highest(accounts: Vec<Arc<Entry>>) -> Option<Arc<Entry>> {
    let mut sorted: Vec<(f64, Arc<Entry>)> = Vec::with_capacity(accounts.len());
    for entry in accounts {
        let priority = priority(entry.get("priority"));
        let mut at = sorted.len();
        while at > 0 && priority > sorted[at - 1].0 {
            at -= 1;
        }
        sorted.insert(at, (priority, entry));
    }
    sorted.into_iter().next().map(|(_, entry)| entry)
}

/// A priority as JavaScript reckons with its text; NaN for what is no number.
fn priority(text: &str) -> f64 {
    if text.is_empty() { DEFAULT_PRIORITY } else { number::parse_number(text).unwrap_or(f64::NAN) }
}
