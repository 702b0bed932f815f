//! The Redis contract of claude-relay-service v1.1.314, both ways: everything written here is read by
//! the Node service, and the other way round; besides, the own keys of crs ([`rollout`]). No HTTP code, and nothing of the relay.

pub mod account_state;
pub mod admission;
pub mod api_key_index;
pub mod api_key_lookup;
pub mod catalogue;
pub mod clock;
pub mod concurrency;
pub mod cooldown;
pub mod crypto;
pub mod date;
pub mod hold;
pub mod js;
pub mod keys;
pub mod lock;
pub mod lua;
pub mod memory;
pub mod number;
pub mod pool;
pub mod queue;
pub mod rate_window;
pub mod record;
pub mod relay_config;
pub mod rollout;
pub mod session;
pub mod session_binding;
pub mod sticky;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod usage;
pub mod user_message;
mod value;
pub mod write_behind;
