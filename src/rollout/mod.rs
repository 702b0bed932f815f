//! Who answers clients, Node or crs, and how that changes: phases, share, gates, guards, kill switch
//! (docs/rollout.md).
//!
//! [`Rollout`] is where the standing is read, on every request; [`Watcher`] keeps it right; [`Desk`]
//! changes the shared record. Nothing here serves a request or knows HTTP.

mod announce;
mod command;
mod decide;
mod desk;
mod guard;
mod key_facts;
mod meter;
mod override_file;
mod phase;
mod plan;
mod ports;
mod routes;
mod share;
mod socket;
mod standing;
#[cfg(test)]
mod tests;
mod watch;

pub use command::{Command, NameLists, Senseless, Settings};
pub use decide::{Decision, KeyOf, Reason, Serve, decide};
pub use desk::{Desk, HISTORY_SHOWN_MAX, Order, Outcome, RolloutError};
pub use guard::GuardLimits;
pub use key_facts::{KeyDirectory, KeyFacts};
pub use meter::{Counted, Meter};
pub use override_file::{Override, remove as remove_override, write as write_override};
pub use phase::{Phase, UnknownPhase};
pub use plan::{Change, Plan, Record, Sampling};
pub use ports::{
    Alarm, Evidence, Explainer, Fitness, GateResult, LogAlarm, NoEvidence, Notice, NoticeKind,
    Vitals,
};
pub use routes::{Access, OwnedRoute, ROUTES, route};
pub use share::{Membership, Names, NotAPercentage, Percent, Share, place};
pub use socket::{ControlSocket, Request, ask, socket_path};
pub use standing::{Ask, Rollout, Source, Standing, override_path};
pub use watch::{InstanceFacts, Watcher, about, host_name};
