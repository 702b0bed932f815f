//! What a captured request detail tells about the request body: the reasoning effort asked for, and a
//! sanitised copy (contract/auth-limits-usage.md §6.1).

mod reasoning;
mod snapshot;

pub(super) use reasoning::reasoning;
pub(super) use snapshot::snapshot;
