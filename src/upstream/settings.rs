//! Settings of the sender, read from the operator's environment as the legacy service reads it.

use std::{path::PathBuf, time::Duration};

use thiserror::Error;

use super::host_map::{HostMap, HostMapError};

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
    /// Longest wait for one TCP connection. The legacy service leaves this to the kernel, which gives
    /// up after about 127 s.
    pub connect_timeout: Duration,
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
            connect_timeout: Duration::from_secs(130),
        }
    }
}

impl SenderSettings {
    /// Reads the settings through `get`, which answers the value of an environment variable. Numbers
    /// are read as the legacy service does: leading digits count, anything else is the default.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let default = Self::default();
        let number = |name: &str| get(name).and_then(|text| leading_number(&text));
        let count = |name: &str, fallback: usize| {
            number(name).and_then(|n| usize::try_from(n).ok()).unwrap_or(fallback)
        };
        Ok(Self {
            host_map: HostMap::parse(&get("UPSTREAM_HOST_MAP").unwrap_or_default())?,
            extra_roots: ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"]
                .into_iter()
                .filter_map(&get)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
                .collect(),
            max_connections: count("HTTPS_MAX_SOCKETS_STREAM", default.max_connections),
            max_idle: count("HTTPS_MAX_FREE_SOCKETS", default.max_idle),
            idle_keep: number("HTTPS_FREE_SOCKET_TIMEOUT")
                .map_or(default.idle_keep, Duration::from_millis),
            proxy_keep_alive: get("PROXY_KEEP_ALIVE").as_deref() == Some("true"),
            proxy_max_idle: count("PROXY_MAX_FREE_SOCKETS", default.proxy_max_idle),
            proxy_ipv4: get("PROXY_USE_IPV4").as_deref() != Some("false"),
            connect_timeout: default.connect_timeout,
        })
    }
}

/// Leading decimal digits after blanks; `None` for none, zero or an absurd size.
fn leading_number(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text[..digits].parse().ok().filter(|n| *n > 0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn environment_is_read_with_the_legacy_rules() {
        let values = [
            ("UPSTREAM_HOST_MAP", "a=http://127.0.0.1:1"),
            ("HTTPS_MAX_SOCKETS_STREAM", "12 sockets"),
            ("HTTPS_MAX_FREE_SOCKETS", "none"),
            ("HTTPS_FREE_SOCKET_TIMEOUT", "1500"),
            ("PROXY_KEEP_ALIVE", "TRUE"),
            ("PROXY_USE_IPV4", "false"),
            ("NODE_EXTRA_CA_CERTS", "/x.pem"),
            ("SSL_CERT_FILE", ""),
        ];
        let get = |name: &str| {
            values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let settings = SenderSettings::read(get).unwrap();
        assert_eq!(settings.max_connections, 12);
        assert_eq!(settings.max_idle, 2_048);
        assert_eq!(settings.idle_keep, Duration::from_millis(1500));
        assert!(!settings.proxy_keep_alive, "only the exact word `true` counts");
        assert!(!settings.proxy_ipv4);
        assert_eq!(settings.extra_roots, [PathBuf::from("/x.pem")]);
        assert!(!settings.host_map.is_empty());
    }
}
