//! Which account serves a Claude request (contract/anthropic.md §2).

mod binding;
mod bound;
mod ccr;
mod check;
mod decide;
mod group;
mod model;
mod request;
mod shared;
mod states;

pub use binding::{BindingCheck, SessionBindings};
pub use request::{ForcedAccount, KeyBindings, Model, SelectError, SelectRequest, Unavailable};

use super::{Decision, Exclusion, Question, Seen, Via, ledger::Ledger, order};
