//! Assembly: everything the service consists of, its background work, and its end.

mod administration;
mod assembly;
mod beside;
mod candidate;
mod doors;
mod evidence;
mod exposition;
mod facts;
mod herald;
mod jobs;
pub mod listen;
mod rollout;
mod settings;
mod showing;
mod steering;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use compat::{
    clock::{Clock, LocalCalendar},
    pool::Pools,
    store::{RedisStores, Store},
    usage::{Books, Ledger},
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use administration::Administration;
pub use beside::{Again, rules, shelf};
pub use evidence::settings as gate_settings;
pub use jobs::{fetch_price_list, refresh_prices, run_once as run_jobs};
pub use settings::{no_redis, postman, redis_config, surrounding_proxies, vault};

use assembly::{Loops, Ports, assemble};
use exposition::exposition;

use crate::{
    api::{
        middleware::{Front, FrontSettings},
        router::router,
        server::{Limits, Shutdown},
        service::{Exposition, Facts, ServiceState},
    },
    billing::{Billing, PriceBook},
    config::Config,
    keys::rewrite_browser_request,
    logs::LogStats,
    notify::{Delivery, Notifier},
    relay::Relay,
    tasks::{Duty, price_update, supervised},
    upstream::{HttpSender, Sender},
};

/// Longest that one Redis call may take in a command that works through the database.
const PATIENCE_OF_COMMANDS: Duration = Duration::from_secs(10);
/// How often idle vendor connections are looked through.
const POOL_SWEEP: Duration = Duration::from_secs(5);
/// Longest the last usage may take to be written when the service ends; the journal keeps the rest.
const LAST_FLUSH: Duration = Duration::from_secs(10);

/// What handlers see.
pub type AppState = Arc<App>;

/// The assembled service.
pub struct App {
    /// Settings.
    pub config: Arc<Config>,
    /// Time.
    pub clock: Clock,
    /// Local dates.
    pub calendar: LocalCalendar,
    /// The database, for requests.
    pub hot: Arc<dyn Store>,
    /// The same, for bulk work.
    pub bulk: Arc<dyn Store>,
    /// The connections behind both, when they are real ones.
    pub redis: Option<RedisStores>,
    /// Account snapshots.
    pub pools: Arc<Pools>,
    /// Costs and usage.
    pub billing: Arc<Billing>,
    /// The pipeline.
    pub relay: Arc<Relay>,
    /// Where operators are told things; `None` for runs that nobody is to hear of.
    pub notifier: Option<Notifier>,
    /// Start of the service, epoch milliseconds.
    pub started_ms: i64,
}

/// Work that goes on beside the requests, in the order it has to end.
struct Background {
    loops: Loops,
    ledger: Arc<Ledger>,
    sender: Arc<HttpSender>,
    delivery: Delivery,
}

/// Serves on `listener` until `stop`, then drains and writes down what is left.
///
/// `serving` is called when requests are answered.
///
/// # Errors
/// When something needed at start is missing or contradictory.
pub async fn run(
    config: Config,
    listener: TcpListener,
    log_stats: Arc<LogStats>,
    stop: CancellationToken,
    serving: impl FnOnce() + Send,
) -> anyhow::Result<()> {
    let shutdown = Shutdown { stop, cut: CancellationToken::new() };
    let (app, background) = build(config, shutdown.cut.clone())?;
    tracing::info!("Listening on http://{}", listener.local_addr()?);
    let exposition = Exposition::new(exposition(Arc::clone(&app)));
    let parts = rollout::prepare(&app, listener.local_addr()?.to_string())?;
    let doors = doors::Doors::new(&app, &parts.rollout)?;
    let service = ServiceState {
        facts: Arc::clone(&app) as Arc<dyn Facts>,
        log_stats,
        version: app.config.server.version.as_str().into(),
        started: Instant::now(),
        exposition,
        own_health: Arc::new(doors.health(&app)),
    };
    let front = front_settings(&app.config, app.clock.clone());
    let evidence = Arc::new(showing::Evidence {
        app: Arc::clone(&app),
        rollout: Arc::clone(&parts.rollout),
        shadow: doors.shadow(),
        store: parts.store(),
    });
    let admin = Some(parts.admin(Arc::clone(&evidence) as _));
    let front = Front::new(front, router(Arc::clone(&app), service, admin));
    let limits = Limits {
        max_connections: app.config.server.max_connections,
        drain: app.config.server.drain_timeout,
    };
    let ending = CancellationToken::new();
    let mut services = background.start(&app, jobs::duty(Arc::clone(&parts.rollout)), &ending);
    doors.start(&shutdown.stop, &ending)?;
    parts.start(&app, evidence, &mut services, &shutdown.stop, &ending);
    let mut failed = false;
    {
        let mut served = doors.serve(listener, front, shutdown.clone(), limits);
        serving();
        tokio::select! {
            () = &mut served => {}
            ended = services.join_next() => {
                // A service that ends before its time must not leave requests unaccounted: open
                // connections are drained as after a signal.
                tracing::error!(?ended, "a background service ended; stopping");
                failed = true;
                shutdown.stop.cancel();
                served.await;
            }
        }
    }
    app.relay.tasks.close();
    app.relay.tasks.wait().await;
    // A token exchange in flight must be written down, or the account is lost.
    if tokio::time::timeout(LAST_FLUSH, app.relay.accounts.drain()).await.is_err() {
        tracing::warn!("work on accounts did not end in time");
    }
    ending.cancel();
    let last = async { while services.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_FLUSH, last).await.is_err() {
        let left = app.billing.books().status().backlog;
        tracing::warn!(left, "usage is left in the journal; the next start books it");
    }
    tracing::info!("Stopped");
    anyhow::ensure!(!failed, "a background service ended");
    Ok(())
}

fn front_settings(config: &Config, clock: Clock) -> FrontSettings {
    let now = Arc::new(move || clock.now_ms());
    FrontSettings::new(&config.server, &config.limits, rewrite_browser_request, now)
}

/// The service on real ports.
fn build(config: Config, cut: CancellationToken) -> anyhow::Result<(AppState, Background)> {
    let stores = RedisStores::open(&settings::redis_config(&config)).context("Redis settings")?;
    let bulk: Arc<dyn Store> = Arc::clone(&stores.bulk) as Arc<dyn Store>;
    let ledger = Arc::new(settings::open_ledger(&config, Arc::clone(&bulk))?);
    let sender = Arc::new(HttpSender::new(settings::sender_settings(&config)?)?);
    let postman = settings::postman(&config)?;
    let (notifier, delivery) = Notifier::new(Arc::clone(&bulk), postman);
    let ports = Ports {
        hot: Arc::clone(&stores.hot) as Arc<dyn Store>,
        bulk,
        redis: Some(stores),
        sender: Arc::clone(&sender) as Arc<dyn Sender>,
        clock: Clock::system(),
        books: Arc::clone(&ledger) as Arc<dyn Books>,
        prices: Arc::new(PriceBook::open(&config.service.data_dir)),
        instructions: None,
        notifier: Some(notifier),
    };
    let (app, loops) = assemble(Arc::new(config), ports, cut);
    Ok((app, Background { loops, ledger, sender, delivery }))
}

impl Background {
    /// Starts every service; they end after `ending` is cancelled, each when its work is done.
    fn start(
        self,
        app: &AppState,
        duty: Arc<dyn Fn() -> Duty + Send + Sync>,
        ending: &CancellationToken,
    ) -> JoinSet<()> {
        let mut services = JoinSet::new();
        self.loops.start(&mut services, ending);
        let (ledger, stop) = (self.ledger, ending.clone());
        services.spawn(async move { ledger.run(stop.cancelled()).await });
        services.spawn(self.delivery.run(ending.clone()));
        let (app, stop, sender) = (Arc::clone(app), ending.clone(), self.sender);
        services.spawn(async move {
            let sweep = every(POOL_SWEEP, || async { sender.close_expired() });
            let jobs = jobs::jobs(&app);
            let prices: Arc<dyn Sender> = Arc::clone(&sender) as _;
            let mirror = &app.config.prices;
            let updates = supervised("price updates", || {
                price_update::keep_updated(&app.billing, &prices, mirror)
            });
            let freshness = supervised("price file", || app.billing.keep_fresh());
            let instructions =
                supervised("Codex instructions", || app.relay.instructions.keep_fresh(&*app.bulk));
            tokio::select! {
                () = stop.cancelled() => {}
                () = updates => {}
                () = jobs.serve(duty) => {}
                () = freshness => {}
                () = instructions => {}
                () = sweep => {}
            }
        });
        services
    }
}

async fn every<F: Future<Output = ()>>(pause: Duration, mut work: impl FnMut() -> F) {
    loop {
        tokio::time::sleep(pause).await;
        work().await;
    }
}
