//! The fixed request window of an API key (contract/redis.md §h).
//!
//! Opening and checking it is part of [`crate::admission`]; here are its keys and what is added to it
//! after the reply.

use crate::store::Cmd;

/// Limits within one window; 0 means no such limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowLimits {
    /// Length, in milliseconds.
    pub window_ms: i64,
    /// Most requests.
    pub requests: i64,
    /// Most tokens; switches the cost limit off.
    pub tokens: i64,
    /// Most rated cost, USD.
    pub cost: f64,
}

/// Keys of start, requests, tokens and cost, in this order.
pub fn keys(key_id: &str) -> [String; 4] {
    [
        format!("rate_limit:window_start:{key_id}"),
        format!("rate_limit:requests:{key_id}"),
        format!("rate_limit:tokens:{key_id}"),
        format!("rate_limit:cost:{key_id}"),
    ]
}

/// Adds the tokens of a finished reply.
pub fn add_tokens(key_id: &str, tokens: i64) -> Cmd {
    Cmd::new("INCRBY").arg(format!("rate_limit:tokens:{key_id}")).arg(tokens)
}

/// Adds the rated cost of a finished reply; `usd` is the number as JavaScript prints it.
pub fn add_cost(key_id: &str, usd: &str) -> Cmd {
    Cmd::new("INCRBYFLOAT").arg(format!("rate_limit:cost:{key_id}")).arg(usd)
}
