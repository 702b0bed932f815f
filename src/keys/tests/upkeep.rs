use super::*;

#[tokio::test]
async fn expired_leases_and_foreign_keys_go_and_queues_stay() {
    let bench = Bench::new(&[]).await;
    bench
        .run(&["ZADD", "concurrency:a", &NOW.to_string(), "old", &(NOW + 1).to_string(), "live"])
        .await;
    bench.run(&["SET", "concurrency:b", "1"]).await;
    bench.run(&["SET", "concurrency:queue:a", "1"]).await;
    bench.run(&["HSET", "concurrency:queue:stats:a", "entered", "1"]).await;
    assert_eq!(bench.keys.purge_leases().await.unwrap(), 2);
    assert_eq!(bench.run(&["ZRANGE", "concurrency:a", "0", "-1"]).await.texts().unwrap(), ["live"]);
    let mut left = bench.run(&["KEYS", "concurrency:*"]).await.texts().unwrap();
    left.sort();
    assert_eq!(left, ["concurrency:a", "concurrency:queue:a", "concurrency:queue:stats:a"]);
}

#[tokio::test]
async fn keys_past_their_end_are_switched_off_and_leave_the_active_set() {
    let past = compat::clock::iso(NOW - 1);
    let bench =
        Bench::new(&[("expiresAt", &past), ("apiKey", "hash"), ("totalCostLimit", "5")]).await;
    bench.run(&["SADD", "apikey:set:active", "k", "other"]).await;
    bench.run(&["HSET", "apikey:other", "id", "other", "isActive", "true", "expiresAt", ""]).await;
    bench.run(&["SADD", "apikey:tags:all", "t"]).await;
    let gone = ["id", "gone", "isActive", "true", "isDeleted", "true", "expiresAt", &past];
    bench.run(&[&["HSET", "apikey:gone"], &gone[..]].concat()).await;
    assert_eq!(bench.keys.disable_expired().await.unwrap(), 1);
    let record = bench.run(&["HGETALL", "apikey:k"]).await.map().unwrap();
    assert_eq!(
        (record["isActive"].as_str(), record["updatedAt"].clone()),
        ("false", compat::clock::iso(NOW))
    );
    assert_eq!(record["totalCostLimit"], "5");
    assert_eq!(bench.text(&["HGET", "apikey:hash_map", "hash"]).await.as_deref(), Some("k"));
    assert_eq!(bench.run(&["SMEMBERS", "apikey:set:active"]).await.texts().unwrap(), ["other"]);
    assert_eq!(bench.keys.disable_expired().await.unwrap(), 0);
}
