//! The database connection.

use std::time::Duration;

use super::{ConfigError, reader::Reader};
use crate::domain::Secret;

/// Where Redis is and how long one call may take.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// `REDIS_HOST` (127.0.0.1).
    pub host: String,
    /// `REDIS_PORT` (6379).
    pub port: u16,
    /// `REDIS_PASSWORD` (empty: none).
    pub password: Option<Secret>,
    /// `REDIS_DB` (0).
    pub db: u32,
    /// `REDIS_ENABLE_TLS` is exactly `true`.
    pub tls: bool,
    /// `CRS_REDIS_TIMEOUT_MS` (500): longest wait for one call.
    pub timeout: Duration,
}

impl RedisConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, ConfigError> {
        let port = reader.int_or("REDIS_PORT", 6379);
        let port = u16::try_from(port).map_err(|_| ConfigError::Value {
            name: "REDIS_PORT",
            value: reader.raw("REDIS_PORT").unwrap_or_default(),
            expected: "a TCP port from 1 to 65535".into(),
        })?;
        let db = u32::try_from(reader.int_or("REDIS_DB", 0)).map_err(|_| ConfigError::Value {
            name: "REDIS_DB",
            value: reader.raw("REDIS_DB").unwrap_or_default(),
            expected: "a database number, 0 or more".into(),
        })?;
        Ok(Self {
            host: reader.text("REDIS_HOST", "127.0.0.1"),
            port,
            password: reader.optional("REDIS_PASSWORD").map(Secret::from),
            db,
            tls: reader.is_true("REDIS_ENABLE_TLS"),
            timeout: reader.millis("CRS_REDIS_TIMEOUT_MS", 500)?,
        })
    }
}
