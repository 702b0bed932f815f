//! Settings: the operator's `.env` and `data/init.json` as they are, plus `CRS_*`.
//!
//! Read once at start, through a [`Source`]; one file per concern. Only `app` and `cli` see
//! [`Config`] whole, a service is handed its part. Nothing here opens a connection.
//! Names, defaults and quirks: contract/auth-limits-usage.md §9; the table for operators is
//! [`table::settings`], from which docs/configuration.md is made.

mod aws;
mod bedrock;
mod claude;
mod clients;
mod cooldown;
mod database;
mod env_file;
mod init_file;
mod limits;
mod logs;
mod notify;
mod openai;
mod prices;
mod proxy;
mod reader;

mod security;
mod server;
mod service;
mod sidecar;
mod source;
mod sticky;
pub mod table;
#[cfg(test)]
mod tests;
mod time;
mod upstream;

use std::{fs, io, path::Path};

use thiserror::Error;

pub use aws::{AwsSurroundings, DEFAULT_PROFILE, Profiles, Section, SharedFiles};
pub use bedrock::BedrockConfig;
pub use claude::ClaudeConfig;
pub use clients::ClientsConfig;
pub use cooldown::CooldownConfig;
pub use database::RedisConfig;
pub use init_file::InitFile;
pub use limits::LimitsConfig;
pub use logs::{LogConfig, LogFormat, LogLevel};
pub use notify::NotifyConfig;
pub use openai::OpenAiConfig;
pub use prices::PricesConfig;
pub use proxy::ProxySettings;
pub use reader::Reader;
pub use security::SecurityConfig;
pub use server::{LEGACY_VERSION, ServerConfig};
pub use service::{ServiceConfig, codex_instructions};
pub use sidecar::{LegacyUrl, SidecarConfig};
pub use source::{Environment, Source, file_in};
pub use sticky::StickyConfig;
pub use time::TimeConfig;
pub use upstream::{ProxyVariables, UpstreamConfig};

/// All settings of one process.
#[derive(Clone, Debug)]
pub struct Config {
    /// Client-facing listener.
    pub server: ServerConfig,
    /// Database connection.
    pub redis: RedisConfig,
    /// Key prefix and encryption key.
    pub security: SecurityConfig,
    /// Claude relays and accounts.
    pub claude: ClaudeConfig,
    /// AWS Bedrock.
    pub bedrock: BedrockConfig,
    /// Client validators.
    pub clients: ClientsConfig,
    /// Request size, leases, queues.
    pub limits: LimitsConfig,
    /// Sticky sessions.
    pub sticky: StickyConfig,
    /// Outbound proxies and pools.
    pub proxy: ProxySettings,
    /// Upstream redirection and trust.
    pub upstream: UpstreamConfig,
    /// Account cool-downs.
    pub cooldown: CooldownConfig,
    /// Time zones.
    pub time: TimeConfig,
    /// Logging.
    pub logs: LogConfig,
    /// Notifications.
    pub notify: NotifyConfig,
    /// The OpenAI family.
    pub openai: OpenAiConfig,
    /// Price data.
    pub prices: PricesConfig,
    /// This instance.
    pub service: ServiceConfig,
    /// The legacy service behind this one.
    pub sidecar: SidecarConfig,
    /// Administrator from `data/init.json`; `None` before setup.
    pub init: Option<InitFile>,
}

/// Settings that cannot be used. Each message is one sentence for the operator; the process ends
/// with [`ConfigError::EXIT_CODE`].
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A settings file exists but cannot be read.
    #[error("Cannot read {path}: {error}.")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why not.
        error: io::Error,
    },
    /// A value has the wrong form. Only used for settings that are no secrets.
    #[error("{name} must be {expected}, but is \"{value}\".")]
    Value {
        /// Variable.
        name: &'static str,
        /// What stands there.
        value: String,
        /// What could stand there.
        expected: String,
    },
    /// `data/init.json` holds no credentials.
    #[error(
        "{path} is not JSON with adminUsername and adminPassword; mend it, or delete it and run `crs setup`."
    )]
    InitFile {
        /// Which file.
        path: String,
    },
    /// Settings that exclude each other.
    #[error("{0}")]
    Contradiction(String),
}

impl ConfigError {
    /// `EX_USAGE`: the settings are wrong, starting again will not help.
    pub const EXIT_CODE: u8 = 64;
}

impl Config {
    /// Reads the process environment, and `.env`, `VERSION` and `data/init.json` in `dir`.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting that cannot be used.
    pub fn read(dir: &Path) -> Result<Self, ConfigError> {
        Self::load(&Environment::read(dir)?, dir)
    }

    /// Reads settings from `source`, and `VERSION` and `data/init.json` in `dir`.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting that cannot be used.
    pub fn load(source: &dyn Source, dir: &Path) -> Result<Self, ConfigError> {
        Self::load_with(&Reader::new(source), dir)
    }

    /// As [`Config::load`], with a reader that can tell afterwards what was asked for.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting that cannot be used.
    pub fn load_with(reader: &Reader<'_>, dir: &Path) -> Result<Self, ConfigError> {
        let service = ServiceConfig::read(reader)?;
        let config = Self {
            server: ServerConfig::read(reader, fs::read_to_string(dir.join("VERSION")).ok())?,
            redis: RedisConfig::read(reader)?,
            security: SecurityConfig::read(reader),
            claude: ClaudeConfig::read(reader)?,
            bedrock: BedrockConfig::read(reader),
            clients: ClientsConfig::read(reader),
            limits: LimitsConfig::read(reader)?,
            sticky: StickyConfig::read(reader),
            proxy: ProxySettings::read(reader)?,
            upstream: UpstreamConfig::read(reader),
            cooldown: CooldownConfig::read(reader)?,
            time: TimeConfig::read(reader)?,
            logs: LogConfig::read(reader)?,
            notify: NotifyConfig::read(reader),
            openai: OpenAiConfig::read(reader),
            prices: PricesConfig::read(reader),
            sidecar: SidecarConfig::read(reader)?,
            init: InitFile::read(&dir.join(&service.data_dir).join("init.json"))?,
            service,
        };
        config.contradictions()?;
        Ok(config)
    }

    fn contradictions(&self) -> Result<(), ConfigError> {
        let told = |text: String| Err(ConfigError::Contradiction(text));
        if self.server.port == self.redis.port && is_this_machine(&self.redis.host) {
            return told(format!(
                "PORT and REDIS_PORT are both {} on this machine; give the relay another port.",
                self.server.port
            ));
        }
        if let Some(legacy) = &self.sidecar.legacy_url
            && legacy.port == self.server.port
            && (is_this_machine(&legacy.host) || legacy.host == self.server.host)
        {
            return told(format!(
                "CRS_LEGACY_URL is {}, the port that crs itself listens on (PORT); give the legacy \
                 service another port.",
                legacy.text()
            ));
        }
        if let Some(file) = &self.openai.instructions_file
            && let Err(error) = fs::metadata(file)
        {
            return told(format!(
                "The file {} (CRS_CODEX_INSTRUCTIONS_FILE) cannot be read: {error}.",
                file.display()
            ));
        }
        for path in &self.upstream.extra_roots {
            if let Err(error) = fs::metadata(path) {
                return told(format!(
                    "The trust roots file {} (SSL_CERT_FILE or NODE_EXTRA_CA_CERTS) cannot be read: {error}.",
                    path.display()
                ));
            }
        }
        Ok(())
    }
}

fn is_this_machine(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "::1" | "0.0.0.0" | "::")
}
