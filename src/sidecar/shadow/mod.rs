//! Doing what Node did a second time, without effects, and comparing.
//!
//! [`Shadow::begin`] watches a request that is forwarded to Node; when it is over it waits in a bounded
//! queue for [`Shadow::run`], which does it again on the database as Node found it and records what
//! differs. Nothing here is waited for on a client's path; what does not fit is dropped and counted.

mod case;
mod choice;
mod desk;
mod duty;
mod notices;
mod quirks;
pub mod records;
mod second_run;
mod seen;
mod shelf;
mod story;
mod watch;

pub use case::{Candidate, Case, Run};
pub use desk::{Shadow, ShadowParts, ShadowStatus};
pub use second_run::{Seals, again, move_to};
pub use seen::{Headers, Seen, SeenRequest, SeenResponse, route_of};
pub use shelf::{Shelf, ShelfError, ShelfLimits};
