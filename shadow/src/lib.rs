//! Comparison of two implementations of one exchange.
//!
//! This crate knows no HTTP framework, no client, no database and no platform: both sides are handed
//! to it as [`Observation`]s, and it answers with [`Difference`]s. The legacy service is the control,
//! and its answer is what the client gets.

mod difference;
mod observation;

pub use difference::{Difference, DifferenceKind, Plane, compare_json};
pub use observation::{HttpMessage, Observation, Write};
