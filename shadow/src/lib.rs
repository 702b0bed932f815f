//! Comparison of two implementations of one exchange.
//!
//! This crate knows no HTTP framework, no client, no database and no platform: both sides are handed
//! to it as [`Observation`]s. The legacy service is the control, and its answer is what the client
//! gets.
//!
//! - [`observation`]: what one side did.
//! - [`compare`]: differences, plane by plane.
//! - [`rules`]: which differences are known, and why.
//! - [`verdict`]: what a request's comparison comes to.
//! - [`tally`]: evidence over many requests, with coverage.
//! - [`capture`], [`redact`]: cases that are kept, without secrets and sealed.
//! - [`sample`], [`safety`]: which requests are compared.
//! - [`report`]: one screen of evidence, one case as text; [`calibrate`]: rules from noise.
//! - [`gates`], [`guards`]: what lets a phase be left, and what sends it back.

pub mod body;
pub mod calibrate;
pub mod capture;
pub mod compare;
pub mod difference;
pub mod gates;
pub mod group;
pub mod guards;
pub mod json;
pub mod keys;
pub mod observation;
pub mod redact;
pub mod report;
pub mod rules;
pub mod safety;
pub mod sample;
pub mod tally;
pub mod verdict;

pub use body::Body;
pub use difference::{Difference, DifferenceKind, Finding, Plane, Weight};
pub use json::compare_json;
pub use observation::{
    AccountChoice, Admission, Gap, Headers, Observation, RequestFacts, Response, Source, Timing,
    UpstreamAnswer, UpstreamExchange,
};
pub use report::Report;
pub use rules::Rules;
pub use tally::Tally;
pub use verdict::{PlaneVerdict, Verdict, judge};

#[cfg(test)]
mod example;
