//! Which account serves a request.
//!
//! A family of accounts brings a [`Question`]: what it needs to know and its decision, a pure function of
//! the request, a snapshot of the family's accounts and the conversation's sticky mapping. [`Scheduler`]
//! reads those, runs the decision, and carries out what follows from it without making the request wait.
//! Nothing here talks to a vendor.

pub mod azure;
pub mod claude;
mod ledger;
pub mod openai;
mod order;
mod question;
mod scheduler;
mod selection;
#[cfg(test)]
mod tests;

pub use claude::{
    BindingCheck, ForcedAccount, KeyBindings, Model, SelectError, SelectRequest, SessionBindings,
    Unavailable,
};
pub use ledger::{Effect, Rules};
pub use question::{Decision, Question, Seen};
pub use scheduler::{Prefetched, Scheduler};
pub use selection::{Considered, Exclusion, Selection, Via};
