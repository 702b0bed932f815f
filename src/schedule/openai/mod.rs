//! Which account serves a request to the responses API (contract/openai-azure-droid.md §2.2): a ChatGPT
//! account or a provider with a key.

mod bound;
mod decide;
mod group;
mod refusal;
mod shared;
mod states;
mod sticky;

use std::sync::Arc;

use compat::pool::Entry;

pub use refusal::{Dedicated, Refusal};

use super::{Decision, Exclusion, Question, Seen, Via, ledger::Ledger, order};

/// What selection needs to know of a request.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The key's `openaiAccountId`: a ChatGPT account, `responses:{id}`, `group:{id}`, or nothing.
    pub binding: &'a str,
    /// Hash of the conversation, when it has one.
    pub session: Option<&'a str>,
    /// Requested model, as accounts list it.
    pub model: Option<&'a str>,
    /// What became of the refreshes that [`Refusal::Refresh`] asked for.
    pub refreshed: &'a [Refreshed],
}

/// A refresh that was tried for the sake of a selection.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// The account.
    pub account: Arc<Entry>,
    /// Whether it has a good token now.
    pub done: bool,
}
