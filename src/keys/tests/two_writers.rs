//! The legacy service works on the same Redis at the same time: its command streams, written out from
//! contract/redis.md, run between and beside ours.

use super::*;

/// The legacy service on this Redis.
struct Legacy<'a>(&'a Bench);

impl Legacy<'_> {
    /// Takes a slot (§e): purge, add, lifetime, count.
    async fn acquire(&self, member: &str, now: i64) -> i64 {
        let (now, end) = (now.to_string(), (now + 300_000).to_string());
        self.0.run(&["ZREMRANGEBYSCORE", "concurrency:k", "-inf", &now]).await;
        self.0.run(&["ZADD", "concurrency:k", &end, member]).await;
        self.0.run(&["PEXPIRE", "concurrency:k", "330000"]).await;
        self.0.run(&["ZCARD", "concurrency:k"]).await.int().unwrap()
    }

    /// Gives one back.
    async fn release(&self, member: &str, now: i64) {
        self.0.run(&["ZREM", "concurrency:k", member]).await;
        self.0.run(&["ZREMRANGEBYSCORE", "concurrency:k", "-inf", &now.to_string()]).await;
        if self.0.run(&["ZCARD", "concurrency:k"]).await == Reply::Int(0) {
            self.0.run(&["DEL", "concurrency:k"]).await;
        }
    }

    /// Minute job: purge every set of leases, delete what is none.
    async fn purge(&self, now: i64) {
        for key in self.0.run(&["KEYS", "concurrency:*"]).await.texts().unwrap() {
            if key.starts_with("concurrency:queue:") {
                continue;
            }
            if self.0.text(&["TYPE", &key]).await.as_deref() == Some("zset") {
                self.0.run(&["ZREMRANGEBYSCORE", &key, "-inf", &now.to_string()]).await;
            } else {
                self.0.run(&["DEL", &key]).await;
            }
        }
    }

    /// Shutdown: delete all of `concurrency:*`, whoever it belongs to (§k.2).
    async fn shut_down(&self) {
        for key in self.0.run(&["KEYS", "concurrency:*"]).await.texts().unwrap() {
            self.0.run(&["DEL", &key]).await;
        }
    }

    /// Use of a key (§a): the whole record is read, and written back with a new time of use.
    async fn read_record(&self) -> std::collections::HashMap<String, String> {
        self.0.run(&["HGETALL", "apikey:k"]).await.map().unwrap()
    }

    async fn write_record(
        &self,
        record: &std::collections::HashMap<String, String>,
        last_used: &str,
    ) {
        let mut words = vec!["HSET", "apikey:k"];
        for (name, value) in record {
            words.extend([name.as_str(), value.as_str()]);
        }
        words.extend(["lastUsedAt", last_used]);
        self.0.run(&words).await;
        self.0.run(&["EXPIRE", "apikey:k", "31536000"]).await;
    }

    /// One request's turn in the window (§h).
    async fn count_request(&self, now: i64) {
        if self.0.text(&["GET", "rate_limit:window_start:k"]).await.is_none() {
            for (key, value) in [("window_start", now), ("requests", 0), ("tokens", 0), ("cost", 0)]
            {
                let key = format!("rate_limit:{key}:k");
                self.0.run(&["SET", &key, &value.to_string(), "PX", "60000"]).await;
            }
        }
        self.0.run(&["INCR", "rate_limit:requests:k"]).await;
    }
}

#[tokio::test]
async fn slots_of_both_count_against_one_limit() {
    let bench = Bench::new(&[("concurrencyLimit", "2")]).await;
    let (legacy, config) = (Legacy(&bench), RelayConfig::default());
    assert_eq!(legacy.acquire("theirs", NOW).await, 1);
    let ours = bench.admit(&config).await.unwrap();
    assert_eq!(bench.admit(&config).await.unwrap_err().body()["currentConcurrency"], 2);
    assert_eq!(legacy.acquire("more", NOW).await, 3, "they see ours");
    legacy.release("more", NOW).await;
    legacy.purge(NOW + 1000).await;
    assert_eq!(bench.leases().await.len(), 2);
    drop(ours);
    bench.settled().await;
    assert_eq!(bench.leases().await, ["theirs"], "only our own slot goes");
    legacy.release("theirs", NOW).await;
    assert_eq!(bench.run(&["EXISTS", "concurrency:k"]).await, Reply::Int(0));
}

#[tokio::test]
async fn a_crashed_legacy_process_blocks_no_longer_than_its_lease() {
    let bench = Bench::new(&[("concurrencyLimit", "1")]).await;
    Legacy(&bench).acquire("crashed", NOW).await;
    bench.clock.advance_ms(299_999);
    assert!(bench.admit(&RelayConfig::default()).await.is_err());
    bench.clock.advance_ms(1);
    assert!(bench.admit(&RelayConfig::default()).await.is_ok());
}

#[tokio::test]
async fn their_shutdown_takes_our_slots_and_we_do_not_take_them_back() {
    let bench = Bench::new(&[("concurrencyLimit", "1")]).await;
    let config = RelayConfig::default();
    let old = bench.admit(&config).await.unwrap();
    Legacy(&bench).shut_down().await;
    let new = bench.admit(&config).await.unwrap();
    bench.clock.advance_ms(30_000);
    bench.keys.keeper().renew().await;
    let member = new.slot.as_ref().unwrap().member();
    let renewed = bench.text(&["ZSCORE", "concurrency:k", member]).await;
    assert_eq!(renewed, Some((NOW + 330_000).to_string()));
    assert_eq!(
        bench.leases().await,
        [new.slot.as_ref().unwrap().member()],
        "a lost lease is not made again"
    );
    drop(old);
    bench.settled().await;
    assert_eq!(bench.leases().await.len(), 1);
}

#[tokio::test]
async fn no_request_is_lost_from_the_window() {
    let bench =
        Arc::new(Bench::new(&[("rateLimitWindow", "1"), ("rateLimitRequests", "1000")]).await);
    drop(bench.admit(&RelayConfig::default()).await.unwrap());
    let theirs = tokio::spawn({
        let bench = Arc::clone(&bench);
        async move {
            for _ in 0..100 {
                Legacy(&bench).count_request(NOW).await;
            }
        }
    });
    for _ in 0..100 {
        drop(bench.admit(&RelayConfig::default()).await.unwrap());
    }
    theirs.await.unwrap();
    assert_eq!(bench.text(&["GET", "rate_limit:requests:k"]).await.as_deref(), Some("201"));
}

#[tokio::test]
async fn activation_neither_reverts_their_edits_nor_happens_twice() {
    let fields =
        [("expirationMode", "activation"), ("isActivated", "false"), ("totalCostLimit", "5")];
    let bench = Bench::new(&fields).await;
    let legacy = Legacy(&bench);
    // An edit that lands between our read and our write stays.
    bench.run(&["HSET", "apikey:k", "totalCostLimit", "9"]).await;
    let key = bench.key().await;
    assert_eq!(key.record.total_cost_limit.to_string(), "9");
    assert_eq!(bench.text(&["HGET", "apikey:k", "totalCostLimit"]).await.as_deref(), Some("9"));
    let expires = key.record.expires_at.clone().unwrap();

    // Their write-back of a record read before our activation reverts it (their fault); the next use
    // activates anew, as it would there.
    let mut stale = legacy.read_record().await;
    stale.insert("isActivated".into(), "false".into());
    legacy.write_record(&stale, "x").await;
    bench.clock.advance_ms(1000);
    let again = bench.key().await;
    assert_ne!(again.record.expires_at.clone().unwrap(), expires);

    // They activate while we hold an older read: theirs stands.
    bench.run(&["HSET", "apikey:k", "expiresAt", "2031-01-01T00:00:00.000Z"]).await;
    bench.clock.advance_ms(1000);
    assert_eq!(bench.key().await.record.expires_at.as_deref(), Some("2031-01-01T00:00:00.000Z"));
}

#[tokio::test]
async fn a_key_deleted_or_disabled_there_stops_here_at_once() {
    let bench = Bench::new(&[]).await;
    let record = Legacy(&bench).read_record().await;
    bench.key().await;
    bench.run(&["HSET", "apikey:k", "isActive", "false", "isDeleted", "true"]).await;
    bench.clock.advance_ms(50);
    assert_eq!(bench.keys.lookup(Some(PLAIN)).await.unwrap_err().label(), "key_disabled");
    // A write-back of a request in flight there resurrects the key for both.
    Legacy(&bench).write_record(&record, "x").await;
    assert!(bench.keys.lookup(Some(PLAIN)).await.is_ok());
}
