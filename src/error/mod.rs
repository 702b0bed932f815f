//! Errors of the request path.
//!
//! Which error type belongs where: each room has its own `thiserror` enum; what leaves a room towards
//! the pipeline says where the fault lies ([`Source`]) and whether another try may help ([`Retry`]), so
//! that no one parses messages. `anyhow` is for `main`, commands and tasks only. Rendering to HTTP
//! lives in `api/error.rs` alone.

/// Where a failure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The client's request was wrong, or the client left.
    Client,
    /// The vendor refused or failed.
    Upstream,
    /// This service or its database failed.
    Internal,
}

/// Whether and where the same request may be tried again before the first byte reached the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Give up.
    No,
    /// The same account may be asked again.
    SameAccount,
    /// Another account may be asked.
    OtherAccount,
}
