//! The background jobs: put together for the running service, and for a command that runs some of them once.

use std::sync::Arc;

use compat::{
    clock::Clock,
    store::{RedisConfig, RedisStores, Store},
    usage::{Books, ScratchBooks},
};
use futures_util::future::BoxFuture;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    App, PATIENCE_OF_COMMANDS,
    administration::Administration,
    assembly::{Ports, assemble},
    settings,
};
use crate::{
    billing::PriceBook,
    config::Config,
    notify::Notifier,
    rollout::{Phase, Rollout},
    tasks::{AccountTester, Duty, Flight, Job, JobParts, JobSettings, Jobs, Trigger, price_update},
    upstream::{HttpSender, Sender},
};

/// The jobs of a service.
pub(super) fn jobs(app: &App) -> Jobs {
    let config = &app.config;
    let minutes = config.limits.metrics_window_minutes;
    Jobs::new(JobParts {
        store: Arc::clone(&app.bulk),
        keys: Arc::clone(&app.relay.keys),
        accounts: app.relay.accounts.clone(),
        billing: Arc::clone(&app.billing),
        tester: Some(Arc::new(Tester(Arc::clone(config)))),
        notifier: app.notifier.clone(),
        clock: app.clock.clone(),
        calendar: app.calendar,
        settings: JobSettings {
            instance: config.service.instance.clone(),
            version: config.server.version.clone(),
            cleanup_interval: config.limits.cleanup_interval,
            metrics_window_minutes: i64::try_from(minutes).unwrap_or(i64::MAX),
            clear_queues_at_start: config.limits.clear_queues_on_start,
            account_tests: config.service.account_tests,
            schedule_zone: settings::schedule_zone(config),
        },
    })
}

/// Tries accounts as `crs accounts test` does, on connections of its own.
struct Tester(Arc<Config>);

impl AccountTester for Tester {
    fn test<'a>(&'a self, id: &'a str, model: &'a str) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let opened = Administration::open(&self.0).await;
            let administration = opened.map_err(|error| format!("{error:#}"))?;
            let outcome = administration.accounts.test_official(id, model).await;
            administration.close().await;
            outcome
        })
    }
}

/// Which jobs are ours: all without a legacy service or once it is given up; beside it, in `primary`, those
/// that do no harm twice, so that it may be stopped at any moment; before that none.
pub(super) fn duty(rollout: Arc<Rollout>) -> Arc<dyn Fn() -> Duty + Send + Sync> {
    Arc::new(move || match rollout.phase() {
        _ if !rollout.has_legacy() => Duty::All,
        Phase::Standalone => Duty::All,
        Phase::Primary => Duty::Shared,
        _ => Duty::None,
    })
}

/// Runs jobs once, in order, now or on a clock that is `shift_ms` off.
///
/// # Errors
/// When settings cannot be used or Redis cannot be asked.
pub async fn run_once(
    config: Config,
    jobs_to_run: &[&'static Job],
    shift_ms: i64,
) -> anyhow::Result<Vec<(&'static Job, Flight)>> {
    let redis = RedisConfig { timeout: PATIENCE_OF_COMMANDS, ..settings::redis_config(&config) };
    let stores = RedisStores::open(&redis)?;
    let bulk: Arc<dyn Store> = Arc::clone(&stores.bulk) as Arc<dyn Store>;
    let usage = settings::usage_settings(&config);
    let (notifier, delivery) = Notifier::new(Arc::clone(&bulk), settings::postman(&config)?);
    let ports = Ports {
        hot: Arc::clone(&stores.hot) as Arc<dyn Store>,
        // Jobs book nothing.
        books: Arc::new(ScratchBooks::new(usage, Arc::clone(&bulk))) as Arc<dyn Books>,
        bulk,
        sender: Arc::new(HttpSender::new(settings::sender_settings(&config)?)?) as Arc<dyn Sender>,
        clock: if shift_ms == 0 { Clock::system() } else { Clock::shifted(shift_ms) },
        prices: Arc::new(PriceBook::open(&config.service.data_dir)),
        redis: Some(stores),
        instructions: None,
        notifier: Some(notifier),
    };
    let (app, loops) = assemble(Arc::new(config), ports, CancellationToken::new());
    let (mut services, ending) = (JoinSet::new(), CancellationToken::new());
    loops.start(&mut services, &ending);
    services.spawn(delivery.run(ending.clone()));
    let jobs = jobs(&app);
    let mut ran = Vec::new();
    for job in jobs_to_run {
        ran.push((*job, jobs.fly(job, Trigger::Asked).await?));
    }
    app.relay.accounts.drain().await;
    ending.cancel();
    while services.join_next().await.is_some() {}
    Ok(ran)
}

/// Fetches prices from the mirror if its checksum differs; whether they changed.
///
/// # Errors
/// When the mirror cannot be read.
pub async fn refresh_prices(config: &Config, book: &PriceBook) -> anyhow::Result<bool> {
    let sender = HttpSender::new(settings::sender_settings(config)?)?;
    let sender: Arc<dyn Sender> = Arc::new(sender);
    price_update::refresh(book, &sender, &config.prices).await
}

/// A price list at some address.
///
/// # Errors
/// Settings that cannot be used, or an address that does not answer with a list.
pub async fn fetch_price_list(config: &Config, url: &str) -> anyhow::Result<String> {
    let sender = HttpSender::new(settings::sender_settings(config)?)?;
    let sender: Arc<dyn Sender> = Arc::new(sender);
    let list = price_update::fetch_list(&sender, url).await?;
    Ok(String::from_utf8_lossy(&list).into_owned())
}
