//! `crs status`: is the service up, is Redis up, which accounts can serve, who used how much.
//!
//! Reads only. The service asked is the one on HOST and PORT, be it crs or the Node service.

mod accounts;
mod service;
mod usage;

use std::{path::Path, time::Duration};

use anyhow::Context;
use compat::{
    clock::{Clock, LocalCalendar},
    store::{RedisConfig, RedisStore},
};
use serde_json::{Value, json};
use tokio::runtime::Builder;

use super::{Output, demo};
use crate::{app, config::Config};
use service::ServiceHealth;
pub(super) use service::{ask, fetch};

/// Longest that one Redis call may take here: a report is worth waiting for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Keys shown at most, those with the highest cost first.
    pub limit: usize,
}

/// Prints the state of things.
///
/// # Errors
/// When the service or Redis does not answer, after everything else was shown.
pub(super) fn run(dir: &Path, options: Options, output: &Output) -> anyhow::Result<()> {
    let config = demo::config(dir)?;
    if demo::is_demo(dir) {
        output.line("This is the running demo.");
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(show(&config, options, output))
}

async fn show(config: &Config, options: Options, output: &Output) -> anyhow::Result<()> {
    let health = ask(&config.server.host, config.server.port, "/health").await;
    show_service(&health, output);
    let read = read(config, options).await;
    match &read {
        Ok(report) => {
            output.line(&format!(
                "redis     up, {}:{} db {}, {} ms",
                config.redis.host, config.redis.port, config.redis.db, report.latency_ms
            ));
            report.accounts.show(output);
            report.usage.show(output);
        }
        Err(error) => output.line(&format!("redis     DOWN, {error:#}")),
    }
    output.value(&json!({
        "service": health.to_json(),
        "redis": match &read {
            Ok(report) => json!({ "up": true, "latencyMs": report.latency_ms }),
            Err(error) => json!({ "up": false, "error": format!("{error:#}") }),
        },
        "accounts": read.as_ref().map_or(Value::Null, |report| report.accounts.to_json()),
        "usage": read.as_ref().map_or(Value::Null, |report| report.usage.to_json()),
    }));
    read.map(drop)?;
    health.up.map(drop).map_err(|error| anyhow::anyhow!("the service does not answer: {error}"))
}

struct Report {
    latency_ms: u128,
    accounts: accounts::Accounts,
    usage: usage::Usage,
}

async fn read(config: &Config, options: Options) -> anyhow::Result<Report> {
    let redis = RedisConfig { timeout: PATIENCE, ..app::redis_config(config) };
    let store = RedisStore::open(&redis)?;
    let latency_ms = store.ping().await.with_context(|| app::no_redis(config))?.as_millis();
    let calendar = LocalCalendar::new(i64::from(config.time.offset_hours));
    Ok(Report {
        latency_ms,
        accounts: accounts::Accounts::read(&store).await?,
        usage: usage::Usage::read(&store, calendar, Clock::system().now_ms(), options.limit)
            .await?,
    })
}

fn show_service(health: &ServiceHealth, output: &Output) {
    match &health.up {
        Ok(answer) => {
            let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or("?");
            let uptime = answer.get("uptime").and_then(Value::as_f64).unwrap_or_default();
            output.line(&format!(
                "service   {}, {}, version {}, up {}",
                text("status"),
                health.url,
                text("version"),
                span(uptime)
            ));
            for warning in answer.get("warnings").and_then(Value::as_array).into_iter().flatten() {
                output.line(&format!("          warning: {}", warning.as_str().unwrap_or("?")));
            }
        }
        Err(error) => output.line(&format!("service   DOWN, {}: {error}", health.url)),
    }
}

/// Seconds as people say them.
fn span(seconds: f64) -> String {
    let minutes = (seconds / 60.0).floor();
    match seconds {
        s if s < 60.0 => format!("{s:.0} s"),
        s if s < 3600.0 => format!("{minutes:.0} min"),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} d", s / 86_400.0),
    }
}
