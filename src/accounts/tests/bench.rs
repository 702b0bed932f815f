//! A room of accounts over a real Redis, a scripted vendor and a frozen clock.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use compat::{
    account_state::UsageCost,
    clock::{Clock, LocalCalendar},
    cooldown::CooldownTimes,
    crypto::{Service, Vault},
    pool::{AccountPool, DayUsage, Entry, Family, Kind, Need, Pools, Snapshot},
    store::{Batch, Cmd, Reply, Store},
    testing::TestRedis,
    write_behind::WriteBehind,
};
use futures_util::{StreamExt, future::BoxFuture, stream};
use jiff::tz::TimeZone;
use parking_lot::Mutex;

use crate::{
    accounts::{AccountPorts, AccountRules, Accounts},
    domain::{Anomaly, AnomalySink, HeaderList},
    upstream::{SendError, Sender, UpstreamRequest, UpstreamResponse},
};

pub(super) const NOW_MS: i64 = 1_784_802_030_456;
pub(super) const KEY: &str = "0123456789abcdef0123456789abcdef";

/// One answer of the vendor.
pub(super) type Answer = Result<(u16, String), SendError>;

/// A vendor that gives prepared answers, and counts.
#[derive(Default)]
pub(super) struct Vendor {
    pub(super) answers: Mutex<VecDeque<Answer>>,
    pub(super) asked: Mutex<Vec<UpstreamRequest>>,
    pub(super) count: AtomicUsize,
    pub(super) pause_ms: AtomicUsize,
}

impl Sender for Vendor {
    fn send(&self, request: UpstreamRequest) -> BoxFuture<'_, Result<UpstreamResponse, SendError>> {
        self.asked.lock().push(request);
        self.count.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers.lock().pop_front().unwrap();
        let pause = self.pause_ms.load(Ordering::SeqCst) as u64;
        Box::pin(async move {
            tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
            let (status, body) = answer?;
            let body = stream::iter([Ok(Bytes::from(body))]).boxed();
            Ok(UpstreamResponse { status, headers: HeaderList::new(), body })
        })
    }
}

#[derive(Default)]
pub(super) struct Heard(pub(super) Mutex<Vec<Anomaly>>);

impl AnomalySink for Heard {
    fn report(&self, anomaly: Anomaly) {
        self.0.lock().push(anomaly);
    }
}

pub(super) struct Simple;

impl UsageCost for Simple {
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    fn cost(&self, usage: &DayUsage) -> f64 {
        (usage.input + usage.output) as f64 / 1000.0
    }
}

pub(super) struct Room {
    pub(super) store: Arc<dyn Store>,
    pub(super) pools: Arc<Pools>,
    /// That of Claude accounts.
    pub(super) pool: Arc<AccountPool>,
    pub(super) writes: WriteBehind,
    pub(super) clock: Clock,
    pub(super) vault: Vault,
    pub(super) vendor: Arc<Vendor>,
    pub(super) heard: Arc<Heard>,
    pub(super) accounts: Accounts,
}

impl Room {
    pub(super) fn over(redis: &TestRedis, rules: AccountRules) -> Self {
        Self::with(Arc::new(redis.store()), Vault::new(KEY), rules)
    }

    pub(super) fn with(store: Arc<dyn Store>, vault: Vault, rules: AccountRules) -> Self {
        let (clock, calendar) = (Clock::manual(NOW_MS), LocalCalendar::new(8));
        let pools = Arc::new(Pools::new(&store, &clock, calendar, &vault));
        let pool = Arc::clone(pools.of(Family::Claude));
        let (writes, writer) = WriteBehind::new(store.clone());
        tokio::spawn(writer);
        let (vendor, heard) = (Arc::new(Vendor::default()), Arc::new(Heard::default()));
        let ports = AccountPorts {
            store: store.clone(),
            pools: pools.clone(),
            writes: writes.clone(),
            sender: vendor.clone(),
            vault: vault.clone(),
            clock: clock.clone(),
            calendar,
            prices: Arc::new(Simple),
            anomalies: heard.clone(),
        };
        let accounts = Accounts::new(ports, rules);
        Self { store, pools, pool, writes, clock, vault, vendor, heard, accounts }
    }

    pub(super) async fn redis(&self, words: &[&str]) -> Reply {
        let words = words.iter().map(|word| Bytes::copy_from_slice(word.as_bytes())).collect();
        self.store.run(Batch::from(Cmd::Words(words))).await.unwrap().remove(0)
    }

    /// Stores an official account `a` with these fields over the usual ones.
    pub(super) async fn official(&self, fields: &[(&str, &str)]) {
        let seal = |text: &str| self.vault.encrypt(Service::Claude, text);
        let (access, refresh) = (seal("old-access"), seal("old-refresh"));
        let future = (NOW_MS + 3_600_000).to_string();
        let mut words =
            vec!["HSET", "claude:account:a", "id", "a", "name", "Ann", "isActive", "true"];
        words.extend(["status", "active", "schedulable", "true", "accessToken", &access]);
        words.extend(["refreshToken", &refresh, "expiresAt", &future]);
        words.extend(fields.iter().flat_map(|(name, value)| [*name, *value]));
        self.redis(&words).await;
        self.redis(&["SADD", "claude:account:index", "a"]).await;
    }

    pub(super) async fn account(&self, kind: Kind) -> (Arc<Entry>, Arc<Snapshot>) {
        let needs = [Need::List(kind), Need::Account(kind, "a".into())];
        let snapshot = self.pool.snapshot(&needs).await.unwrap();
        (snapshot.get(kind, "a").unwrap(), snapshot)
    }

    pub(super) async fn field(&self, name: &str) -> String {
        self.redis(&["HGET", "claude:account:a", name]).await.text().unwrap().unwrap_or_default()
    }

    pub(super) fn opened(&self, stored: &str) -> String {
        self.vault.decrypt(Service::Claude, stored).text
    }
}

pub(super) fn rules() -> AccountRules {
    AccountRules {
        cooldowns: CooldownTimes::default(),
        warnings_per_window: 1,
        console_block_minutes: 0,
        zone: TimeZone::UTC,
        request_timeout: Duration::from_secs(600),
        surroundings: None,
    }
}
