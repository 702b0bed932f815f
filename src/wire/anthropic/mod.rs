//! The Anthropic Messages format: requests, replies and events.

pub mod headers;
pub mod prompt_similarity;
pub mod sanitize;
mod session;
#[cfg(test)]
mod tests;
mod top_level_usage;
mod usage;
pub mod user_id;
pub mod warmup;

pub use session::{is_old_session, session_hash};
pub use top_level_usage::TopLevelUsage;
pub use usage::{UNKNOWN_MODEL, UsageTap, usage_of_chat_reply, usage_of_reply};
pub use user_id::UserId;
