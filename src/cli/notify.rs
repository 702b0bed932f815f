//! `crs notify`: who is notified, and does it arrive? Shows no address, token or password.

use std::path::Path;

use anyhow::{Context, ensure};
use clap::Subcommand;
use compat::{clock::Clock, store::RedisStore};
use serde_json::{Map, Value, json};
use tokio::runtime::Builder;

use super::{Output, demo};
use crate::{
    app,
    config::Config,
    notify::{Attempted, Locale, Moment, Notice, Platform, Retries, Stored, message, read_stored},
};

/// What a test is about, in the words of the console's own.
const REASON: &str = "手动测试通知";
const MESSAGE: &str = "这是一条测试通知消息，用于验证 Webhook 通知功能是否正常工作";

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Show the platforms and types that are set up, and what keeps any from working.
    List,
    /// Send a test to every platform that is switched on, once, and say what became of it.
    Test {
        /// Only this one, by id or name, also when it is switched off.
        #[arg(long)]
        platform: Option<String>,
    },
}

/// Carries the command out; `Ok(1)` when something does not work.
///
/// # Errors
/// Settings that cannot be used, no Redis, nobody to notify.
pub(super) fn run(dir: &Path, action: &Action, output: &Output) -> anyhow::Result<u8> {
    let config = demo::config(dir)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = RedisStore::open(&app::redis_config(&config))?;
        let stored = read_stored(&store).await.with_context(|| app::no_redis(&config))?;
        match action {
            Action::List => Ok(list(&config, &stored, output)),
            Action::Test { platform } => test(&config, &stored, platform.as_deref(), output).await,
        }
    })
}

fn list(config: &Config, stored: &Stored, output: &Output) -> u8 {
    let locale = locale(config);
    let platforms: Vec<(Platform, Option<String>)> = stored
        .platforms()
        .map(|platform| {
            let moment = Moment { at_ms: Clock::system().now_ms(), locale: &locale };
            let fault = match message::compose(&platform, &test_notice(moment), moment) {
                Ok(parcel) => parcel.fault(),
                Err(fault) => Some(fault),
            };
            (platform, fault.map(|fault| fault.to_string()))
        })
        .collect();
    let on = if stored.is_enabled() { "on" } else { "off" };
    output.line(&format!("Notifications are {on}; {} platforms", platforms.len()));
    for (platform, fault) in &platforms {
        let state = match (fault, platform.is_enabled()) {
            (Some(fault), _) => format!("cannot work: {fault}"),
            (None, true) => "on".to_owned(),
            (None, false) => "off".to_owned(),
        };
        output.line(&format!("  {:<12} {:<24} {state}", platform.kind(), platform.name()));
    }
    let types: Map<String, Value> = stored.types().map(|(kind, on)| (kind, on.into())).collect();
    let names = types.iter().filter(|(_, on)| **on == Value::Bool(true)).map(|(name, _)| name);
    let names: Vec<&str> = names.map(String::as_str).collect();
    output.line(&format!("Types: {}", names.join(", ")));
    let shown = platforms.iter().map(|(platform, fault)| {
        let mut shown = about(platform);
        shown["enabled"] = platform.is_enabled().into();
        shown["fault"] = json!(fault);
        shown
    });
    output.value(&json!({
        "enabled": stored.is_enabled(),
        "types": types,
        "platforms": shown.collect::<Vec<_>>(),
    }));
    let broken = platforms.iter().any(|(platform, fault)| fault.is_some() && platform.is_enabled());
    u8::from(broken)
}

async fn test(
    config: &Config,
    stored: &Stored,
    wanted: Option<&str>,
    output: &Output,
) -> anyhow::Result<u8> {
    let platforms: Vec<Platform> = match wanted {
        Some(wanted) => {
            let is_it = |platform: &Platform| [platform.id(), platform.name()].contains(&wanted);
            let found: Vec<Platform> = stored.platforms().filter(is_it).collect();
            ensure!(!found.is_empty(), "no platform is called {wanted}; see `crs notify list`");
            found
        }
        None => {
            ensure!(
                stored.is_enabled(),
                "notifications are switched off in the console; --platform tests one all the same"
            );
            let found: Vec<Platform> = stored.receivers().collect();
            ensure!(!found.is_empty(), "no platform is set up and switched on in the console");
            found
        }
    };
    let postman = app::postman(config)?;
    let moment = Moment { at_ms: postman.clock.now_ms(), locale: &postman.locale };
    let notice = test_notice(moment);
    let once = Retries { attempts: 1, pause_ms: 0.0 };
    let sending = platforms.into_iter().map(async |platform| {
        let outcome = postman.send(&platform, &notice, once).await;
        Attempted { platform, outcome }
    });
    let done = futures_util::future::join_all(sending).await;
    for attempted in &done {
        let state = match &attempted.outcome {
            Ok(()) => "sent".to_owned(),
            Err(fault) => format!("FAILED: {fault}"),
        };
        let platform = &attempted.platform;
        output.line(&format!("  {:<12} {:<24} {state}", platform.kind(), platform.name()));
    }
    let failed = done.iter().filter(|attempted| attempted.outcome.is_err()).count();
    let results = done.iter().map(|attempted| {
        let mut shown = about(&attempted.platform);
        shown["sent"] = attempted.outcome.is_ok().into();
        shown["error"] = json!(attempted.outcome.as_ref().err().map(ToString::to_string));
        shown
    });
    output.value(&json!({
        "succeeded": done.len() - failed,
        "failed": failed,
        "results": results.collect::<Vec<_>>(),
    }));
    Ok(u8::from(failed > 0))
}

fn about(platform: &Platform) -> Value {
    json!({ "id": platform.id(), "type": platform.kind(), "name": platform.name() })
}

fn locale(config: &Config) -> Locale {
    Locale::new(config.time.offset_hours, &config.time.zone_name)
}

/// What the console's test button sends.
fn test_notice(moment: Moment<'_>) -> Notice {
    let fields = [
        ("accountId", "test-account-id"),
        ("accountName", "测试账号"),
        ("platform", "claude-oauth"),
        ("status", "test"),
        ("errorCode", "TEST_NOTIFICATION"),
        ("reason", REASON),
        ("message", MESSAGE),
        ("timestamp", &moment.iso_local()),
    ];
    let fields = fields.map(|(name, text)| (name.to_owned(), Value::from(text)));
    Notice::new("test", fields.into_iter().collect())
}
