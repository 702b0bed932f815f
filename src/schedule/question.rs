//! What a family of accounts has to say for itself so that the scheduler can choose among them.

use compat::{
    account_state::{Moment, UsageCost},
    pool::{Family, Need, Snapshot},
    sticky::Stuck,
    store::StoreError,
};

use super::{Considered, Effect, Rules, Selection};

/// A request for an account, and the rules of its family. Pure: the same state gives the same decision.
pub trait Question: Sync {
    /// Why there may be none. `Display` gives the legacy service's message.
    type Error: From<StoreError>;

    /// Whose accounts are asked for.
    const FAMILY: Family;

    /// What names the conversation, when it has a name.
    fn session(&self) -> Option<&str>;

    /// What the snapshot must hold before [`Question::decide`] can answer. Lists are named only when the
    /// request surely reaches them.
    fn needs(&self, stuck: Option<&Stuck>) -> Vec<Need>;

    /// The lists without which [`Question::decide`] may give no answer.
    fn lists(&self) -> &'static [Need];

    /// Which account serves; `None` when the lists are needed and the snapshot has none of them.
    fn decide(&self, seen: &Seen<'_>) -> Option<Decision<Self::Error>>;
}

/// What a decision is made from.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// Accounts.
    pub snapshot: &'a Snapshot,
    /// The conversation's account.
    pub stuck: Option<&'a Stuck>,
    /// Settings.
    pub rules: &'a Rules,
    /// Now.
    pub moment: Moment,
    /// Price list, for daily quotas.
    pub prices: &'a dyn UsageCost,
}

/// Outcome and consequences of a decision.
#[derive(Debug)]
pub struct Decision<E> {
    /// The account, or why there is none.
    pub result: Result<Selection, E>,
    /// What has to be carried out either way.
    pub effects: Vec<Effect>,
    /// Everything that was looked at, in order.
    pub trace: Vec<Considered>,
}
