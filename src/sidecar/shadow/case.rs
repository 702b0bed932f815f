//! One request to be done a second time, and what came of it.

use std::sync::Arc;

use compat::{
    clock::Clock,
    memory::{Base, NetChange, Snapshot},
};
use futures_util::future::BoxFuture;

use super::seen::{SeenRequest, SeenResponse};
use crate::{
    relay::Explained,
    upstream::replay::{Recorded, Sent},
};

/// What a second run is given.
pub struct Case {
    /// The client's request.
    pub request: SeenRequest,
    /// What vendors answered.
    pub recorded: Vec<Recorded>,
    /// The database as of the request's arrival.
    pub base: Arc<dyn Base>,
    /// Bytes of the answer after which the client left, if it did.
    pub leaves_after: Option<usize>,
    /// Time; starts at the request's arrival.
    pub clock: Clock,
}

/// What it came to.
#[derive(Debug, Default)]
pub struct Run {
    /// What the client would have got; `None`: nothing.
    pub response: Option<SeenResponse>,
    /// What would have been sent to vendors.
    pub sent: Vec<Sent>,
    /// What would have changed in the database.
    pub changes: NetChange,
    /// Why it went as it did.
    pub explained: Option<Explained>,
    /// What it stood on, to run again elsewhere.
    pub base: Snapshot,
    /// Keys that were looked at.
    pub keys: Vec<String>,
    /// Why the run proves less than it seems to.
    pub gaps: Vec<String>,
    /// Why what it stood on could not be read, so that it proves nothing.
    pub unread: Option<String>,
}

/// Does requests a second time, without effects.
pub trait Candidate: Send + Sync + 'static {
    /// Runs one request to its end, everything after its answer included.
    fn run(&self, case: Case) -> BoxFuture<'_, Run>;
}
