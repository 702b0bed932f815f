//! Administration of keys and accounts put together for one command: its own connections, no listener.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use compat::{
    account_state::UsageCost,
    clock::{Clock, LocalCalendar},
    keys::AccountKind,
    pool::{DayUsage, Pools},
    store::{RedisStore, Store},
    write_behind::WriteBehind,
};
use futures_util::{FutureExt, future::BoxFuture};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::settings;
use crate::{
    accounts::{
        AccountPorts, Accounts,
        lifecycle::{AccountAdmin, AdminPorts, Bindings},
    },
    billing::PriceBook,
    config::Config,
    domain::AnomalySink,
    keys::manage::{KeyAdmin, KeyAdminSettings},
    notify::Notifier,
    tasks::Weeks,
    upstream::HttpSender,
};

/// Longest that one Redis call may take here: an operator can wait.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest that ending may take.
const LAST: Duration = Duration::from_secs(10);
/// When a change is looked at again: a stale write of the Node service follows within moments.
const LOOKS_MS: [u64; 3] = [40, 120, 300];

/// Keys and accounts as an operator handles them.
pub struct Administration {
    /// API keys.
    pub keys: KeyAdmin,
    /// Upstream accounts.
    pub accounts: AccountAdmin,
    at_work: Accounts,
    store: Arc<dyn Store>,
    clock: Clock,
    calendar: LocalCalendar,
    /// Where prices lie (`CRS_DATA_DIR`).
    data_dir: PathBuf,
    /// The writer and the deliveries.
    tasks: TaskTracker,
    ending: CancellationToken,
}

impl Administration {
    /// Opens what the settings point to and asks Redis whether it is there.
    ///
    /// # Errors
    /// Settings that cannot be used, or no Redis.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let redis = compat::store::RedisConfig {
            timeout: config.redis.timeout.max(PATIENCE),
            ..settings::redis_config(config)
        };
        let store = RedisStore::open(&redis)?;
        store.ping().await.with_context(|| settings::no_redis(config))?;
        let store: Arc<dyn Store> = Arc::new(store);
        let sender = Arc::new(HttpSender::new(settings::sender_settings(config)?)?);
        let clock = Clock::system();
        let vault = settings::vault(&config.security);
        let calendar = LocalCalendar::new(i64::from(config.time.offset_hours));
        let (writes, writer) = WriteBehind::new(Arc::clone(&store));
        let tasks = TaskTracker::new();
        tasks.spawn(writer);
        let pools = Pools::new(&store, &clock, calendar, &vault);
        let (notifier, delivery) = Notifier::new(Arc::clone(&store), settings::postman(config)?);
        let ending = CancellationToken::new();
        tasks.spawn(delivery.run(ending.clone()));
        let anomalies: Arc<dyn AnomalySink> = Arc::new(notifier);
        let at_work = Accounts::new(
            AccountPorts {
                store: Arc::clone(&store),
                pools: Arc::new(pools),
                writes,
                sender: sender.clone(),
                vault: vault.clone(),
                clock: clock.clone(),
                calendar,
                prices: Arc::new(NoPrices),
                anomalies: anomalies.clone(),
            },
            settings::account_rules(config),
        );
        let looks: Vec<Duration> = LOOKS_MS.into_iter().map(Duration::from_millis).collect();
        let keys = KeyAdmin::new(
            Arc::clone(&store),
            clock.clone(),
            KeyAdminSettings {
                prefix: config.security.api_key_prefix.clone(),
                encryption_key: config.security.encryption_key.clone(),
                looks: looks.clone(),
            },
        );
        let accounts = AccountAdmin::new(AdminPorts {
            accounts: at_work.clone(),
            store: Arc::clone(&store),
            sender,
            vault,
            clock: clock.clone(),
            calendar,
            bindings: Arc::new(KeyBindings(keys.clone())),
            anomalies,
            looks,
            collation: config.service.collation.clone(),
            request_timeout: config.claude.request_timeout,
            api_version: config.claude.api_version.clone(),
            bedrock: settings::bedrock_settings(&config.bedrock),
        });
        let data_dir = config.service.data_dir.clone();
        Ok(Self { keys, accounts, at_work, store, clock, calendar, data_dir, tasks, ending })
    }

    /// Refuses to go on with an `ENCRYPTION_KEY` that opens nothing of what is stored: keys and accounts
    /// made with it would not work.
    ///
    /// # Errors
    /// Such a key, or Redis.
    pub async fn check_encryption_key(&self) -> anyhow::Result<()> {
        let readable = self.accounts.readable().await;
        let readable = readable.map_err(|declined| anyhow::anyhow!("{declined}"))?;
        if readable.tried > 0 && readable.opened == 0 {
            anyhow::bail!(
                "ENCRYPTION_KEY of the .env in this folder opens none of the stored accounts ({} \
                 secrets tried), so it is not the one that the service uses: what is made with it \
                 would not work, and nothing was changed. If it was changed on purpose, enter the \
                 credentials of one account again first (`crs accounts edit`)",
                readable.tried
            );
        }
        Ok(())
    }

    /// Adds up the weekly cost of keys anew, whose day or hour of the reset was changed.
    ///
    /// # Errors
    /// Redis.
    pub async fn recount_weeks(&self, ids: &[String]) -> anyhow::Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let prices = PriceBook::open(&self.data_dir).current();
        let (store, calendar) = (&*self.store, self.calendar);
        let weeks = Weeks { store, prices: &prices, calendar, now_ms: self.clock.now_ms() };
        for id in ids {
            weeks.recount(id).await.context("the weekly cost was not added up anew")?;
        }
        Ok(())
    }

    /// Sends what is queued, messages to operators too, and ends.
    pub async fn close(self) {
        let Self { keys, accounts, at_work, tasks, ending, .. } = self;
        at_work.drain().await;
        // The writer ends with the last who may write.
        drop((keys, accounts, at_work));
        ending.cancel();
        tasks.close();
        if tokio::time::timeout(LAST, tasks.wait()).await.is_err() {
            tracing::warn!("not everything that was queued has been sent");
        }
    }
}

/// What administration of accounts asks of that of keys.
struct KeyBindings(KeyAdmin);

impl Bindings for KeyBindings {
    fn unbind<'a>(&'a self, kind: AccountKind, account_id: &'a str) -> BoxFuture<'a, usize> {
        self.0.unbind(kind, account_id).boxed()
    }

    fn counts(&self, kind: AccountKind) -> BoxFuture<'_, HashMap<String, usize>> {
        self.0.bound_counts(kind).boxed()
    }
}

/// Commands settle no requests, so that no quota is ever spent here.
struct NoPrices;

impl UsageCost for NoPrices {
    fn cost(&self, _usage: &DayUsage) -> f64 {
        0.0
    }
}
