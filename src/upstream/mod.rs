//! HTTP to the vendors: the only place that opens outbound connections.
//!
//! The rest of the house sees the [`Sender`] trait, so that a request can also be answered from a
//! recording without any connection being made.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use thiserror::Error;

use crate::domain::{HeaderList, ProxyConfig};

/// One request to a vendor, complete down to header order and spelling.
#[derive(Clone, Debug)]
pub struct UpstreamRequest {
    /// HTTP method.
    pub method: http::Method,
    /// Absolute URL with the vendor's real host; redirection by `UPSTREAM_HOST_MAP` happens below.
    pub url: String,
    /// All headers in the order and spelling to send, including `host` and `content-length`.
    pub headers: HeaderList,
    /// Complete body.
    pub body: Bytes,
    /// Outbound proxy; `None` is a direct connection.
    pub proxy: Option<ProxyConfig>,
    /// Longest silence on the connection before the exchange is given up.
    pub idle_timeout: Duration,
    /// Decode `gzip`, `deflate`, `br` bodies before handing them on.
    pub decode_body: bool,
}

/// Head of the vendor's answer and its body as it arrives.
pub struct UpstreamResponse {
    /// Status code.
    pub status: u16,
    /// Headers in order, names lower-cased.
    pub headers: HeaderList,
    /// Body chunks as they arrive. Dropping the stream closes the connection.
    pub body: BoxStream<'static, Result<Bytes, SendError>>,
}

/// Why an exchange with a vendor failed below HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendErrorKind {
    /// TCP connection refused.
    Refused,
    /// Connection reset or closed before the answer was complete.
    Reset,
    /// Host name did not resolve.
    Dns,
    /// No connection within the connect timeout (`ETIMEDOUT`).
    ConnectTimeout,
    /// Silence for longer than [`UpstreamRequest::idle_timeout`].
    IdleTimeout,
    /// TLS handshake failed.
    Tls,
    /// The outbound proxy refused or failed.
    Proxy,
    /// The answer was not HTTP, or its encoding was broken.
    Protocol,
    /// The request could not be formed (bad URL or header).
    Invalid,
}

/// Failure of an exchange below HTTP.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub struct SendError {
    /// Class of failure; decisions are taken on this alone.
    pub kind: SendErrorKind,
    /// Text for logs and client messages, in the legacy service's spelling where it has one
    /// (`connect ECONNREFUSED 127.0.0.1:443`). Never holds secrets.
    pub message: String,
}

/// Makes exchanges with vendors.
pub trait Sender: Send + Sync + 'static {
    /// Sends the request and resolves when the answer's head has arrived.
    fn send(&self, request: UpstreamRequest) -> BoxFuture<'_, Result<UpstreamResponse, SendError>>;
}
