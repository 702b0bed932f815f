//! In front of and beside the legacy service, while it is there.
//!
//! - `forward`: carries exchanges to Node and back as they are.
//! - `gateway`: serves client connections; each request goes to Node or to the own front.
//! - `inlet`: a client's connection, from which both can read in turn.
//! - `shadow`: doing again what Node did, without effects, and comparing.
//! - `tap`: what Node does for a request, told by a preload inside of it.
//!
//! Nothing here may change what a client gets from Node.

pub mod forward;
pub mod gateway;
mod inlet;
pub mod routing;
pub mod shadow;
pub mod standing;
pub mod tap;
#[cfg(test)]
mod tests;
