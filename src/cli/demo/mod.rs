//! Everything on one machine, with no account anywhere: what `crs demo` shows and what the
//! measurements run against.

pub mod seed;
pub mod upstream;
