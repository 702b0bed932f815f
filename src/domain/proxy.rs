//! Per-account outbound proxy.

use super::Secret;

/// Protocol spoken to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyKind {
    /// Plain HTTP proxy, `CONNECT`.
    Http,
    /// HTTP proxy reached over TLS, `CONNECT`.
    Https,
    /// SOCKS5 with name resolution at the proxy.
    Socks5,
}

/// A complete proxy description; incomplete records never become one (they mean "direct").
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProxyConfig {
    /// Protocol.
    pub kind: ProxyKind,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User name and password; only used when both are set.
    pub credentials: Option<(String, Secret)>,
}
