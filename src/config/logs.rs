//! Logging.

use std::path::PathBuf;

use super::{ConfigError, reader::Reader};

/// Where log lines go and which.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// `LOG_LEVEL` (info): error, warn, info, http, verbose, debug or silly.
    pub level: LogLevel,
    /// A `LOG_LEVEL` that is none of the above; logged as a warning, `info` is used. (The legacy
    /// service writes nothing at all then.)
    pub unknown_level: Option<String>,
    /// `CRS_LOG_FORMAT` (human): lines on the terminal.
    pub format: LogFormat,
    /// `CRS_LOG_DIR` (`logs`); `off` writes no files.
    pub dir: Option<PathBuf>,
    /// `LOG_MAX_SIZE` (10m) in bytes; a larger file continues in a numbered one.
    pub max_size: u64,
    /// `LOG_MAX_FILES` (5): files kept per kind.
    pub max_files: u32,
}

/// Levels by their legacy names, most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Failures.
    Error,
    /// Oddities.
    Warn,
    /// The normal course of things.
    Info,
    /// Requests; between info and debug.
    Http,
    /// Details; between info and debug.
    Verbose,
    /// For finding faults.
    Debug,
    /// Everything.
    Silly,
}

/// Form of a line on the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

impl LogLevel {
    /// Reads a legacy level name.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "error" => Self::Error,
            "warn" => Self::Warn,
            "info" => Self::Info,
            "http" => Self::Http,
            "verbose" => Self::Verbose,
            "debug" => Self::Debug,
            "silly" => Self::Silly,
            _ => return None,
        })
    }
}

impl LogConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, ConfigError> {
        let level_name = reader.text("LOG_LEVEL", "info");
        let level = LogLevel::parse(&level_name);
        let format = match reader.text("CRS_LOG_FORMAT", "human").as_str() {
            "human" => LogFormat::Human,
            "json" => LogFormat::Json,
            other => {
                return Err(ConfigError::Value {
                    name: "CRS_LOG_FORMAT",
                    value: other.to_owned(),
                    expected: "human or json".into(),
                });
            }
        };
        let size = reader.text("LOG_MAX_SIZE", "10m");
        let max_size = parse_size(&size).ok_or_else(|| ConfigError::Value {
            name: "LOG_MAX_SIZE",
            value: size,
            expected: "a size such as 500k, 10m or 1g".into(),
        })?;
        Ok(Self {
            level: level.unwrap_or(LogLevel::Info),
            unknown_level: level.is_none().then_some(level_name),
            format,
            dir: Some(reader.text("CRS_LOG_DIR", "logs")).filter(|d| d != "off").map(PathBuf::from),
            max_size,
            max_files: reader.count("LOG_MAX_FILES", 5, 100_000)?,
        })
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let (digits, unit) = match lower.strip_suffix(['k', 'm', 'g']) {
        Some(digits) => (digits, lower.chars().last()),
        None => (lower.as_str(), None),
    };
    let scale: f64 = match unit {
        Some('k') => 1024.0,
        Some('m') => 1024.0 * 1024.0,
        Some('g') => 1024.0 * 1024.0 * 1024.0,
        _ => 1.0,
    };
    let bytes = digits.parse::<f64>().ok()? * scale;
    (bytes.is_finite() && bytes >= 1.0).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("10m"), Some(10 * 1024 * 1024));
        assert_eq!(parse_size("1G"), Some(1024 * 1024 * 1024));
        assert_eq!(parse_size("0.5k"), Some(512));
        assert_eq!(parse_size("1000"), Some(1000));
        assert_eq!(parse_size("big"), None);
        assert_eq!(parse_size("0"), None);
    }
}
