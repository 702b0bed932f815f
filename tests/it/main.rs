//! Faults, end to end: the real binary with a Redis of its own and scripted vendors.
//!
//! Every test ends with the books: each request that was served is counted once, nothing else is,
//! and no concurrency slot is left. Waits have deadlines that only a hang reaches.
#![recursion_limit = "256"]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

#[path = "../harness/mod.rs"]
#[expect(dead_code, reason = "shared with the truth test, which uses the rest")]
mod harness;

mod administration;
mod azure;
mod bedrock;
mod chat;
mod container;
mod crash;
mod demo;
mod disk;
mod hostile;
mod jobs;
mod notify;
mod openai;
mod outage;
mod papers;
mod place;
mod rollout;
mod rollout_load;
mod settings;
mod shadow;
mod shutdown;
mod sidecar;
mod streams;
mod two_writers;
mod vendor;
