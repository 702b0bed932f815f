//! `crs serve`: settings, logs, threads, signals; the rest is the application's.

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::descriptors;
use crate::{app, config::Config, logs};

/// Serves until a signal asks to stop and the drain is over.
pub(super) fn run(config: Config) -> anyhow::Result<()> {
    let logs = logs::start(&config.logs, config.time.offset_hours);
    descriptors::raise_limit();
    warn_about(&config);
    let runtime = runtime(&config)?;
    let stop = CancellationToken::new();
    let served = runtime.block_on(async {
        let signals = tokio::spawn(stop_on_signal(stop.clone()));
        let served = app::run(config, logs.stats(), stop).await;
        signals.abort();
        served
    });
    drop(runtime);
    drop(logs);
    served
}

fn runtime(config: &Config) -> anyhow::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.enable_all();
    if let Some(threads) = config.server.worker_threads {
        builder.worker_threads(threads as usize);
    }
    builder.build().context("cannot start the worker threads")
}

/// What an operator should know before the first request.
fn warn_about(config: &Config) {
    if config.security.has_public_encryption_key() {
        tracing::warn!(
            "ENCRYPTION_KEY is not set or is a published placeholder; stored credentials are not safe"
        );
    }
    if config.init.is_none() {
        tracing::warn!("There is no data/init.json and so no administrator; run `crs setup`");
    }
    if let Some(map) = &config.upstream.host_map {
        tracing::warn!(UPSTREAM_HOST_MAP = map, "Upstream hosts are redirected");
    }
}

/// The first signal asks to stop; the second ends the process at once.
async fn stop_on_signal(stop: CancellationToken) {
    signal().await;
    tracing::info!("Stopping: no new connections, open streams may finish");
    stop.cancel();
    signal().await;
    tracing::warn!("Second signal: ending at once");
    std::process::exit(1);
}

/// Waits for SIGTERM or Ctrl-C.
#[cfg(unix)]
pub(super) async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
pub(super) async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}
