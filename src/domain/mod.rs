//! Plain types shared by every room of the house. Nothing here does I/O or knows a vendor's wire format.

mod anomaly;
mod declined;
mod dialect;
mod headers;
mod ids;
mod proxy;
mod secret;
mod usage;

pub use anomaly::{Anomaly, AnomalySink, LogAnomalies};
pub use declined::{Declined, Failure};
pub use dialect::Dialect;
pub use headers::{HeaderList, joint, latin1};
pub use ids::{AccountId, ApiKeyId, RequestId};
pub use proxy::{ProxyConfig, ProxyKind};
pub use secret::Secret;
pub use usage::{CacheSplit, TokenUsage};
