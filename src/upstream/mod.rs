//! HTTP to the vendors: the only place that opens outbound connections.
//!
//! The rest of the house sees the [`Sender`] trait, so that a request can also be answered from a
//! recording without any connection being made. [`HttpSender`] is the one that does make them:
//! HTTP/1.1 with the header order and spelling it is given, per-request outbound proxies, a pool of
//! kept connections, and `UPSTREAM_HOST_MAP`. What stands on the wire is compared with the legacy
//! service in `docs/http-fidelity.md`.
//!
//! - [`client`](HttpSender) decides: map the host, reuse or dial, exchange, retry a stale connection.
//! - `dial`, `tls`, `tunnel`, `socks` open a connection; `wire`, `line`, `answer` speak HTTP on it.
//! - `surroundings` reads the environment's proxies; which requests heed them is their senders' choice.
//! - `mail` speaks SMTP, for notifications.
//! - Nothing here knows vendors, accounts or Redis.

mod answer;
mod client;
mod decode;
mod dial;
mod failure;
mod head;
pub mod host_map;
mod line;
mod mail;
mod pool;
pub mod replay;
mod settings;
mod socks;
mod surroundings;
#[cfg(test)]
mod tests;
mod tls;
mod tunnel;
mod wire;

use std::time::Duration;

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use thiserror::Error;

pub use self::{
    client::HttpSender,
    mail::{Mail, MailSender},
    settings::{SenderSettings, SettingsError},
    surroundings::{SurroundingProxies, Unusable},
};
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
    /// Outbound proxy of its own; see [`Sender`] for what `None` means.
    pub proxy: Option<ProxyConfig>,
    /// Longest silence on the connection before the exchange is given up.
    pub idle_timeout: Duration,
    /// Decode `gzip`, `deflate`, `br`, `zstd` bodies before handing them on; a decoded answer has no
    /// `content-encoding` header any more.
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
    /// Any other failure of the network (`EHOSTUNREACH`, `EPIPE` …).
    Network,
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
    /// The runtime's error code that the legacy service shows to clients (`ECONNREFUSED`,
    /// `HPE_INVALID_CONSTANT`), where there is one.
    pub code: Option<&'static str>,
}

impl SendError {
    /// A failure with the code that goes with its kind.
    pub fn new(kind: SendErrorKind, message: impl Into<String>) -> Self {
        let code = match kind {
            SendErrorKind::Refused => Some("ECONNREFUSED"),
            SendErrorKind::Reset => Some("ECONNRESET"),
            SendErrorKind::Dns => Some("ENOTFOUND"),
            SendErrorKind::ConnectTimeout => Some("ETIMEDOUT"),
            _ => None,
        };
        Self { kind, message: message.into(), code }
    }

    /// The same failure with another code.
    pub fn with_code(mut self, code: Option<&'static str>) -> Self {
        self.code = code;
        self
    }
}

/// Makes exchanges with vendors.
///
/// The legacy service has two kinds of HTTP clients: its library, which heeds the environment's proxies,
/// and the runtime's own, which knows none. So have these.
pub trait Sender: Send + Sync + 'static {
    /// Sends the request and resolves when the answer's head has arrived. A request without a proxy goes
    /// through the environment's, if there is one for its host.
    fn send(&self, request: UpstreamRequest) -> BoxFuture<'_, Result<UpstreamResponse, SendError>>;

    /// As [`Sender::send`], past the environment's proxies.
    fn send_past(
        &self,
        request: UpstreamRequest,
    ) -> BoxFuture<'_, Result<UpstreamResponse, SendError>> {
        self.send(request)
    }
}
