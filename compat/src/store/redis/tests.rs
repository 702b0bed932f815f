use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::{
    store::Script,
    testing::{CuttingProxy, Fault, TestRedis},
};

static ECHO: Script = Script { name: "test.echo", source: "return {KEYS[1], ARGV[1]}" };
static COUNT: Script = Script { name: "test.count", source: "return redis.call('INCR', KEYS[1])" };

fn batch(lines: &[&[&str]]) -> Batch {
    lines
        .iter()
        .map(|words| {
            Cmd::Words(words.iter().map(|word| Bytes::copy_from_slice(word.as_bytes())).collect())
        })
        .collect()
}

#[tokio::test]
async fn a_refused_command_does_not_stop_its_neighbours() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    let lines: &[&[&str]] =
        &[&["SET", "a", "x"], &["HSET", "a", "f", "1"], &["GET", "a"], &["INCR", "n"]];
    for atomic in [false, true] {
        let mut work = batch(lines);
        work.atomic = atomic;
        let replies = store.run(work).await.unwrap();
        assert_eq!(replies[0], Reply::Data("OK".into()));
        assert!(
            matches!(&replies[1], Reply::Error(text) if text.starts_with("WRONGTYPE ")),
            "{:?}",
            replies[1]
        );
        assert_eq!(replies[2], Reply::Data("x".into()));
    }
    assert_eq!(store.words(&["GET", "n"]).await.unwrap(), Reply::Data("2".into()));
    assert_eq!(store.counters().round_trips, 3);
    assert_eq!(store.counters().commands, 9);
}

#[tokio::test]
async fn a_transaction_with_an_unknown_command_has_no_effect() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    let mut work = batch(&[&["SET", "a", "1"], &["NOSUCHCOMMAND"]]);
    work.atomic = true;
    assert!(matches!(store.run(work).await, Err(StoreError::Shape(_))));
    assert_eq!(store.words(&["EXISTS", "a"]).await.unwrap(), Reply::Int(0));
}

#[tokio::test]
async fn replies_keep_their_shapes() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    let replies = store
        .run(batch(&[
            &["HSET", "h", "a", "1", "b", ""],
            &["HGETALL", "h"],
            &["GET", "none"],
            &["HMGET", "h", "a", "zz"],
        ]))
        .await
        .unwrap();
    let map = replies[1].clone().map().unwrap();
    assert_eq!((map["a"].as_str(), map["b"].as_str()), ("1", ""));
    assert_eq!(replies[2], Reply::Nil);
    assert_eq!(replies[3], Reply::Array(vec![Reply::Data("1".into()), Reply::Nil]));
}

#[tokio::test]
async fn scripts_survive_a_flush_without_running_twice() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    let calls = |atomic| Batch {
        cmds: vec![
            Cmd::script(&COUNT, ["n"]),
            Cmd::new("INCR").arg("m"),
            Cmd::script(&ECHO, ["k"]).arg("v"),
        ],
        atomic,
        ..Batch::default()
    };
    for round in 1..=3_i64 {
        let replies = store.run(calls(false)).await.unwrap();
        assert_eq!(replies[0], Reply::Int(round));
        assert_eq!(replies[1], Reply::Int(round));
        assert_eq!(replies[2].clone().texts().unwrap(), ["k", "v"]);
        store.words(&["SCRIPT", "FLUSH"]).await.unwrap();
    }
    assert_eq!(store.counters().script_reloads, 4);
    let replies = store.run(calls(true)).await.unwrap();
    assert_eq!((&replies[0], &replies[1]), (&Reply::Int(4), &Reply::Int(4)));
}

#[tokio::test]
async fn an_outage_fails_fast_and_passes() {
    let mut redis = TestRedis::spawn();
    let store = redis.store();
    store.ping().await.unwrap();
    redis.stop();
    assert!(matches!(store.words(&["INCR", "n"]).await, Err(StoreError::Unreachable(_))));
    assert!(matches!(store.ping().await, Err(StoreError::Unreachable(_))));
    assert!(redis.start());
    // A read may be sent twice, so the first one after the restart already succeeds.
    store.ping().await.unwrap();
    assert_eq!(store.words(&["INCR", "n"]).await.unwrap(), Reply::Int(1));
}

#[tokio::test]
async fn a_restart_while_idle_does_not_fail_a_read() {
    let mut redis = TestRedis::spawn();
    let store = redis.store();
    store.ping().await.unwrap();
    assert!(redis.start());
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_silent_server_times_out_and_is_left() {
    let redis = TestRedis::spawn();
    let proxy = CuttingProxy::start(redis.addr()).await.unwrap();
    let config = RedisConfig {
        port: proxy.addr().port(),
        timeout: Duration::from_millis(250),
        ..RedisConfig::default()
    };
    let store = RedisStore::open(&config).unwrap();
    store.ping().await.unwrap();
    proxy.set(Fault::Stall);
    for _ in 0..2 {
        assert!(matches!(store.words(&["INCR", "n"]).await, Err(StoreError::Timeout)));
    }
    proxy.set(Fault::None);
    store.ping().await.unwrap();
    assert_eq!(proxy.accepted(), 2, "the silent connection was replaced");
}

#[tokio::test]
async fn a_write_whose_reply_was_lost_is_not_repeated() {
    let redis = TestRedis::spawn();
    let proxy = CuttingProxy::start(redis.addr()).await.unwrap();
    let config = RedisConfig { port: proxy.addr().port(), ..RedisConfig::default() };
    let store = RedisStore::open(&config).unwrap();
    store.ping().await.unwrap();
    proxy.set(Fault::LoseReplies);
    assert!(store.words(&["INCR", "n"]).await.is_err());
    proxy.set(Fault::None);
    assert_eq!(redis.store().words(&["GET", "n"]).await.unwrap(), Reply::Data("1".into()));
}

#[tokio::test]
async fn a_wrong_password_is_not_remembered() {
    let redis = TestRedis::spawn();
    let admin = redis.store();
    let config = RedisConfig { password: "hunter2".into(), db: 3, ..redis.config() };
    assert!(!format!("{config:?}").contains("hunter2"));
    admin.words(&["CONFIG", "SET", "requirepass", "other"]).await.unwrap();
    let store = RedisStore::open(&config).unwrap();
    assert!(store.ping().await.is_err());
    admin.words(&["CONFIG", "SET", "requirepass", "hunter2"]).await.unwrap();
    store.ping().await.unwrap();
    store.words(&["SET", "here", "1"]).await.unwrap();
    assert_eq!(
        admin.words(&["EXISTS", "here"]).await.unwrap(),
        Reply::Int(0),
        "it went to database 3"
    );
}
