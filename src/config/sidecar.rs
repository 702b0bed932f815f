//! The legacy service behind this one, while it is there.

use std::{path::PathBuf, time::Duration};

use super::{ConfigError, reader::Reader};

/// Where the legacy service listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyUrl {
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// How requests are forwarded to the legacy service.
#[derive(Clone, Debug)]
pub struct SidecarConfig {
    /// `CRS_LEGACY_URL` (unset): the Node service that requests are forwarded to.
    pub legacy_url: Option<LegacyUrl>,
    /// `CRS_LEGACY_CONNECT_TIMEOUT_MS` (2000).
    pub connect_timeout: Duration,
    /// `CRS_LEGACY_HEAD_TIMEOUT_SECONDS` (900): from the end of a request to its answer's first line.
    /// An answer that is not streamed takes as long as the model, and Node tries several accounts.
    pub head_timeout: Duration,
    /// `CRS_TAP_SOCKET` (`data/crs/tap.sock`): where the tap inside of Node reports.
    pub tap_socket: PathBuf,
    /// `CRS_SHADOW_MEMORY_MB` (256): most memory that requests may take that wait for their second
    /// run, in bytes. Beyond it they are dropped and counted.
    pub shadow_room: usize,
    /// `CRS_SHADOW_DUTY_PERCENT` (10): share of the time in which the tap traces requests when there are
    /// many; 100: always.
    pub shadow_duty_percent: u32,
    /// `CRS_SHADOW_PUBLISH_MS` (5000): how often what was counted is written to Redis.
    pub shadow_publish: Duration,
    /// `CRS_REUSE_PORT` (false): other processes may listen on the same port at the same time.
    pub reuse_port: bool,
}

impl SidecarConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, ConfigError> {
        let legacy_url =
            reader.optional("CRS_LEGACY_URL").map(|text| LegacyUrl::parse(&text)).transpose()?;
        Ok(Self {
            legacy_url,
            connect_timeout: reader.millis("CRS_LEGACY_CONNECT_TIMEOUT_MS", 2000)?,
            head_timeout: Duration::from_secs(
                reader.seconds("CRS_LEGACY_HEAD_TIMEOUT_SECONDS", 900)?,
            ),
            tap_socket: reader.text("CRS_TAP_SOCKET", "data/crs/tap.sock").into(),
            shadow_room: reader.count("CRS_SHADOW_MEMORY_MB", 256, 65_536)? as usize * 1024 * 1024,
            shadow_duty_percent: reader.count("CRS_SHADOW_DUTY_PERCENT", 10, 100)?,
            shadow_publish: reader.millis("CRS_SHADOW_PUBLISH_MS", 5000)?,
            reuse_port: reader.is_true("CRS_REUSE_PORT"),
        })
    }
}

impl LegacyUrl {
    fn parse(text: &str) -> Result<Self, ConfigError> {
        let told = |expected: &str| {
            // What stands before an @ may be a password.
            let value = match text.rsplit_once('@') {
                Some((_, rest)) => format!("…@{rest}"),
                None => text.to_owned(),
            };
            ConfigError::Value { name: "CRS_LEGACY_URL", value, expected: expected.to_owned() }
        };
        let url = url::Url::parse(text).map_err(|_| told("a URL such as http://127.0.0.1:3001"))?;
        if url.scheme() != "http" {
            return Err(told(
                "an http: URL, for the legacy service is reached without TLS on the same machine or network",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(told("without a user name and password"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(told("without a path, for requests keep the paths that they have"));
        }
        let host = url.host().map(|host| match host {
            url::Host::Ipv6(address) => address.to_string(),
            other => other.to_string(),
        });
        let host = host.ok_or_else(|| told("a URL with a host"))?;
        Ok(Self { host, port: url.port_or_known_default().unwrap_or(80) })
    }

    /// As a client would write it.
    pub fn text(&self) -> String {
        match self.host.contains(':') {
            true => format!("http://[{}]:{}", self.host, self.port),
            false => format!("http://{}:{}", self.host, self.port),
        }
    }
}
