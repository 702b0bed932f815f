use super::*;
use crate::{
    store::{RedisStore, Store},
    testing::TestRedis,
};

async fn number(store: &RedisStore, cmd: Cmd) -> i64 {
    slots(store.run(cmd.into()).await.unwrap().remove(0)).unwrap()
}

#[tokio::test]
async fn leases_are_taken_extended_and_given_back() {
    let redis = TestRedis::spawn();
    let store = redis.store();
    let key = api_key("k");
    let lease = Lease::API_KEY;
    assert_eq!(number(&store, acquire(&key, "a", 1_000_000, lease)).await, 1);
    assert_eq!(number(&store, acquire(&key, "b", 1_000_000, lease)).await, 2);
    assert_eq!(
        number(&store, acquire(&key, "a", 1_000_500, lease)).await,
        2,
        "the same member only extends"
    );
    assert_eq!(
        store.words(&["ZSCORE", &key, "a"]).await.unwrap().text().unwrap().unwrap(),
        "1300500"
    );
    let ttl = store.words(&["PTTL", &key]).await.unwrap().int().unwrap();
    assert!((329_000..=330_000).contains(&ttl), "{ttl}");

    // An expired lease no longer counts; its end is inclusive.
    assert_eq!(number(&store, count(&key, 1_300_000)).await, 1);
    assert_eq!(
        number(&store, refresh(&key, "b", 1_300_000, lease)).await,
        0,
        "a lost lease is not made again"
    );
    assert_eq!(number(&store, refresh(&key, "a", 1_300_000, lease)).await, 1);

    assert_eq!(number(&store, release(&key, "nobody", 1_300_000)).await, 1);
    assert_eq!(number(&store, release(&key, "a", 1_300_000)).await, 0);
    assert_eq!(store.words(&["EXISTS", &key]).await.unwrap(), Reply::Int(0));
}

#[test]
fn key_lifetimes() {
    assert_eq!(Lease::API_KEY.key_ttl_ms, 330_000);
    assert_eq!(Lease::CONSOLE_ACCOUNT.key_ttl_ms, 630_000);
    assert_eq!(Lease::seconds(10).key_ttl_ms, 60_000);
}
