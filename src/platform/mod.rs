//! The vendors: one module each, pure. A module turns a client's call into the vendor's request and a
//! vendor's answer into an outcome; it sends nothing, stores nothing and knows no other platform.

pub mod azure_openai;
pub mod bedrock;
pub mod ccr;
pub mod claude_console;
pub mod claude_official;
pub mod openai_codex;
pub mod openai_responses;
pub mod provider;

use bytes::Bytes;
use url::Url;

use crate::domain::HeaderList;

/// User-Agent of the legacy service's HTTP library, where nobody names another, in the version that service
/// pins.
pub const LIBRARY_AGENT: &str = "axios/1.11.0";

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

impl BuiltRequest {
    /// The complete request of these own headers, as the legacy service's HTTP library spells and orders
    /// what it adds: an agent, length, codings, host and connection, each unless named already.
    pub fn of_library(url: Url, own: HeaderList, body: Bytes, keep_alive: bool) -> Self {
        let mut headers = own;
        if headers.get("user-agent").is_none() {
            headers.push("User-Agent", LIBRARY_AGENT);
        }
        headers.push("Content-Length", body.len().to_string());
        headers.push("Accept-Encoding", "gzip, compress, deflate, br");
        let host = url.host_str().unwrap_or_default();
        headers.push("Host", url.port().map_or(host.to_owned(), |port| format!("{host}:{port}")));
        if headers.get("connection").is_none() {
            headers.push("Connection", if keep_alive { "keep-alive" } else { "close" });
        }
        Self { url: url.into(), headers, body }
    }
}
