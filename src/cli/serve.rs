//! `crs serve`: settings, logs, threads, signals; the rest is the application's.

use anyhow::Context;
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};
use tokio_util::sync::CancellationToken;

use super::descriptors;
use crate::{app, config::Config, logs};

/// Serves until a signal asks to stop and the drain is over.
pub(super) fn run(mut config: Config) -> anyhow::Result<()> {
    let logs = logs::start(&config.logs, config.time.offset_hours);
    let files = descriptors::raise_limit();
    warn_about(&config);
    fit_clients(&mut config, files);
    let runtime = runtime(&config)?;
    let stop = CancellationToken::new();
    let served = runtime.block_on(async {
        let listener = app::listen::open(&config).await?;
        let signals = tokio::spawn(on_signals(stop.clone(), successor_socket(&listener)?));
        let served = app::run(config, listener, logs.stats(), stop, serving).await;
        signals.abort();
        served
    });
    drop(runtime);
    drop(logs);
    served
}

/// Lets in no more clients than can be served with so many open files.
fn fit_clients(config: &mut Config, files: Option<u64>) {
    let Some(files) = files else { return };
    let clients = descriptors::most_clients(files);
    if clients < config.server.max_connections {
        let wanted = config.server.max_connections;
        tracing::warn!(files, clients, wanted, "The limit of open files allows fewer clients");
        config.server.max_connections = clients;
    }
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

/// What a successor is given.
#[cfg(unix)]
type Handle = std::os::fd::OwnedFd;
#[cfg(not(unix))]
type Handle = ();

#[cfg(unix)]
fn successor_socket(listener: &TcpListener) -> anyhow::Result<Handle> {
    use std::os::fd::AsFd;
    Ok(listener.as_fd().try_clone_to_owned()?)
}

#[cfg(not(unix))]
fn successor_socket(_: &TcpListener) -> anyhow::Result<Handle> {
    Ok(())
}

fn serving() {
    #[cfg(unix)]
    super::successor::serving();
}

async fn on_signals(stop: CancellationToken, handle: Handle) {
    #[cfg(unix)]
    {
        let stopped = stop.clone();
        // What turns log files over sends this; it would end the process.
        let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::user_defined1());
        tokio::select! {
            () = stopped.cancelled() => {}
            () = super::successor::start_on_signal(handle) => {}
            () = stop_on_signal(stop.clone()) => {}
        }
        // The first signal was seen, or something else stopped the service: one more ends it at once.
        second_signal().await;
    }
    #[cfg(not(unix))]
    {
        let () = handle;
        stop_on_signal(stop).await;
        second_signal().await;
    }
}

/// The first signal asks to stop; the second ends the process at once.
async fn stop_on_signal(stop: CancellationToken) {
    tokio::select! {
        () = signal() => {}
        () = hangup() => {}
    }
    tracing::info!("Stopping: no new connections, open streams may finish");
    stop.cancel();
}

async fn second_signal() {
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

/// Waits for the terminal to close (SIGHUP); for ever where that is ignored, as under `nohup`. Shells send it
/// twice, so it is no second signal.
#[cfg(unix)]
async fn hangup() {
    use tokio::signal::unix::{SignalKind, signal};
    if !hangup_is_ignored()
        && let Ok(mut hangup) = signal(SignalKind::hangup())
    {
        hangup.recv().await;
        return;
    }
    std::future::pending().await
}

#[cfg(not(unix))]
async fn hangup() {
    std::future::pending().await
}

/// Whether whoever started the process has it ignore SIGHUP, as far as the system tells.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores_hangup(&status)
}

#[cfg(unix)]
fn ignores_hangup(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is the first signal.
    ignored.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).is_ok_and(|bits| bits & 1 == 1))
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
pub(super) async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}

#[cfg(all(test, unix))]
mod tests {
    use super::ignores_hangup;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        assert!(ignores_hangup("Name:\tcrs\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangup("Name:\tcrs\nSigIgn:\t0000000000001000\n"));
        assert!(!ignores_hangup(""));
    }
}
