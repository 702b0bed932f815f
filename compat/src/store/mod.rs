//! The port to Redis: commands as data, run in pipelines.
//!
//! Callers build [`Cmd`]s and run a [`Batch`] in one round trip. Because commands are data, a run
//! without side effects can answer reads from Redis and keep writes to itself.

mod cmd;
mod redis;
mod reply;
mod scan;

use futures_util::future::BoxFuture;
use thiserror::Error;

pub use cmd::{Batch, Cmd, IntoArg, Script};
pub use redis::{RedisConfig, RedisStore, RedisStores, StoreCounters};
pub use reply::{Reply, accepted};
pub use scan::{Scan, scan_keys};

/// Runs batches of commands against the legacy database.
pub trait Store: Send + Sync + 'static {
    /// Runs all commands of the batch in one round trip and returns one reply per command, in order.
    /// A command that Redis refuses gives [`Reply::Error`] in its place and does not stop the others.
    ///
    /// # Errors
    /// [`StoreError`] when the batch as a whole could not be run; it may or may not have taken effect.
    fn run(&self, batch: Batch) -> BoxFuture<'_, Result<Vec<Reply>, StoreError>>;
}

/// The database could not be asked.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// No connection, or it broke.
    #[error("redis is unreachable: {0}")]
    Unreachable(String),
    /// No answer within the command timeout (500 ms by default).
    #[error("redis did not answer in time")]
    Timeout,
    /// A reply had an unexpected shape.
    #[error("unexpected redis reply: {0}")]
    Shape(String),
}
