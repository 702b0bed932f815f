//! `crs demo`: database, stand-in upstream, account, key and service, all here, all gone at the end.

use std::{collections::HashMap, net::TcpListener, path::Path, time::Duration};

use anyhow::Context;
use compat::{
    clock::{Clock, iso},
    store::{RedisStore, Reply, Store},
};
use tokio::{runtime::Builder, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    super::{Output, descriptors, serve, status},
    check,
    database::{Database, free_port},
    place::Place,
    seed::Seed,
    upstream::StandIn,
};
use crate::{app, logs};

/// Of the demo alone; it protects nothing.
const ENCRYPTION_KEY: &str = "demo-encryption-key-0123456789ab";
/// How long the service may take to answer.
const START: Duration = Duration::from_secs(15);
/// Model of the printed requests; it has a price.
pub(super) const MODEL: &str = "claude-sonnet-4-20250514";

/// How to run.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Options {
    /// Port to listen on; otherwise 3000, or a free one when that is taken.
    pub port: Option<u16>,
    /// Make the printed requests, show the status, and end.
    pub check: bool,
}

/// Runs until Ctrl-C, or through the check.
///
/// # Errors
/// When a part does not start, or the check fails.
pub(in crate::cli) fn run(dir: &Path, options: Options, output: &Output) -> anyhow::Result<()> {
    descriptors::raise_limit();
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(demo(dir, options, output))
}

async fn demo(dir: &Path, options: Options, output: &Output) -> anyhow::Result<()> {
    let place = Place::take(dir)?;
    let database = Database::start(place.dir()).await?;
    let upstream = StandIn::bind(("127.0.0.1", 0)).await?;
    let upstream_url = format!("http://{}", upstream.address()?);
    let config = place.publish(settings(
        listen_port(options.port)?,
        database.port(),
        place.dir(),
        &upstream_url,
    ))?;
    let now_ms = Clock::system().now_ms();
    let seed = Seed::new(ENCRYPTION_KEY, now_ms, &iso(now_ms));
    let key = seed.api_key.clone();
    plant(&database, seed).await?;

    let logs = logs::start(&config.logs, config.time.offset_hours);
    let stop = CancellationToken::new();
    let upstream_stop = CancellationToken::new();
    let mut parts = JoinSet::new();
    parts.spawn({
        let stop = upstream_stop.clone();
        async move {
            upstream.run(stop).await;
            anyhow::Ok(())
        }
    });
    let listener = app::listen::open(&config).await?;
    parts.spawn(app::run(config.clone(), listener, logs.stats(), stop.clone(), || ()));
    let base = format!("http://127.0.0.1:{}", config.server.port);
    let outcome = tokio::select! {
        ended = parts.join_next() => ended
            .map_or(Ok(()), |part| part.context("a part of the demo failed")?)
            .and_then(|()| anyhow::bail!("a part of the demo ended early")),
        outcome = show(&base, &key, options, dir, output) => outcome,
    };
    // The service first: it writes the last usage to the database.
    stop.cancel();
    let drained = async { while parts.len() > 1 && parts.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_secs(10), drained).await;
    upstream_stop.cancel();
    parts.shutdown().await;
    drop(logs);
    drop(database);
    outcome
}

async fn show(
    base: &str,
    key: &str,
    options: Options,
    dir: &Path,
    output: &Output,
) -> anyhow::Result<()> {
    let answers = async {
        while check::health(base).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(START, answers).await.context("the service does not answer")?;
    print_lines(base, key, output);
    if options.check {
        check::requests(base, key, output).await?;
        let dir = dir.to_owned();
        let output = *output;
        let shown = status::Options { limit: 20 };
        return tokio::task::spawn_blocking(move || status::run(&dir, shown, &output)).await?;
    }
    serve::signal().await;
    output.line("");
    output.line("Ending the demo.");
    Ok(())
}

fn print_lines(base: &str, key: &str, output: &Output) {
    let body = |stream: &str| {
        format!(
            r#"{{"model":"{MODEL}","max_tokens":256{stream},"messages":[{{"role":"user","content":"Hello"}}]}}"#
        )
    };
    let json = body("");
    let sse = body(r#","stream":true"#);
    output.value(&serde_json::json!({ "baseUrl": format!("{base}/api"), "apiKey": key }));
    for line in [
        "The demo runs: own Redis, a stand-in for the vendor, one account, one key.".to_owned(),
        String::new(),
        "An answer as JSON:".to_owned(),
        format!(
            "  curl -s {base}/api/v1/messages -H 'x-api-key: {key}' -H 'content-type: application/json' -d '{json}'"
        ),
        String::new(),
        "The same as a stream of events:".to_owned(),
        format!(
            "  curl -sN {base}/api/v1/messages -H 'x-api-key: {key}' -H 'content-type: application/json' -d '{sse}'"
        ),
        String::new(),
        "For Claude Code:".to_owned(),
        format!("  export ANTHROPIC_BASE_URL={base}/api"),
        format!("  export ANTHROPIC_AUTH_TOKEN={key}"),
        String::new(),
        "Usage and cost so far, in another terminal in this folder:".to_owned(),
        format!("  {} status", program()),
        String::new(),
        "Ctrl-C ends everything.".to_owned(),
    ] {
        output.line(&line);
    }
}

/// How this program was called.
fn program() -> String {
    std::env::args().next().filter(|name| !name.is_empty()).unwrap_or_else(|| "crs".to_owned())
}

fn settings(port: u16, redis_port: u16, dir: &Path, upstream: &str) -> HashMap<String, String> {
    let data = dir.join("data").display().to_string();
    [
        ("HOST", "127.0.0.1"),
        ("PORT", &port.to_string()),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &redis_port.to_string()),
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

fn listen_port(asked: Option<u16>) -> anyhow::Result<u16> {
    if let Some(port) = asked {
        return Ok(port);
    }
    // What the legacy service uses, when it is free.
    match TcpListener::bind(("127.0.0.1", 3000)) {
        Ok(_) => Ok(3000),
        Err(_) => free_port(),
    }
}

async fn plant(database: &Database, seed: Seed) -> anyhow::Result<()> {
    let store = RedisStore::open(&database.config())?;
    for reply in store.run(seed.batch).await? {
        if let Reply::Error(error) = reply {
            anyhow::bail!("the demo's account and key could not be written: {error}");
        }
    }
    Ok(())
}
