//! Account records, one type per kind (contract/redis.md §b).
//!
//! Secrets stay encrypted in the records; open them with the kind's [`Service`](crate::crypto::Service).

mod claude_console;
mod claude_official;

pub use claude_console::ClaudeConsole;
pub use claude_official::ClaudeOfficial;
