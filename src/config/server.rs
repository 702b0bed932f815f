//! The client-facing listener.

use std::time::Duration;

use super::{ConfigError, reader::Reader};

/// Listener, connection limits and shutdown.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// `HOST` (0.0.0.0): address or name to listen on.
    pub host: String,
    /// `PORT` (3000).
    pub port: u16,
    /// `NODE_ENV` is exactly `development`: error bodies carry the raw message, URL and method.
    pub development: bool,
    /// `TRUST_PROXY` (false): take the client address from the last `X-Forwarded-For` hop.
    pub trust_proxy: bool,
    /// `ENABLE_CORS` (false): answer with permissive CORS instead of the built-in rules.
    pub enable_cors: bool,
    /// `APP_VERSION`, else `VERSION`, else the `VERSION` file in the working directory, else the
    /// pinned legacy version: what `/health` reports.
    pub version: String,
    /// `CRS_MAX_CONNECTIONS` (10000): open client connections; more wait in the listen backlog.
    pub max_connections: u32,
    /// `CRS_DRAIN_TIMEOUT_SECONDS` (300): how long open streams may run on after SIGTERM.
    pub drain_timeout: Duration,
    /// `CRS_WORKER_THREADS` (number of cores).
    pub worker_threads: Option<u32>,
}

/// Version of the legacy service whose behaviour is reproduced.
pub const LEGACY_VERSION: &str = "1.1.314";

impl ServerConfig {
    pub(super) fn read(
        reader: &Reader<'_>,
        version_file: Option<String>,
    ) -> Result<Self, ConfigError> {
        let port = reader.int_or("PORT", 3000);
        let port = u16::try_from(port).map_err(|_| ConfigError::Value {
            name: "PORT",
            value: reader.raw("PORT").unwrap_or_default(),
            expected: "a TCP port from 1 to 65535".into(),
        })?;
        let version = reader
            .optional("APP_VERSION")
            .or_else(|| reader.optional("VERSION"))
            .or(version_file.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
            .unwrap_or_else(|| LEGACY_VERSION.to_owned());
        let worker_threads = match reader.optional("CRS_WORKER_THREADS") {
            Some(_) => Some(reader.count("CRS_WORKER_THREADS", 1, 1024)?),
            None => None,
        };
        Ok(Self {
            host: reader.text("HOST", "0.0.0.0"),
            port,
            development: reader.raw("NODE_ENV").as_deref() == Some("development"),
            trust_proxy: reader.is_true("TRUST_PROXY"),
            enable_cors: reader.is_true("ENABLE_CORS"),
            version,
            max_connections: reader.count("CRS_MAX_CONNECTIONS", 10_000, 1_000_000)?,
            drain_timeout: Duration::from_secs(reader.seconds("CRS_DRAIN_TIMEOUT_SECONDS", 300)?),
            worker_threads,
        })
    }
}
