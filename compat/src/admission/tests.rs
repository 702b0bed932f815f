use super::*;
use crate::{
    store::{RedisStore, Store},
    testing::TestRedis,
};

const NOW: i64 = 1_700_000_000_000;
const WINDOW: WindowLimits = WindowLimits { window_ms: 60_000, requests: 2, tokens: 0, cost: 0.0 };

fn ask<'a>(
    member: &'a str,
    limit: i64,
    window: Option<WindowLimits>,
    counters: &'a [String],
) -> Admission<'a> {
    Admission {
        key_id: "k",
        member,
        now_ms: NOW,
        concurrency_limit: limit,
        lease: Lease::API_KEY,
        window,
        counters,
    }
}

async fn run(store: &RedisStore, ask: &Admission<'_>) -> Admitted {
    let reply = store.run(ask.command().into()).await.unwrap().remove(0);
    ask.read(reply).unwrap()
}

async fn text(store: &RedisStore, key: &str) -> Option<String> {
    store.words(&["GET", key]).await.unwrap().text().unwrap()
}

#[tokio::test]
async fn slots_are_bounded_and_a_refusal_leaves_the_window_alone() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    let first = run(&store, &ask("a", 1, Some(WINDOW), &[])).await;
    assert_eq!((first.verdict, first.slots), (Verdict::Admitted, 1));
    let refused = run(&store, &ask("b", 1, Some(WINDOW), &[])).await;
    assert_eq!((refused.verdict, refused.slots, refused.window), (Verdict::Concurrency, 2, None));
    assert_eq!(text(&store, "rate_limit:requests:k").await.as_deref(), Some("1"));
    assert_eq!(
        store.words(&["ZRANGE", "concurrency:k", "0", "-1"]).await.unwrap().texts().unwrap(),
        ["a"]
    );
}

#[tokio::test]
async fn a_window_opens_fills_and_opens_again() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    let first = run(&store, &ask("a", 0, Some(WINDOW), &[])).await;
    assert_eq!(
        first.window.unwrap().requests.as_deref(),
        Some("0"),
        "as it was before this request"
    );
    for key in rate_window::keys("k") {
        let ttl = store.words(&["PTTL", &key]).await.unwrap().int().unwrap();
        assert!((1..=60_000).contains(&ttl), "{key} {ttl}");
    }
    assert_eq!(run(&store, &ask("b", 0, Some(WINDOW), &[])).await.verdict, Verdict::Admitted);
    let full = run(&store, &ask("c", 3, Some(WINDOW), &[])).await;
    assert_eq!(full.verdict, Verdict::Requests);
    assert_eq!(full.window.unwrap().requests.as_deref(), Some("2"));
    assert_eq!(
        store.words(&["EXISTS", "concurrency:k"]).await.unwrap(),
        Reply::Int(0),
        "no slot is left behind"
    );

    let later = Admission { now_ms: NOW + 60_000, ..ask("d", 0, Some(WINDOW), &[]) };
    let opened = run(&store, &later).await;
    assert_eq!(opened.verdict, Verdict::Admitted);
    assert_eq!(opened.window.unwrap().start, Some((NOW + 60_000).to_string()));
    assert_eq!(text(&store, "rate_limit:requests:k").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_token_limit_switches_the_cost_limit_off() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    let limits = WindowLimits { requests: 0, tokens: 10, cost: 0.5, ..WINDOW };
    assert_eq!(run(&store, &ask("a", 0, Some(limits), &[])).await.verdict, Verdict::Admitted);
    store.words(&["INCRBYFLOAT", "rate_limit:cost:k", "0.6"]).await.unwrap();
    assert_eq!(run(&store, &ask("b", 0, Some(limits), &[])).await.verdict, Verdict::Admitted);
    let by_cost = WindowLimits { tokens: 0, ..limits };
    let refused = run(&store, &ask("c", 0, Some(by_cost), &[])).await;
    assert_eq!(refused.verdict, Verdict::Cost);
    assert_eq!(refused.window.unwrap().cost.as_deref(), Some("0.6"));
    store.words(&["INCRBY", "rate_limit:tokens:k", "10"]).await.unwrap();
    assert_eq!(run(&store, &ask("d", 0, Some(limits), &[])).await.verdict, Verdict::Tokens);
}

#[tokio::test]
async fn counters_come_along() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    store.words(&["SET", "usage:cost:total:k", "1.25"]).await.unwrap();
    let counters = ["usage:cost:daily:k:2023-11-15".to_owned(), "usage:cost:total:k".to_owned()];
    for limit in [0, 1] {
        let admitted = run(&store, &ask("a", limit, None, &counters)).await;
        assert_eq!(admitted.counters, [None, Some("1.25".to_owned())]);
        assert_eq!(admitted.window, None);
    }
}
