//! Log lines: to the terminal for people (or as JSON), and to the daily files that operators know.
//!
//! Files hold one JSON object per line, `{"ts","lvl","msg",…fields}`, in
//! `claude-relay-DATE.log`, `claude-relay-error-DATE.log` (errors) and
//! `claude-relay-security-DATE.log` (events with the target `security`). Writing happens on one
//! thread of its own; when it cannot keep up lines are dropped and counted, requests never wait.
//! No line ever holds a key, a token or a body: callers log ids and names. The legacy service's
//! `auth-detail` files, which hold whole tokens, are not written.

mod files;
mod layer;
mod line;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    io::IsTerminal,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{LogConfig, LogFormat, LogLevel};

/// Target of events that also go to the security file.
pub const SECURITY: &str = "security";

/// Counts of what was logged since the start, for `/health`.
#[derive(Debug, Default)]
pub struct LogStats {
    errors: AtomicU64,
    warnings: AtomicU64,
    dropped: AtomicU64,
}

impl LogStats {
    /// Errors logged.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Warnings logged.
    pub fn warnings(&self) -> u64 {
        self.warnings.load(Ordering::Relaxed)
    }

    /// Lines lost because the writer could not keep up.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Keeps logging alive; dropping it writes what is queued.
pub struct Logs {
    stats: Arc<LogStats>,
    _writer: writer::Writer,
}

impl Logs {
    /// Counts since the start.
    pub fn stats(&self) -> Arc<LogStats> {
        Arc::clone(&self.stats)
    }
}

/// Starts logging for this process. Times are shown `offset_hours` east of UTC, as in Redis keys.
///
/// A log folder that cannot be written is told once on the terminal; the service goes on without
/// files. A second start in one process changes nothing but the returned handle.
pub fn start(config: &LogConfig, offset_hours: i32) -> Logs {
    let stats = Arc::new(LogStats::default());
    let (folder, trouble) = match &config.dir {
        None => (None, None),
        Some(dir) => match files::Folder::open(dir, config.max_size, config.max_files) {
            Ok(folder) => (Some(folder), None),
            Err(error) => (None, Some(format!("{}: {error}", dir.display()))),
        },
    };
    let writer = writer::Writer::start(folder);
    let terminal = match config.format {
        LogFormat::Json => layer::Terminal::Json,
        LogFormat::Human => layer::Terminal::Human { colour: std::io::stdout().is_terminal() },
    };
    let layer = layer::LogLayer::new(terminal, offset_hours, writer.sender(), Arc::clone(&stats));
    let level = match config.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info | LogLevel::Http | LogLevel::Verbose => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Silly => LevelFilter::TRACE,
    };
    // Refused only when the process already logs, as several tests in one process do.
    let _ = tracing_subscriber::registry().with(layer).with(level).try_init();
    if let Some(trouble) = trouble {
        tracing::warn!("Log files are off, the folder cannot be written: {trouble}");
    }
    if let Some(name) = &config.unknown_level {
        tracing::warn!("LOG_LEVEL \"{name}\" is unknown; using info");
    }
    Logs { stats, _writer: writer }
}
