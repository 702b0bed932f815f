//! Everything on one machine, with no account anywhere: what `crs demo` shows and what the
//! measurements run against.

mod check;
mod database;
mod place;
mod run;
pub mod seed;
pub mod upstream;

pub(super) use place::running;
pub(super) use run::{Options, run};
