//! How long an account is put aside after an upstream error.

use super::{ConfigError, reader::Reader};

/// Seconds of `temp_unavailable` per class of upstream error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CooldownConfig {
    /// `UPSTREAM_ERROR_503_TTL_SECONDS` (60).
    pub service_unavailable: u64,
    /// `UPSTREAM_ERROR_5XX_TTL_SECONDS` (300).
    pub server_error: u64,
    /// `UPSTREAM_ERROR_OVERLOAD_TTL_SECONDS` (600): status 529.
    pub overload: u64,
    /// `UPSTREAM_ERROR_AUTH_TTL_SECONDS` (1800): status 401 and 403.
    pub auth_error: u64,
    /// `UPSTREAM_ERROR_TIMEOUT_TTL_SECONDS` (300): status 504.
    pub timeout: u64,
    /// `UPSTREAM_ERROR_MAX_CUSTOM_TTL_SECONDS` (1800): cap on what a `retry-after` may ask for.
    pub max_custom: u64,
    /// `UNSTABLE_ERROR_TYPES` (empty): error types that count as an unstable upstream, lower-case.
    pub unstable_types: Vec<String>,
    /// `UNSTABLE_ERROR_KEYWORDS` (empty): the same by words in the message, lower-case.
    pub unstable_keywords: Vec<String>,
}

impl CooldownConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            service_unavailable: reader.seconds("UPSTREAM_ERROR_503_TTL_SECONDS", 60)?,
            server_error: reader.seconds("UPSTREAM_ERROR_5XX_TTL_SECONDS", 300)?,
            overload: reader.seconds("UPSTREAM_ERROR_OVERLOAD_TTL_SECONDS", 600)?,
            auth_error: reader.seconds("UPSTREAM_ERROR_AUTH_TTL_SECONDS", 1800)?,
            timeout: reader.seconds("UPSTREAM_ERROR_TIMEOUT_TTL_SECONDS", 300)?,
            max_custom: reader.seconds("UPSTREAM_ERROR_MAX_CUSTOM_TTL_SECONDS", 1800)?,
            unstable_types: reader.list("UNSTABLE_ERROR_TYPES"),
            unstable_keywords: reader.list("UNSTABLE_ERROR_KEYWORDS"),
        })
    }
}
