//! The vendors: one module each, pure. A module turns a client's call into the vendor's request and a
//! vendor's answer into an outcome; it sends nothing, stores nothing and knows no other platform.

pub mod bedrock;
pub mod ccr;
pub mod claude_console;
pub mod claude_official;
pub mod provider;

use bytes::Bytes;

use crate::domain::HeaderList;

/// A request to a vendor, complete down to header order and spelling. Always `POST`.
#[derive(Clone, Debug)]
pub struct BuiltRequest {
    /// Absolute URL.
    pub url: String,
    /// All headers in the order and spelling to send, including `host` and `content-length`.
    pub headers: HeaderList,
    /// Complete body.
    pub body: Bytes,
}
