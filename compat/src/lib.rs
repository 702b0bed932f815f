//! The Redis contract of claude-relay-service v1.1.314, both ways: everything written here is read by
//! the Node service, and the other way round. No HTTP code, and nothing of the relay.

pub mod clock;
pub mod crypto;
pub mod number;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
