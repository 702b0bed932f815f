//! The services put together on whatever ports they are given: real ones, or those of a run without
//! effects.

use std::sync::Arc;

use compat::{
    account_state::UsageCost,
    clock::{Clock, LocalCalendar},
    pool::{Family, Pools},
    store::{RedisStores, Store},
    usage::Books,
    write_behind::WriteBehind,
};
use futures_util::future::BoxFuture;
use tokio::task::JoinSet;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{App, AppState, settings};
use crate::{
    accounts::{AccountPorts, Accounts},
    billing::{Billing, PriceBook},
    config::Config,
    domain::{AnomalySink, LogAnomalies},
    keys::{Keys, MessageQueue, SlotKeeper},
    notify::Notifier,
    relay::{Instructions, Relay, RelayParts},
    schedule::{Scheduler, SessionBindings},
    upstream::Sender,
};

/// What the services reach the world through.
pub(super) struct Ports {
    /// The database, for requests.
    pub hot: Arc<dyn Store>,
    /// The same, for bulk work.
    pub bulk: Arc<dyn Store>,
    /// The connections behind both, when they are real ones.
    pub redis: Option<RedisStores>,
    /// Way to the vendors.
    pub sender: Arc<dyn Sender>,
    /// Time.
    pub clock: Clock,
    /// Where usage is booked.
    pub books: Arc<dyn Books>,
    /// Prices.
    pub prices: Arc<PriceBook>,
    /// Instructions for clients that are not Codex; `None` opens the operator's, which learn.
    pub instructions: Option<Instructions>,
    /// Where operators are told things; `None` for runs that nobody is to hear of.
    pub notifier: Option<Notifier>,
}

/// Loops that requests count on: slots are given back and state is written only while they run.
pub(super) struct Loops {
    keeper: Arc<SlotKeeper>,
    writes: WriteBehind,
    writer: BoxFuture<'static, ()>,
}

impl Loops {
    /// Starts them; after `ending` is cancelled each ends when its work is done.
    pub(super) fn start(self, services: &mut JoinSet<()>, ending: &CancellationToken) {
        services.spawn(self.keeper.run(ending.clone()));
        let (writes, stop, writer) = (self.writes, ending.clone(), self.writer);
        services.spawn(async move {
            tokio::select! {
                () = writer => {}
                () = async { stop.cancelled().await; writes.flush().await } => {}
            }
        });
    }
}

/// Puts the services together. `cut` ends open streams.
pub(super) fn assemble(
    config: Arc<Config>,
    ports: Ports,
    cut: CancellationToken,
) -> (AppState, Loops) {
    let Ports { hot, bulk, redis, sender, clock, books, prices, instructions, notifier } = ports;
    let vault = settings::vault(&config.security);
    let calendar = LocalCalendar::new(i64::from(config.time.offset_hours));
    let (writes, writer) = WriteBehind::new(Arc::clone(&hot));
    let pools = Arc::new(Pools::new(&hot, &clock, calendar, &vault));
    let instructions = instructions.unwrap_or_else(|| {
        let file = config.openai.instructions_file.as_deref();
        Instructions::open(file, &config.service.data_dir, writes.clone())
    });
    let keeper = SlotKeeper::new(Arc::clone(&hot), clock.clone());
    let billing = Arc::new(Billing::new(prices, books));
    let anomalies: Arc<dyn AnomalySink> = match &notifier {
        Some(notifier) => Arc::new(notifier.clone()),
        None => Arc::new(LogAnomalies),
    };
    let mut account_rules = settings::account_rules(&config);
    let mut scheduling_rules = settings::scheduling_rules(&config);
    if redis.is_none() {
        // A second run reads no files, starts no programs and asks nobody.
        account_rules.surroundings = None;
        scheduling_rules.surroundings = false;
    }
    let keys = Arc::new(Keys::new(
        Arc::clone(&hot),
        clock.clone(),
        settings::key_settings(&config, calendar),
        settings::claude_code_rules(&config),
        Arc::clone(&keeper),
    ));
    let scheduler = Arc::new(Scheduler::new(
        Arc::clone(&hot),
        Arc::clone(&pools),
        writes.clone(),
        clock.clone(),
        calendar,
        Arc::clone(&billing) as Arc<dyn UsageCost>,
        Arc::clone(&anomalies),
        scheduling_rules,
    ));
    let accounts = Accounts::new(
        AccountPorts {
            store: Arc::clone(&hot),
            pools: Arc::clone(&pools),
            writes: writes.clone(),
            sender: Arc::clone(&sender),
            vault,
            clock: clock.clone(),
            calendar,
            prices: Arc::clone(&billing) as Arc<dyn UsageCost>,
            anomalies,
        },
        account_rules,
    );
    let relay = Arc::new(Relay::new(RelayParts {
        bindings: SessionBindings::new(
            Arc::clone(&hot),
            Arc::clone(pools.of(Family::Claude)),
            writes.clone(),
            clock.clone(),
        ),
        queue: MessageQueue::new(Arc::clone(&hot), Arc::clone(&keeper)),
        keys,
        scheduler,
        accounts,
        pools: Arc::clone(&pools),
        calendar,
        billing: Arc::clone(&billing),
        instructions,
        sender,
        clock: clock.clone(),
        settings: settings::relay_settings(&config),
        cut_streams: cut,
        tasks: TaskTracker::new(),
    }));
    let started_ms = clock.now_ms();
    let app = App {
        config,
        clock,
        calendar,
        hot,
        bulk,
        redis,
        pools,
        billing,
        relay,
        notifier,
        started_ms,
    };
    (Arc::new(app), Loops { keeper, writes, writer })
}
