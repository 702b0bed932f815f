//! How to reach the server.

use std::{fmt, time::Duration};

use redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    io::tcp::TcpSettings,
};

use crate::store::StoreError;

/// Address and credentials of the legacy database.
#[derive(Clone)]
pub struct RedisConfig {
    /// `REDIS_HOST`, default `127.0.0.1`.
    pub host: String,
    /// `REDIS_PORT`, default 6379.
    pub port: u16,
    /// `REDIS_PASSWORD`; empty means none.
    pub password: String,
    /// `REDIS_DB`, default 0.
    pub db: i64,
    /// `REDIS_ENABLE_TLS`: verified TLS with the system's trust roots (`SSL_CERT_FILE` is honoured).
    pub tls: bool,
    /// Longest wait for one batch, connecting included. 500 ms by default.
    pub timeout: Duration,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 6379,
            password: String::new(),
            db: 0,
            tls: false,
            timeout: Duration::from_millis(500),
        }
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("db", &self.db)
            .field("tls", &self.tls)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl RedisConfig {
    pub(super) fn connection_info(&self) -> Result<ConnectionInfo, StoreError> {
        let addr = if self.tls {
            ConnectionAddr::TcpTls {
                host: self.host.clone(),
                port: self.port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(self.host.clone(), self.port)
        };
        let mut settings = RedisConnectionInfo::default()
            .set_db(self.db)
            .set_protocol(ProtocolVersion::RESP2)
            .set_skip_set_lib_name();
        if !self.password.is_empty() {
            settings = settings.set_password(&self.password);
        }
        let info = addr
            .into_connection_info()
            .map_err(|error| StoreError::Unreachable(error.to_string()))?;
        // Without it, the tail of a large pipeline may wait for the acknowledgement of its head.
        let tcp = TcpSettings::default().set_nodelay(true);
        Ok(info.set_redis_settings(settings).set_tcp_settings(tcp))
    }
}
