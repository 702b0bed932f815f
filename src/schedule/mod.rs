//! Which account serves a Claude request.
//!
//! [`decide`] is the decision itself: a pure function of the request, a snapshot of all accounts and
//! the conversation's sticky mapping (contract/anthropic.md §2). [`Scheduler`] reads those, runs the
//! decision, and carries out what follows from it without making the request wait. Nothing here talks
//! to a vendor.

mod binding;
mod bound;
mod ccr;
mod check;
mod decide;
mod group;
mod model;
mod order;
mod request;
mod scheduler;
mod shared;
#[cfg(test)]
mod tests;
mod work;

pub use binding::{BindingCheck, SessionBindings};
pub use decide::{Decision, decide};
pub use request::{
    Considered, Exclusion, ForcedAccount, KeyBindings, Model, SelectError, SelectRequest,
    Selection, Unavailable, Via,
};
pub use scheduler::{Prefetched, Scheduler};
pub use work::{Effect, Rules};
