//! The answer, and what was looked at on the way, for every family of accounts.

use std::sync::Arc;

use compat::{
    account_state::Family,
    pool::{Entry, Kind},
};

use crate::domain::AccountId;

/// How the account was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The session is bound to it.
    Forced,
    /// The key names it.
    Dedicated,
    /// The conversation was with it before.
    Sticky,
    /// First of the key's group.
    Group,
    /// First of the shared accounts.
    Shared,
}

/// Why an account was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// No record.
    Missing,
    /// Switched off.
    Inactive,
    /// In a status that takes no requests.
    Status(String),
    /// Not one of the shared accounts.
    NotShared,
    /// Taken out of scheduling.
    Unschedulable,
    /// Does not serve the model.
    Model,
    /// Its plan has ended.
    Expired,
    /// Cooling down after an upstream failure.
    Cooling,
    /// Limited by the vendor.
    Limited,
    /// Limited for the requested model family.
    FamilyLimited(Family),
    /// Overloaded.
    Overloaded,
    /// Daily quota spent.
    Quota,
    /// Its token has run out and cannot be refreshed.
    Token,
    /// No free slot.
    SlotsFull,
    /// Not a member of the key's group.
    NotMember,
    /// Its record cannot be read.
    Unreadable,
}

/// One account that was looked at; `None` when it could serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// Kind.
    pub kind: Kind,
    /// Id.
    pub id: Arc<str>,
    /// Why it was passed over.
    pub exclusion: Option<Exclusion>,
}

/// The chosen account.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Its record as of the decision.
    pub account: Arc<Entry>,
    /// How it was found.
    pub via: Via,
    /// Everything that was looked at, in order.
    pub trace: Vec<Considered>,
}

impl Selection {
    /// Kind of the account.
    pub fn kind(&self) -> Kind {
        self.account.kind
    }

    /// Id of the account.
    pub fn account_id(&self) -> AccountId {
        AccountId::from(&*self.account.id)
    }
}
