//! The service of the demo and what stands in for vendors, all in this process.

use std::{collections::HashMap, io::IsTerminal, net::TcpListener, path::Path, time::Duration};

use anyhow::Context;
use compat::store::{Batch, RedisStore, Reply, Store};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    check,
    database::{Database, free_port},
    upstream::StandIn,
};
use crate::{app, config::Config, logs};

/// Of the demo alone; it protects nothing.
pub(super) const ENCRYPTION_KEY: &str = "demo-encryption-key-0123456789ab";
/// How long the service may take to answer.
const START: Duration = Duration::from_secs(15);
/// How long it may take to end.
const END: Duration = Duration::from_secs(10);

/// A running service.
pub(super) struct Service {
    base: String,
    parts: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
    vendors_stop: CancellationToken,
    _logs: logs::Logs,
}

impl Service {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// When a part does not start.
    pub(super) async fn start(config: Config, vendors: Vec<StandIn>) -> anyhow::Result<Self> {
        let logs = logs::start(&config.logs, config.time.offset_hours);
        let mut service = Self {
            base: format!("http://127.0.0.1:{}", config.server.port),
            parts: JoinSet::new(),
            stop: CancellationToken::new(),
            vendors_stop: CancellationToken::new(),
            _logs: logs,
        };
        for vendor in vendors {
            let stop = service.vendors_stop.clone();
            service.parts.spawn(async move {
                vendor.run(stop).await;
                anyhow::Ok(())
            });
        }
        let listener = app::listen::open(&config).await?;
        let stats = service._logs.stats();
        service.parts.spawn(app::run(config, listener, stats, service.stop.clone(), || ()));
        let base = service.base.clone();
        let answers = async {
            while check::health(&base).await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            error = service.broken() => return Err(error),
            answers = tokio::time::timeout(START, answers) => {
                answers.context("the service does not answer")?;
            }
        }
        Ok(service)
    }

    /// Where it listens, as the beginning of a URL.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Resolves when a part ends, which none should.
    pub(super) async fn broken(&mut self) -> anyhow::Error {
        match self.parts.join_next().await {
            Some(Ok(Err(error))) => error.context("a part of the demo failed"),
            Some(Err(error)) => anyhow::Error::new(error).context("a part of the demo failed"),
            Some(Ok(Ok(()))) | None => anyhow::anyhow!("a part of the demo ended early"),
        }
    }

    /// The service first: it writes the last usage to the database. Vendors after it.
    pub(super) async fn end(mut self) {
        self.stop.cancel();
        let vendors = self.parts.len().saturating_sub(1);
        let drained =
            async { while self.parts.len() > vendors && self.parts.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(END, drained).await;
        self.vendors_stop.cancel();
        self.parts.shutdown().await;
    }
}

/// How this program was called.
pub(super) fn program() -> String {
    std::env::args().next().filter(|name| !name.is_empty()).unwrap_or_else(|| "crs".to_owned())
}

/// Settings of a service on `database`, with its data in `dir` and `upstream` for every vendor.
pub(super) fn settings(
    port: u16,
    database: &Database,
    dir: &Path,
    upstream: &str,
) -> HashMap<String, String> {
    let data = dir.join("data").display().to_string();
    [
        ("HOST", "127.0.0.1"),
        ("PORT", &port.to_string()),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &database.port().to_string()),
        ("ENCRYPTION_KEY", ENCRYPTION_KEY),
        ("UPSTREAM_HOST_MAP", &format!("*={upstream}")),
        ("CRS_DATA_DIR", &data),
        ("CRS_LOG_DIR", "off"),
        ("CRS_PRICES_DOWNLOAD", "false"),
        ("CRS_DRAIN_TIMEOUT_SECONDS", "1"),
        ("LOG_LEVEL", "error"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// The port asked for; otherwise that of the legacy service when it is free, or any.
pub(super) fn listen_port(asked: Option<u16>) -> anyhow::Result<u16> {
    if let Some(port) = asked {
        return Ok(port);
    }
    match TcpListener::bind(("127.0.0.1", 3000)) {
        Ok(_) => Ok(3000),
        Err(_) => free_port(),
    }
}

/// Writes accounts and keys.
///
/// # Errors
/// When one of the commands fails.
pub(super) async fn plant(database: &Database, batch: Batch) -> anyhow::Result<()> {
    let store = RedisStore::open(&database.config())?;
    for reply in store.run(batch).await? {
        if let Reply::Error(error) = reply {
            anyhow::bail!("the demo's accounts and keys could not be written: {error}");
        }
    }
    Ok(())
}

/// Whether somebody at a terminal can be asked: a process in the background that reads is stopped.
pub(super) fn is_in_foreground() -> bool {
    let Ok(text) = std::fs::read_to_string("/proc/self/stat") else { return false };
    // After the name in brackets: state, parent, group, session, terminal, the terminal's group.
    let fields: Vec<&str> =
        text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    std::io::stdin().is_terminal() && fields.get(2).is_some() && fields.get(2) == fields.get(5)
}
