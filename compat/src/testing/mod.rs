//! For tests only: a real `redis-server` of one's own and a proxy that misbehaves on demand.
//!
//! Every server listens on its own loopback port, keeps nothing on disk and dies with its handle.

mod dump;
mod proxy;
mod recording;
mod server;
mod state;

pub use dump::dump;
pub use proxy::{CuttingProxy, Fault};
pub use recording::{Changes, conclude, equal, lay_out};
pub use server::TestRedis;
pub use state::{Stored, changes, state};
