//! This instance: its name, its journal and its caches.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{ConfigError, reader::Reader};

/// Settings that the legacy service has no counterpart for.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// `CRS_INSTANCE` (`default`): names this instance's journal in Redis, for people. Instances may
    /// share a name, as each journal has an id of its own.
    pub instance: String,
    /// `CRS_DATA_DIR` (`data`): `init.json`, price files and the usage journal.
    pub data_dir: PathBuf,
    /// `CRS_FLUSH_WINDOW_MS` (50, at most 1000): how long usage is gathered before it is written.
    pub flush_window: Duration,
    /// `CRS_CACHE_MS` (50, at most 1000): how long a key, the account pool and the relay settings are
    /// used before they are read again.
    pub cache_window: Duration,
    /// `ACCOUNT_TEST_SCHEDULER_ENABLED` (true): accounts are tried on their schedules.
    pub account_tests: bool,
    /// Order of names where accounts are listed, by the language of `LC_ALL`, `LC_MESSAGES` or `LANG`.
    pub collation: js::Collation,
    /// `CRS_OUTAGE_GRACE_SECONDS` (60): during a Redis outage, keys seen this recently keep working.
    pub outage_grace: Duration,
}

impl ServiceConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, ConfigError> {
        let instance = reader.text("CRS_INSTANCE", "default");
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if instance.len() > 64 || !instance.chars().all(plain) {
            return Err(ConfigError::Value {
                name: "CRS_INSTANCE",
                value: instance,
                expected: "up to 64 letters, digits, '-', '_' or '.'".into(),
            });
        }
        let window = |name, default| {
            reader.count(name, default, 1000).map(|ms| Duration::from_millis(u64::from(ms)))
        };
        Ok(Self {
            instance,
            data_dir: PathBuf::from(reader.text("CRS_DATA_DIR", "data")),
            flush_window: window("CRS_FLUSH_WINDOW_MS", 50)?,
            cache_window: window("CRS_CACHE_MS", 50)?,
            account_tests: reader.is_not_false("ACCOUNT_TEST_SCHEDULER_ENABLED"),
            collation: js::Collation::of_variables(|name| reader.raw(name)),
            outage_grace: Duration::from_secs(reader.seconds("CRS_OUTAGE_GRACE_SECONDS", 60)?),
        })
    }
}

/// Where `crs import-legacy` puts the text that Codex is instructed with; `data` is `CRS_DATA_DIR`.
pub fn codex_instructions(data: &Path) -> PathBuf {
    data.join("crs").join("codex_instructions.txt")
}
