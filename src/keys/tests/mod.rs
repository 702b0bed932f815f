mod faults;
mod limits;
mod lookup;
mod refusals;
mod two_writers;
mod upkeep;
mod waiting;

use std::{sync::Arc, time::Duration};

use compat::{
    clock::{Clock, LocalCalendar},
    crypto,
    relay_config::RelayConfig,
    store::{RedisConfig, RedisStore, Reply},
    testing::TestRedis,
};
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const PLAIN: &str = "cr_0000000000000000";
/// Shortly before midnight in Shanghai; a Thursday.
const NOW: i64 = 1_784_822_000_000;

/// A Redis with one key `k`, and the service on it.
struct Bench {
    redis: TestRedis,
    /// For looking, apart from the service's connection.
    admin: RedisStore,
    store: Arc<RedisStore>,
    clock: Clock,
    keys: Arc<Keys>,
    stop: CancellationToken,
}

impl Bench {
    async fn new(fields: &[(&str, &str)]) -> Self {
        let redis = TestRedis::spawn();
        let config = redis.config();
        Self::on(redis, &config, fields).await
    }

    async fn on(redis: TestRedis, config: &RedisConfig, fields: &[(&str, &str)]) -> Self {
        let admin = redis.store();
        let store = Arc::new(RedisStore::open(config).unwrap());
        let clock = Clock::manual(NOW);
        let keeper = SlotKeeper::new(store.clone(), clock.clone());
        let settings = KeySettings {
            prefix: "cr_".into(),
            encryption_key: SECRET.into(),
            calendar: LocalCalendar::new(8),
            process_zone: TimeZone::UTC,
            slot_lifetime_minutes: 10,
        };
        let rules = ClaudeCodeRules {
            min_prompt_matches: 0,
            prompt_matches: Box::new(|_| true),
            user_id_is_valid: Box::new(|_| true),
        };
        let stop = CancellationToken::new();
        tokio::spawn(Arc::clone(&keeper).run(stop.clone()));
        let keys = Arc::new(Keys::new(store.clone(), clock.clone(), settings, rules, keeper));
        let bench = Self { redis, admin, store, clock, keys, stop };
        bench.seed(fields).await;
        bench
    }

    async fn seed(&self, fields: &[(&str, &str)]) {
        let hash = crypto::key_hash(PLAIN, SECRET);
        self.run(&["HSET", "apikey:hash_map", &hash, "k"]).await;
        let mut words = vec!["HSET", "apikey:k", "id", "k", "name", "key", "isActive", "true"];
        words.extend(fields.iter().flat_map(|(name, value)| [*name, *value]));
        self.run(&words).await;
    }

    async fn run(&self, words: &[&str]) -> Reply {
        self.admin.words(words).await.unwrap()
    }

    async fn text(&self, words: &[&str]) -> Option<String> {
        self.run(words).await.text().unwrap()
    }

    async fn key(&self) -> Arc<ApiKeySnapshot> {
        self.keys.lookup(Some(PLAIN)).await.unwrap()
    }

    async fn admit(&self, config: &RelayConfig) -> Result<Admitted, Rejection> {
        self.admit_model(config, "claude-sonnet-4").await
    }

    async fn admit_model(&self, config: &RelayConfig, model: &str) -> Result<Admitted, Rejection> {
        let gone = Gone::new();
        let ask = Ask { token_count: false, model, config, gone: &gone };
        let key = self.key().await;
        self.keys.admit_limits(&key, ask).await
    }

    /// Members of the key's leases.
    async fn leases(&self) -> Vec<String> {
        self.run(&["ZRANGE", "concurrency:k", "0", "-1"]).await.texts().unwrap()
    }

    /// Waits until the keeper has nothing left to return.
    async fn settled(&self) {
        until(async || self.keys.keeper().load().1 == 0).await;
        // The last release has left the list before its reply arrived.
        self.store.ping().await.unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn queue_config() -> RelayConfig {
    let mut config = RelayConfig::default();
    config.request_queue.enabled = true;
    config
}

/// Polls until the condition holds; the test's own timeout is the limit.
async fn until(mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the condition never held");
}
