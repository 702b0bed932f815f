//! Settings of the sender. Each names the operator's variable that it comes from.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use thiserror::Error;

use super::{
    SurroundingProxies,
    host_map::{HostMap, HostMapError},
};

/// How outbound connections are made and kept.
#[derive(Clone, Debug)]
pub struct SenderSettings {
    /// `UPSTREAM_HOST_MAP`.
    pub host_map: HostMap,
    /// PEM files with further trust roots: `SSL_CERT_FILE`, `NODE_EXTRA_CA_CERTS`.
    pub extra_roots: Vec<PathBuf>,
    /// `HTTPS_MAX_SOCKETS_STREAM`: connections in use at once; further requests wait for one.
    pub max_connections: usize,
    /// `HTTPS_MAX_FREE_SOCKETS`: idle connections kept per target; further ones are closed.
    pub max_idle: usize,
    /// `HTTPS_FREE_SOCKET_TIMEOUT`: how long an idle connection is kept.
    pub idle_keep: Duration,
    /// `PROXY_KEEP_ALIVE`: whether connections through a proxy are kept. Off by default.
    pub proxy_keep_alive: bool,
    /// `PROXY_MAX_FREE_SOCKETS`: as [`max_idle`](Self::max_idle), for proxied connections.
    pub proxy_max_idle: usize,
    /// `PROXY_USE_IPV4`: reach HTTP(S) proxies over IPv4; when off, over IPv6.
    pub proxy_ipv4: bool,
    /// `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`.
    pub surroundings: SurroundingProxies,
    /// Longest wait for one TCP connection. The legacy service leaves this to the kernel, which gives
    /// up after about 127 s.
    pub connect_timeout: Duration,
    /// Why no connection is made to an address, for senders to addresses that were typed in;
    /// `None` for all that are fine. Asked with the address that is really connected to.
    pub refused: Option<fn(IpAddr) -> Option<&'static str>>,
}

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The host map cannot be read.
    #[error(transparent)]
    HostMap(#[from] HostMapError),
    /// A file with trust roots cannot be used.
    #[error("{file} holds no usable certificate: {reason}")]
    Roots {
        /// File path.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// The TLS library refused its configuration.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

impl Default for SenderSettings {
    fn default() -> Self {
        Self {
            host_map: HostMap::default(),
            extra_roots: Vec::new(),
            max_connections: 65_535,
            max_idle: 2_048,
            idle_keep: Duration::from_secs(30),
            proxy_keep_alive: false,
            proxy_max_idle: 256,
            proxy_ipv4: true,
            surroundings: SurroundingProxies::default(),
            connect_timeout: Duration::from_secs(130),
            refused: None,
        }
    }
}
