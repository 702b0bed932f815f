//! Outbound proxies and connection pools.

use std::time::Duration;

use super::{ConfigError, reader::Reader};

/// Pools and timeouts of outbound connections.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// `DEFAULT_PROXY_TIMEOUT` (600000 ms): socket timeout of proxied connections.
    pub timeout: Duration,
    /// `PROXY_KEEP_ALIVE` (false): keep proxied connections open for reuse.
    pub keep_alive: bool,
    /// `PROXY_MAX_SOCKETS` (unset: unlimited).
    pub max_sockets: Option<u32>,
    /// `PROXY_MAX_FREE_SOCKETS` (unset: the client's default; 0 is a value).
    pub max_free_sockets: Option<u32>,
    /// `PROXY_USE_IPV4` (true): only exactly `false` selects IPv6.
    pub use_ipv4: bool,
    /// `HTTPS_MAX_SOCKETS_STREAM` (65535): direct connections per host for streams.
    pub direct_stream_sockets: u32,
    /// `HTTPS_MAX_SOCKETS_NON_STREAM` (16384): direct connections per host for the rest.
    pub direct_sockets: u32,
    /// `HTTPS_MAX_FREE_SOCKETS` (2048): idle direct connections kept per host.
    pub direct_free_sockets: u32,
    /// `HTTPS_FREE_SOCKET_TIMEOUT` (30000 ms): idle time after which a direct connection is closed.
    pub direct_idle_timeout: Duration,
}

impl ProxySettings {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, ConfigError> {
        let number = |name| reader.raw(name).and_then(|text| js::parse_int(&text));
        Ok(Self {
            timeout: reader.millis("DEFAULT_PROXY_TIMEOUT", 600_000)?,
            keep_alive: reader.is_true("PROXY_KEEP_ALIVE"),
            max_sockets: number("PROXY_MAX_SOCKETS")
                .and_then(|n| u32::try_from(n).ok())
                .filter(|n| *n > 0),
            max_free_sockets: number("PROXY_MAX_FREE_SOCKETS").and_then(|n| u32::try_from(n).ok()),
            use_ipv4: reader.is_not_false("PROXY_USE_IPV4"),
            direct_stream_sockets: reader.count("HTTPS_MAX_SOCKETS_STREAM", 65_535, u32::MAX)?,
            direct_sockets: reader.count("HTTPS_MAX_SOCKETS_NON_STREAM", 16_384, u32::MAX)?,
            direct_free_sockets: reader.count("HTTPS_MAX_FREE_SOCKETS", 2_048, u32::MAX)?,
            direct_idle_timeout: reader.millis("HTTPS_FREE_SOCKET_TIMEOUT", 30_000)?,
        })
    }
}
