use compat::crypto::key_hash;

use super::*;

async fn fault(bench: &Bench) -> String {
    let rejection = bench.keys.lookup(Some(PLAIN)).await.unwrap_err();
    assert_eq!(rejection.status(), 401);
    let body = rejection.body();
    assert_eq!(body["error"], "Invalid API key");
    body["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn keys_without_a_record_are_refused_by_form_first() {
    let bench = Bench::new(&[]).await;
    for (presented, label) in [
        (None, "missing_key"),
        (Some("cr_short"), "key_length"),
        (Some("sk_0000000000000000"), "key_format"),
        (Some("cr_1111111111111111"), "key_not_found"),
    ] {
        assert_eq!(bench.keys.lookup(presented).await.unwrap_err().label(), label);
    }
    let long = format!("cr_{}", "x".repeat(510));
    assert_eq!(bench.keys.lookup(Some(&long)).await.unwrap_err().label(), "key_length");
    let found = bench.key().await;
    assert_eq!((found.id.as_str(), found.record.name.as_str()), ("k", "key"));
}

#[tokio::test]
async fn one_round_trip_and_a_short_memory() {
    let bench = Bench::new(&[]).await;
    let before = bench.store.counters().round_trips;
    let reads =
        futures_util::future::join_all((0..20).map(|_| bench.keys.lookup(Some(PLAIN)))).await;
    assert!(reads.iter().all(Result::is_ok));
    assert_eq!(bench.store.counters().round_trips - before, 1, "requests at once share a read");
    bench.run(&["HSET", "apikey:k", "isActive", "false"]).await;
    bench.clock.advance_ms(49);
    assert!(bench.keys.lookup(Some(PLAIN)).await.is_ok());
    bench.clock.advance_ms(1);
    assert_eq!(fault(&bench).await, "API key is disabled");
    bench.run(&["HSET", "apikey:k", "isActive", "true"]).await;
    assert!(bench.keys.lookup(Some(PLAIN)).await.is_ok(), "a refusal is never remembered");
    bench.run(&["HSET", "apikey:k", "name", "new"]).await;
    assert_eq!(bench.key().await.record.name, "key");
    bench.keys.forget("k");
    assert_eq!(bench.key().await.record.name, "new");
}

#[tokio::test]
async fn faults_come_in_the_legacy_order() {
    let bench = Bench::new(&[
        ("isActive", "false"),
        ("expiresAt", "2020-01-01T00:00:00.000Z"),
        ("userId", "u"),
    ])
    .await;
    assert_eq!(fault(&bench).await, "API key is disabled");
    bench.run(&["HSET", "apikey:k", "isActive", "true"]).await;
    assert_eq!(fault(&bench).await, "API key has expired");
    bench.run(&["HSET", "apikey:k", "expiresAt", ""]).await;
    assert_eq!(fault(&bench).await, "User account is disabled");
    bench.run(&["SET", "user:u", r#"{"isActive":false}"#]).await;
    assert_eq!(fault(&bench).await, "User account is disabled");
    bench.run(&["SET", "user:u", "{"]).await;
    assert_eq!(fault(&bench).await, "Unable to validate user status");
    bench.run(&["SET", "user:u", r#"{"isActive":true}"#]).await;
    assert!(bench.keys.lookup(Some(PLAIN)).await.is_ok());
    bench.run(&["DEL", "apikey:k"]).await;
    bench.run(&["SET", "apikey:k", "text"]).await;
    bench.clock.advance_ms(50);
    assert_eq!(fault(&bench).await, "Internal validation error");
}

#[tokio::test]
async fn a_remembered_key_still_expires_on_time() {
    let expires = compat::clock::iso(NOW + 10);
    let bench = Bench::new(&[("expiresAt", &expires)]).await;
    assert!(bench.keys.lookup(Some(PLAIN)).await.is_ok());
    bench.clock.advance_ms(10);
    assert!(bench.keys.lookup(Some(PLAIN)).await.is_ok(), "the last millisecond counts");
    bench.clock.advance_ms(1);
    assert_eq!(fault(&bench).await, "API key has expired");
}

#[tokio::test]
async fn the_hash_map_is_mended() {
    let bench = Bench::new(&[]).await;
    let hash = key_hash(PLAIN, SECRET);
    bench.run(&["HDEL", "apikey:hash_map", &hash]).await;
    bench.run(&["HSET", &format!("apikey_hash:{hash}"), "id", "k", "name", "old"]).await;
    assert_eq!(bench.key().await.record.id, "k");
    until(async || bench.text(&["HGET", "apikey:hash_map", &hash]).await.as_deref() == Some("k"))
        .await;

    bench.run(&["DEL", "apikey:k"]).await;
    bench.clock.advance_ms(50);
    assert_eq!(fault(&bench).await, "API key not found");
    until(async || bench.text(&["HGET", "apikey:hash_map", &hash]).await.is_none()).await;
}

#[tokio::test]
async fn first_use_activates_once_and_touches_nothing_else() {
    let bench = Bench::new(&[
        ("expirationMode", "activation"),
        ("isActivated", "false"),
        ("activationDays", "2"),
        ("activationUnit", "hours"),
        ("userId", "nobody"),
    ])
    .await;
    assert_eq!(
        fault(&bench).await,
        "User account is disabled",
        "activation comes before the refusal"
    );
    let record = bench.run(&["HGETALL", "apikey:k"]).await.map().unwrap();
    assert_eq!(record["isActivated"], "true");
    assert_eq!(record["activatedAt"], compat::clock::iso(NOW));
    assert_eq!(record["lastUsedAt"], record["activatedAt"]);
    assert_eq!(record["expiresAt"], compat::clock::iso(NOW + 2 * 3_600_000));
    assert_eq!(bench.run(&["TTL", "apikey:k"]).await, Reply::Int(365 * 86_400));
    bench.run(&["HSET", "apikey:k", "userId", ""]).await;
    bench.clock.advance_ms(1000);
    bench.key().await;
    assert_eq!(
        bench.text(&["HGET", "apikey:k", "activatedAt"]).await,
        Some(compat::clock::iso(NOW))
    );
}
