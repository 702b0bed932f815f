//! Records as the legacy service stores them, with typed fields (contract/redis.md §a, §b).
//!
//! Reading accepts every spelling the legacy readers accept; [`to_fields`](ApiKey::to_fields) writes the
//! one spelling the legacy writers use. Fields nobody named here are kept in `rest`. Never write a whole
//! record back to a live database: another writer may have changed a field in between (§k.1); whole
//! records are for creating, exporting and auditing.

pub mod account;
mod api_key;
mod field;
mod group;
mod json;
mod layout;
mod models;
mod people;
mod permissions;
mod proxy;
mod sealed;
#[cfg(test)]
mod tests;

pub use api_key::{ApiKey, Binding};
pub use group::Group;
pub use json::Json;
pub use layout::{Fault, Rest};
pub use models::ModelMap;
pub use people::{AdminCredentials, AdminSession, User, UserSession};
pub use permissions::Permissions;
pub use proxy::{Proxy, ProxyText};
pub use sealed::Sealed;
