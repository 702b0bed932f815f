//! What is loaded, when, and what reaches the real store.

use super::{
    super::{Facts, Hash, Layered, Loaded, MapBase, RedisBase, Value},
    *,
};
use crate::testing::{TestRedis, dump};

async fn seed(redis: &TestRedis) {
    let lines = [
        "HSET record name n balance 10 note old",
        "SET counter 41 EX 500",
        "SADD names b a",
        "ZADD index 1 one 2.5 two",
        "RPUSH recent x y z",
        "XADD events 5-1 data d",
        "SET other 1",
    ];
    run(&redis.store(), &lines).await;
}

fn watched(redis: &TestRedis) -> (RedisBase, Arc<Mutex<Vec<Cmd>>>) {
    let seen: Arc<Mutex<Vec<Cmd>>> = Arc::default();
    let store = Watched { inner: redis.store(), seen: Arc::clone(&seen) };
    (RedisBase::new(Arc::new(store)), seen)
}

#[tokio::test]
async fn only_reads_of_named_keys_reach_redis() {
    let redis = TestRedis::spawn();
    seed(&redis).await;
    let before = dump(&redis.store()).await;
    let (base, seen) = watched(&redis);
    let memory = over(base);
    let replies = run(
        &memory,
        &[
            "INCR counter",
            "TTL counter",
            "HINCRBY record balance 5",
            "HDEL record note",
            "SADD names c",
            "ZINCRBY index 1 one",
            "LPUSH recent w",
            "XADD events MAXLEN ~ 10 * data e",
            "DEL missing",
            "EVAL redis.call('SET',KEYS[1],ARGV[1]) 1 made v",
            "HGETALL record",
            "LRANGE recent 0 -1",
            "XLEN events",
        ],
    )
    .await;
    assert_eq!(replies[0], Reply::Int(42));
    assert_eq!(replies[1], Reply::Int(500));
    assert_eq!(replies[10], list(&["name", "n", "balance", "15"]));
    assert_eq!(replies[11], list(&["w", "x", "y", "z"]));
    assert_eq!(replies[12], Reply::Int(2));
    assert_eq!(dump(&redis.store()).await, before, "nothing was written");

    let seen = seen.lock().clone();
    let reads = ["TYPE", "PTTL", "GET", "HGETALL", "SMEMBERS", "ZRANGE", "LRANGE", "XINFO"];
    for cmd in &seen {
        assert!(reads.contains(&cmd.name()), "{cmd:?}");
        let Cmd::Words(words) = cmd else { panic!("a script was sent") };
        assert!(words.iter().all(|word| word != "other"), "not named by the run");
    }
    // Eight keys: type and lifetime each, and one read for each of the six that exist.
    assert_eq!(seen.len(), 8 * 2 + 6);
    run(&memory, &["GET counter", "HGET record name", "EXISTS missing"]).await;
    assert_eq!(memory.loaded().len(), 8);
}

#[tokio::test]
async fn keys_are_loaded_once() {
    let redis = TestRedis::spawn();
    seed(&redis).await;
    let (base, seen) = watched(&redis);
    let memory = over(base);
    run(&memory, &["GET counter", "GET counter"]).await;
    let asked = seen.lock().len();
    run(&redis.store(), &["SET counter 7"]).await;
    assert_eq!(run(&memory, &["GET counter"]).await, [data("41")], "as when the run first looked");
    assert_eq!(seen.lock().len(), asked);
}

#[tokio::test]
async fn a_script_that_asks_for_more_keys_is_run_again() {
    let redis = TestRedis::spawn();
    seed(&redis).await;
    run(&redis.store(), &["SET next counter", "SET n 5"]).await;
    let (base, seen) = watched(&redis);
    let memory = over(base);
    let script = "redis.call('INCR', 'n'); local next = redis.call('GET', KEYS[1]); \
        if not next then return 'lost' end; return redis.call('INCRBY', next, 2)";
    let eval = cmd(&["EVAL", script, "1", "next"]);
    let batch = [line("INCR n"), eval, line("GET n")].into_iter().collect();
    let replies = memory.run(batch).await.unwrap();
    assert_eq!(replies, [Reply::Int(6), Reply::Int(43), data("7")], "each took effect once");
    assert_eq!(memory.loaded(), ["counter", "n", "next"]);
    assert_eq!(seen.lock().len(), 3 * 3);
}

#[tokio::test]
async fn walks_see_the_base_and_what_was_written() {
    let redis = TestRedis::spawn();
    seed(&redis).await;
    let (base, seen) = watched(&redis);
    let memory = over(base);
    let replies = run(&memory, &["DEL names", "SET names2 x", "KEYS n*", "DBSIZE"]).await;
    assert_eq!(replies[2], list(&["names2"]));
    assert_eq!(replies[3], Reply::Int(7));
    let page = run(&memory, &["SCAN 0 MATCH * TYPE hash"]).await;
    assert_eq!(page, [Reply::Array(vec![data("0"), list(&["record"])])]);
    assert!(seen.lock().iter().all(|cmd| cmd.name() != "KEYS"));
}

#[tokio::test]
async fn layers_complete_each_other() {
    let redis = TestRedis::spawn();
    seed(&redis).await;
    let mut known = MapBase::default();
    let facts = Facts {
        fields: [("balance".into(), Some("99".into())), ("note".into(), None)].into(),
        ttl_ms: Some(Some(7000)),
        ..Facts::default()
    };
    known.insert("record", Loaded::Partial(facts));
    known.insert("counter", Loaded::Absent);
    let hash = Value::Hash(Hash::from_iter([("f".into(), "v".into())]));
    known.insert("whole", Loaded::Value { value: hash, ttl_ms: None });
    let (redis_base, seen) = watched(&redis);
    let memory = over(Layered::new(vec![Arc::new(known), Arc::new(redis_base)]));
    let lines = ["HGETALL record", "PTTL record", "GET counter", "HGET whole f", "GET other"];
    let replies = run(&memory, &lines).await;
    assert_eq!(replies[0], list(&["name", "n", "balance", "99"]));
    assert_eq!(replies[1..], [Reply::Int(7000), Reply::Nil, data("v"), data("1")]);
    let asked = |key: &str| {
        seen.lock().iter().any(|cmd| matches!(cmd, Cmd::Words(words) if words[1] == key))
    };
    assert!(!asked("counter") && !asked("whole"), "known already");
    assert!(asked("record") && asked("other"));
}

#[tokio::test]
async fn what_a_base_cannot_tell_is_an_error() {
    struct Blind;
    impl Base for Blind {
        fn load(&self, _: Vec<Bytes>) -> BoxFuture<'_, Result<Vec<Loaded>, StoreError>> {
            Box::pin(async { Err(StoreError::Timeout) })
        }
    }
    let memory = over(Blind);
    assert!(matches!(memory.run(line("GET a").into()).await, Err(StoreError::Timeout)));
    assert!(matches!(memory.run(line("KEYS *").into()).await, Err(StoreError::Shape(_))));
    assert!(memory.changes().keys.is_empty());
}

#[tokio::test]
async fn lifetimes_follow_the_clock() {
    let mut known = MapBase::default();
    let value = Value::String("v".into());
    known.insert("old", Loaded::Value { value, ttl_ms: Some(1000) });
    let clock = Clock::manual(NOW);
    let memory = Memory::new(Arc::new(known), clock.clone());
    clock.advance_ms(400);
    run(&memory, &["SET new x PX 1000", "SET gone x PX 10"]).await;
    assert_eq!(run(&memory, &["PTTL old", "PTTL new"]).await, [Reply::Int(600), Reply::Int(1000)]);
    clock.advance_ms(700);
    let replies = run(&memory, &["GET old", "PTTL new", "INCR old"]).await;
    assert_eq!(replies, [Reply::Nil, Reply::Int(300), Reply::Int(1)]);
    let changes = serde_json::json!({
        "new": {"type": "string", "is": "created", "value": {"=": "x"}, "ttl": 1000},
        "old": {"type": "string", "is": "created", "value": {"+": 1}},
    });
    assert_eq!(memory.changes().to_json(), changes);
}

/// A base that cannot be read.
struct Broken;

impl Base for Broken {
    fn load(&self, _: Vec<Bytes>) -> BoxFuture<'_, Result<Vec<Loaded>, StoreError>> {
        Box::pin(async { Err(StoreError::Timeout) })
    }

    fn scan(&self, _: Bytes) -> BoxFuture<'_, Result<super::super::Listed, StoreError>> {
        Box::pin(async { Err(StoreError::Timeout) })
    }
}

#[tokio::test]
async fn a_base_that_cannot_be_read_is_remembered() {
    let memory = over(Broken);
    run(&memory, &["PING"]).await;
    assert!(memory.failure().is_none());
    assert!(memory.run(line("GET a").into()).await.is_err());
    assert!(matches!(memory.failure(), Some(StoreError::Timeout)));
}
