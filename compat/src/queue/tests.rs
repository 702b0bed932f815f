use super::*;
use crate::{store::Store, testing::TestRedis};

#[tokio::test]
async fn the_counter_never_goes_below_zero() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    let run = async |cmd: Cmd| store.run(cmd.into()).await.unwrap().remove(0).int().unwrap();
    assert_eq!(run(enter("k", 10_001.0)).await, 1);
    assert_eq!(store.words(&["TTL", "concurrency:queue:k"]).await.unwrap(), Reply::Int(41));
    assert_eq!(run(enter("k", 10_000.0)).await, 2);
    assert_eq!(run(leave("k")).await, 1);
    assert_eq!(run(leave("k")).await, 0);
    assert_eq!(run(leave("k")).await, 0);
    assert_eq!(store.words(&["EXISTS", "concurrency:queue:k"]).await.unwrap(), Reply::Int(0));
}

#[tokio::test]
async fn successes_are_sampled_and_counted() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    for waited in 0..3 {
        store.run(note_success("k", waited)).await.unwrap();
    }
    store.run(note("k", QueueEvent::Timeout)).await.unwrap();
    let stats =
        store.words(&["HGETALL", "concurrency:queue:stats:k"]).await.unwrap().map().unwrap();
    assert_eq!((stats["success"].as_str(), stats["timeout"].as_str()), ("3", "1"));
    let found = health(store.run(read_health("k")).await.unwrap()).unwrap();
    assert_eq!(found, QueueHealth { waiting: 0, waits_ms: vec![2.0, 1.0, 0.0] });
    for (key, ttl) in [
        ("concurrency:queue:stats:k", 604_800),
        ("concurrency:queue:wait_times:k", 86_400),
        ("concurrency:queue:wait_times:global", 86_400),
    ] {
        assert_eq!(store.words(&["TTL", key]).await.unwrap(), Reply::Int(ttl), "{key}");
    }
}

#[test]
fn nearest_rank() {
    let waits: Vec<f64> = (1..=10).rev().map(f64::from).collect();
    assert_eq!(p90(&waits), Some(9.0));
    assert_eq!(p90(&waits[..9]), None);
    let eleven: Vec<f64> = (1..=11).map(f64::from).collect();
    assert_eq!(p90(&eleven), Some(10.0));
}
