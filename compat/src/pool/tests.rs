use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;

use super::*;
use crate::{
    store::{Batch, Cmd, Reply},
    testing::TestRedis,
};

/// Counts batches on their way to Redis.
struct Counting {
    inner: Arc<dyn Store>,
    batches: AtomicUsize,
}

impl Store for Counting {
    fn run(&self, batch: Batch) -> BoxFuture<'_, Result<Vec<Reply>, StoreError>> {
        self.batches.fetch_add(1, Ordering::SeqCst);
        self.inner.run(batch)
    }
}

struct Bench {
    _redis: TestRedis,
    store: Arc<Counting>,
    pool: AccountPool,
}

fn bench() -> Bench {
    let redis = TestRedis::spawn();
    let store = Arc::new(Counting { inner: Arc::new(redis.store()), batches: AtomicUsize::new(0) });
    let pool = AccountPool::new(
        Family::Claude,
        store.clone(),
        Clock::manual(1_784_822_400_000),
        LocalCalendar::new(8),
        Vault::new("k"),
    );
    Bench { _redis: redis, store, pool }
}

impl Bench {
    async fn redis(&self, line: &str) -> Reply {
        let mut words = line.split(' ').map(|word| bytes::Bytes::copy_from_slice(word.as_bytes()));
        let cmd = Cmd::Words(words.by_ref().collect());
        self.store.inner.run(cmd.into()).await.unwrap().remove(0)
    }

    fn trips(&self) -> usize {
        self.store.batches.swap(0, Ordering::SeqCst)
    }
}

const LISTS: [Need; 3] =
    [Need::List(Kind::Official), Need::List(Kind::Console), Need::List(Kind::Bedrock)];

#[tokio::test]
async fn reads_accounts_in_index_order_and_in_one_trip_once_known() {
    let bench = bench();
    for id in ["b", "a", "c"] {
        bench.redis(&format!("SADD claude:account:index {id}")).await;
        bench.redis(&format!("HSET claude:account:{id} id {id} name n-{id} priority 7")).await;
    }
    bench.redis("SADD claude_console_account:index k").await;
    bench.redis("HSET claude_console_account:k id k maxConcurrentTasks 2 dailyQuota 1").await;
    bench.redis("ZADD concurrency:console_account:k 1784822400000 old 1784822400001 live").await;
    bench.redis("SETEX temp_unavailable:claude-official:a 60 {}").await;
    bench.redis("SET bedrock_account:index:empty 1").await;
    bench.redis("SADD account_usage:model:daily:index:2026-07-24 k:m:1 other:m").await;
    bench
        .redis("HSET account_usage:model:daily:k:m:1:2026-07-24 inputTokens 5 outputTokens 6")
        .await;
    let first = bench.pool.snapshot(&LISTS).await.unwrap();
    assert!(bench.trips() > 1, "the first read has to discover");
    let ids: Vec<String> =
        first.list(Kind::Official).iter().map(|entry| entry.id.to_string()).collect();
    let Reply::Array(members) = bench.redis("SMEMBERS claude:account:index").await else {
        panic!()
    };
    let members: Vec<String> = members.into_iter().map(|id| id.text().unwrap().unwrap()).collect();
    assert_eq!(ids, members);
    assert_eq!(first.get(Kind::Official, "a").unwrap().priority(), 7);
    assert!(first.get(Kind::Official, "a").unwrap().cooling());
    assert!(!first.get(Kind::Official, "b").unwrap().cooling());
    assert_eq!(first.get(Kind::Console, "k").unwrap().leases, Leases { live: 1, stale: true });
    assert_eq!(first.usage("k").len(), 1);
    assert_eq!(first.usage("k")[0].output, 6);
    assert!(first.list(Kind::Bedrock).is_empty());
    bench.pool.snapshot(&LISTS).await.unwrap();
    assert_eq!(bench.trips(), 1);
}

#[tokio::test]
async fn an_empty_index_is_rebuilt_from_keys_unless_marked() {
    let bench = bench();
    bench.redis("HSET claude_console_account:k id k").await;
    let snapshot = bench.pool.snapshot(&LISTS).await.unwrap();
    assert_eq!(snapshot.list(Kind::Console).len(), 1);
    assert_eq!(
        snapshot.upkeep(Kind::Console),
        [Cmd::new("SADD").arg("claude_console_account:index").arg("k")]
    );
    assert_eq!(
        snapshot.upkeep(Kind::Official),
        [Cmd::new("SETEX").arg("claude:account:index:empty").arg(3600_i64).arg("1")]
    );
    bench.redis("SET claude_console_account:index:empty 1").await;
    bench.redis("SADD claude_console_account:index k").await;
    bench.pool.expire();
    let hidden = bench.pool.snapshot(&LISTS).await.unwrap();
    assert!(hidden.list(Kind::Console).is_empty(), "the mark beats the set");
    assert!(hidden.upkeep(Kind::Console).is_empty());
}

#[tokio::test]
async fn keys_are_looked_through_only_for_a_request_that_needs_the_list() {
    let bench = bench();
    bench.pool.snapshot(&LISTS).await.unwrap();
    // Another database, with nothing marked: at once, the next request repairs it.
    bench.redis("HSET claude:account:a id a").await;
    let prefetched = bench.pool.snapshot(&[]).await.unwrap();
    assert!(!prefetched.covers(&LISTS), "nobody has looked yet");
    assert!(prefetched.upkeep(Kind::Official).is_empty());
    let asked = bench.pool.snapshot(&LISTS).await.unwrap();
    assert!(asked.covers(&LISTS));
    assert_eq!(
        asked.upkeep(Kind::Official),
        [Cmd::new("SADD").arg("claude:account:index").arg("a")]
    );
    assert_eq!(asked.upkeep(Kind::Bedrock).len(), 1);
}

#[tokio::test]
async fn single_accounts_and_groups_are_found_without_an_index() {
    let bench = bench();
    bench.redis("HSET claude:account:a id a").await;
    bench.redis("HSET claude_console_account:k id k").await;
    bench.redis("HSET account_group:g id g name Team platform claude").await;
    bench.redis("SADD account_group_members:g a k gone").await;
    let needs = [Need::Group("g".into()), Need::Account(Kind::Official, "nobody".into())];
    let snapshot = bench.pool.snapshot(&needs).await.unwrap();
    let group = snapshot.group("g").unwrap();
    assert_eq!((group.name.as_str(), group.members.len()), ("Team", 3));
    assert!(snapshot.get(Kind::Official, "a").is_some());
    assert!(snapshot.get(Kind::Console, "k").is_some());
    assert!(snapshot.get(Kind::Official, "nobody").is_none());
    assert!(snapshot.covers(&needs));
    assert!(!snapshot.covers(&LISTS));
    bench.trips();
    bench.pool.snapshot(&needs).await.unwrap();
    assert_eq!(bench.trips(), 1);
}

#[tokio::test]
async fn slow_traffic_always_reads_anew_and_bursts_share() {
    let bench = bench();
    bench.redis("SADD claude:account:index a").await;
    bench.redis("HSET claude:account:a id a status active").await;
    bench.pool.snapshot(&LISTS).await.unwrap();
    bench.redis("HSET claude:account:a status error").await;
    let next = bench.pool.snapshot(&LISTS).await.unwrap();
    assert_eq!(next.get(Kind::Official, "a").unwrap().status(), "error");
    bench.trips();
    let needs = LISTS;
    let many = (0..500).map(|_| bench.pool.snapshot(&needs));
    for result in futures_util::future::join_all(many).await {
        result.unwrap();
    }
    assert!(bench.trips() < 60, "a burst shares its reads");
}

#[tokio::test]
async fn own_writes_show_at_once_and_survive_a_read_in_flight() {
    let bench = bench();
    bench.redis("SADD claude:account:index a").await;
    bench.redis("HSET claude:account:a id a status active stale x").await;
    let snapshot = bench.pool.snapshot(&LISTS).await.unwrap();
    let id = Arc::<str>::from("a");
    let patch = Patch::new().set("status", "error").del(["stale"]);
    bench.pool.apply(Kind::Official, &id, &patch);
    let entry = snapshot.get(Kind::Official, "a").unwrap();
    assert_eq!((entry.status(), entry.get("stale")), ("error", ""));
    let key = Kind::Official.record_key("a");
    let reply = bench.store.inner.run(patch.cmd(&key).into()).await.unwrap().remove(0);
    assert_eq!(reply, Reply::Int(1));
    let fields = bench.redis("HGETALL claude:account:a").await.map().unwrap();
    assert_eq!(fields.get("status").map(String::as_str), Some("error"));
    assert!(!fields.contains_key("stale"));
    let guarded = Patch::new().expect("status", "active").set("status", "blocked");
    let reply = bench.store.inner.run(guarded.cmd(&key).into()).await.unwrap().remove(0);
    assert_eq!(reply, Reply::Int(-1), "another writer was here");
    bench.redis("DEL claude:account:a").await;
    let reply = bench.store.inner.run(patch.cmd(&key).into()).await.unwrap().remove(0);
    assert_eq!(reply, Reply::Int(0), "a deleted record stays deleted");
    assert_eq!(bench.redis("EXISTS claude:account:a").await, Reply::Int(0));
}

#[tokio::test]
async fn an_outage_is_bridged_with_the_last_snapshot() {
    let mut bench = bench();
    bench.redis("SADD claude:account:index a").await;
    bench.redis("HSET claude:account:a id a").await;
    bench.pool.snapshot(&LISTS).await.unwrap();
    bench._redis.stop();
    let old = bench.pool.snapshot(&LISTS).await.unwrap();
    assert_eq!(old.list(Kind::Official).len(), 1);
    assert!(bench.pool.snapshot(&[Need::Group("g".into())]).await.is_err());
}

#[tokio::test]
async fn a_narrow_read_does_not_take_from_an_outage_what_was_known() {
    let mut bench = bench();
    bench.redis("SADD claude:account:index a").await;
    bench.redis("HSET claude:account:a id a").await;
    // The lists without accounts were looked for; nobody has marked them as empty yet.
    bench.pool.snapshot(&LISTS).await.unwrap();
    let narrow = bench.pool.snapshot(&LISTS[..1]).await.unwrap();
    assert!(!narrow.covers(&LISTS));
    let none = Patch::new().set("schedulable", "false");
    bench.pool.apply(Kind::Official, &"a".into(), &none);
    bench._redis.stop();
    let old = bench.pool.snapshot(&LISTS).await.unwrap();
    let official = old.list(Kind::Official);
    assert_eq!(official.len(), 1);
    assert_eq!(official[0].get("schedulable"), "false", "own writes are kept in it, too");
}

/// Takes its time and then answers nothing.
struct Silent(AtomicUsize);

impl Store for Silent {
    fn run(&self, _: Batch) -> BoxFuture<'_, Result<Vec<Reply>, StoreError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Err(StoreError::Timeout)
        })
    }
}

#[tokio::test]
async fn requests_share_the_wait_for_a_silent_redis() {
    let store = Arc::new(Silent(AtomicUsize::new(0)));
    let (clock, calendar) = (Clock::manual(1_784_822_400_000), LocalCalendar::new(8));
    let pool = AccountPool::new(Family::Claude, store.clone(), clock, calendar, Vault::new("k"));
    let asked = (0..20).map(|_| pool.snapshot(&LISTS));
    let answers = futures_util::future::join_all(asked).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Timeout))));
    // The first one's read began before the others had arrived; the second speaks for all.
    let reads = store.0.load(Ordering::SeqCst);
    assert!(reads <= 2, "{reads} reads");
    // Who comes later asks anew.
    assert!(pool.snapshot(&LISTS).await.is_err());
    assert_eq!(store.0.load(Ordering::SeqCst), reads + 1);
}
