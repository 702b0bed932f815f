//! The project's own scripts have the same effect as on a real server.

use std::time::Duration;

use tokio::{sync::oneshot, time::timeout};

use super::*;
use crate::{
    lua,
    store::Script,
    testing::{TestRedis, dump},
    usage::{Ledger, LedgerConfig, UsageSettings, tests::sample},
};

async fn both(redis: &TestRedis, memory: &Memory, batch: Batch) -> Vec<Reply> {
    let real = redis.store().run(batch.clone()).await.unwrap();
    let ours = memory.run(batch).await.unwrap();
    assert_eq!(ours, real);
    ours
}

fn system() -> Memory {
    Memory::new(Arc::new(EmptyBase), Clock::system())
}

fn call(script: &'static Script, keys: &[&str], args: &[&str]) -> Batch {
    Cmd::script(script, keys.iter().copied()).args(args.iter().copied()).into()
}

#[tokio::test]
async fn admission() {
    let (redis, memory) = (TestRedis::spawn(), system());
    let keys = ["leases", "window", "requests", "tokens", "cost", "daily", "total"];
    let (start, end) = ("1772366400000", "1772366700000");
    both(&redis, &memory, [line("SET daily 3.25"), line("SET other x")].into_iter().collect())
        .await;
    for (member, limit, window, requests, tokens, cost) in [
        ("a", "2", "60000", "2", "0", "0"),
        ("b", "2", "60000", "2", "0", "0"),
        ("c", "2", "60000", "2", "0", "0"),
        ("d", "9", "60000", "2", "0", "0"),
        ("e", "9", "0", "0", "0", "0"),
        ("f", "9", "60000", "0", "1", "1"),
        ("g", "0", "60000", "0", "0", "0.5"),
        ("h", "0", "0", "0", "0", "0"),
    ] {
        let args = [start, member, limit, end, "9999999", window, requests, tokens, cost];
        both(&redis, &memory, call(&lua::ADMIT, &keys, &args)).await;
    }
    assert_eq!(dump(&memory).await, dump(&redis.store()).await);
}

#[tokio::test]
async fn leases_queues_and_locks() {
    let (redis, memory) = (TestRedis::spawn(), system());
    let calls = [
        call(&lua::CONCURRENCY_ACQUIRE, &["l"], &["a", "2000", "1000", "600000"]),
        call(&lua::CONCURRENCY_ACQUIRE, &["l"], &["b", "1500", "1000", "600000"]),
        call(&lua::CONCURRENCY_REFRESH, &["l"], &["b", "9000", "1800", "600000"]),
        call(&lua::CONCURRENCY_REFRESH, &["l"], &["nobody", "9000", "1800", "600000"]),
        call(&lua::CONCURRENCY_COUNT, &["l"], &["2500"]),
        call(&lua::CONCURRENCY_RELEASE, &["l"], &["b", "2500"]),
        call(&lua::QUEUE_ENTER, &["q"], &["300"]),
        call(&lua::QUEUE_ENTER, &["q"], &["300"]),
        call(&lua::QUEUE_LEAVE, &["q"], &[]),
        call(&lua::QUEUE_LEAVE, &["q"], &[]),
        call(&lua::USER_MESSAGE_ACQUIRE, &["lock", "last"], &["r1", "100000", "200"]),
        call(&lua::USER_MESSAGE_ACQUIRE, &["lock", "last"], &["r2", "100000", "200"]),
        call(&lua::USER_MESSAGE_RELEASE, &["lock", "none"], &["r2"]),
        call(&lua::COMPARE_AND_DELETE, &["lock"], &["r2"]),
        call(&lua::COMPARE_AND_DELETE, &["lock"], &["r1"]),
        line("HSET map hash k1").into(),
        line("HSET apikey:k1 id k1 userId u1 isActive true expiresAt then").into(),
        line("SET user:u1 {}").into(),
        call(&lua::API_KEY_LOOKUP, &["map", "apikey_hash:hash"], &["hash"]),
        call(&lua::API_KEY_LOOKUP, &["map", "apikey_hash:no"], &["no"]),
        call(&lua::API_KEY_ACTIVATE, &["apikey:k1"], &["now", "later", "1000"]),
        call(&lua::API_KEY_ACTIVATE, &["apikey:k1"], &["now", "later", "1000"]),
        call(&lua::API_KEY_EXPIRE, &["apikey:k1"], &["then", "now", "1000"]),
        call(&lua::API_KEY_EXPIRE, &["apikey:k1"], &["later", "now", "1000"]),
    ];
    for batch in calls {
        both(&redis, &memory, batch).await;
    }
    assert_eq!(dump(&memory).await, dump(&redis.store()).await);
}

#[tokio::test]
async fn the_ledger_books_alike() {
    let (redis, memory) = (TestRedis::spawn(), Arc::new(system()));
    let stores: [Arc<dyn Store>; 2] = [Arc::new(redis.store()), Arc::clone(&memory) as _];
    for store in stores {
        run(
            &*store,
            &["HSET apikey:key-1 id key-1 lastUsedAt 2020", "HSET usage:global:total requests 5"],
        )
        .await;
        let dir = std::env::temp_dir().join(format!("crs-memory-{}", uuid::Uuid::new_v4()));
        let ledger =
            Ledger::open(LedgerConfig::new(&dir), UsageSettings::default(), store).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let work = async {
            let tickets: Vec<_> = (0..5).map(|n| ledger.append(sample(n))).collect();
            for ticket in tickets {
                ledger.settled(ticket).await;
            }
            drop(stop);
        };
        let flusher = ledger.run(async {
            let _ = stopped.await;
        });
        timeout(Duration::from_secs(30), async { tokio::join!(work, flusher) }).await.unwrap();
        let _ = std::fs::remove_dir_all(dir);
    }
    let (mut ours, mut real) = (dump(&*memory).await, dump(&redis.store()).await);
    assert_eq!(ours["usage:global:total"]["value"]["requests"], "10");
    // Events have random ids.
    for state in [&mut ours, &mut real] {
        let events = state["billing:events"]["value"].take();
        assert_eq!(events.as_array().unwrap().len(), 5);
    }
    assert_eq!(ours, real);
    assert!(memory.unsupported().is_empty());
    let keys = ours.as_object().unwrap().keys();
    let changed = memory.changes().keys;
    assert!(keys.filter(|key| !changed.contains_key(*key)).count() == 0, "every key was changed");
}

#[tokio::test]
async fn a_script_cannot_hang_or_grow() {
    let memory = empty();
    let scripts = [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6 + i) end",
        "local function f() return f() end return f()",
    ];
    for script in scripts {
        let replies = memory.run(cmd(&["EVAL", script, "0"]).into()).await.unwrap();
        assert!(matches!(&replies[0], Reply::Error(_)), "{script}: {replies:?}");
        let replies = memory.run(cmd(&["EVAL", "return 1", "0"]).into()).await.unwrap();
        assert_eq!(replies, [Reply::Int(1)], "the next one runs");
    }
}
