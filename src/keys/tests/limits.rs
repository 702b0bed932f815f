use super::*;

#[tokio::test]
async fn without_limits_redis_is_not_asked() {
    let bench = Bench::new(&[("rateLimitWindow", "60"), ("concurrencyLimit", "-1")]).await;
    let key = bench.key().await;
    let before = bench.store.counters();
    let (config, gone) = (RelayConfig::default(), Gone::new());
    let ask = Ask { token_count: false, model: "", config: &config, gone: &gone };
    let admitted = bench.keys.admit_limits(&key, ask).await.unwrap();
    assert!(admitted.slot.is_none() && admitted.window.is_none() && admitted.steps.is_empty());
    assert_eq!(bench.store.counters(), before);
}

#[tokio::test]
async fn a_slot_is_taken_in_one_trip_and_given_back_on_drop() {
    let bench = Bench::new(&[("concurrencyLimit", "1"), ("dailyCostLimit", "5")]).await;
    bench.key().await;
    let before = bench.store.counters().round_trips;
    let config = RelayConfig::default();
    let admitted = bench.admit(&config).await.unwrap();
    assert_eq!(bench.store.counters().round_trips - before, 1);
    assert_eq!(admitted.steps, [Step::Slot { taken: 1, limit: 1 }, Step::Costs]);
    assert_eq!(bench.leases().await, [admitted.slot.as_ref().unwrap().member()]);

    let refused = bench.admit(&config).await.unwrap_err();
    assert_eq!(
        refused.body().to_string(),
        r#"{"error":"Concurrency limit exceeded","message":"Too many concurrent requests. Limit: 1 concurrent requests","currentConcurrency":1,"concurrencyLimit":1}"#
    );
    assert_eq!((refused.status(), refused.headers()), (429, vec![("Retry-After", "1".to_owned())]));

    let gone = Gone::new();
    let ask = Ask { token_count: true, model: "", config: &config, gone: &gone };
    let counting = bench.keys.admit_limits(bench.key().await.as_ref(), ask).await.unwrap();
    assert!(counting.slot.is_none(), "counting tokens takes no slot");

    drop(admitted);
    bench.settled().await;
    assert_eq!(bench.run(&["EXISTS", "concurrency:k"]).await, Reply::Int(0));
}

#[tokio::test]
async fn a_panicking_request_gives_its_slot_back() {
    let bench = Bench::new(&[("concurrencyLimit", "1")]).await;
    let admitted = bench.admit(&RelayConfig::default()).await.unwrap();
    let task = tokio::spawn(async move {
        let _held = admitted;
        panic!("a bug in the relay");
    });
    assert!(task.await.is_err());
    bench.settled().await;
    assert_eq!(bench.leases().await, Vec::<String>::new());
}

#[tokio::test]
async fn leases_are_renewed_until_they_get_too_old() {
    let bench = Bench::new(&[("concurrencyLimit", "1")]).await;
    let admitted = bench.admit(&RelayConfig::default()).await.unwrap();
    let score = async || {
        bench.text(&["ZSCORE", "concurrency:k", admitted.slot.as_ref().unwrap().member()]).await
    };
    assert_eq!(score().await, Some((NOW + 300_000).to_string()));
    for step in 1..=20_i64 {
        bench.clock.advance_ms(30_000);
        bench.keys.keeper().renew().await;
        assert_eq!(score().await, Some((NOW + step * 30_000 + 300_000).to_string()));
    }
    bench.clock.advance_ms(30_000);
    bench.keys.keeper().renew().await;
    bench.settled().await;
    assert_eq!(score().await, None);
    // The request still runs; its end must not take another's slot.
    let other = bench.admit(&RelayConfig::default()).await.unwrap();
    drop(admitted);
    bench.settled().await;
    assert_eq!(bench.leases().await, [other.slot.as_ref().unwrap().member()]);
}

#[tokio::test]
async fn the_window_counts_even_what_is_refused_for_cost() {
    let bench = Bench::new(&[
        ("rateLimitWindow", "1"),
        ("rateLimitRequests", "2"),
        ("dailyCostLimit", "1"),
        ("concurrencyLimit", "1"),
    ])
    .await;
    let config = RelayConfig::default();
    let first = bench.admit(&config).await.unwrap();
    let window = first.window.clone().unwrap();
    assert_eq!((window.start_ms, window.requests), (Some(NOW), 1));
    drop(first);
    bench.settled().await;

    bench.run(&["SET", "usage:cost:daily:k:2026-07-23", "1.25"]).await;
    let refused = bench.admit(&config).await.unwrap_err();
    assert_eq!(
        refused.body().to_string(),
        r#"{"error":{"type":"insufficient_quota","message":"已达到每日费用限制 ($1)","code":"daily_cost_limit_exceeded"},"currentCost":1.25,"costLimit":1,"resetAt":"2026-07-24T00:00:00.000Z"}"#
    );
    bench.settled().await;
    assert_eq!(bench.leases().await, Vec::<String>::new());
    assert_eq!(bench.text(&["GET", "rate_limit:requests:k"]).await.as_deref(), Some("2"));

    bench.clock.advance_ms(1);
    let refused = bench.admit(&config).await.unwrap_err();
    assert_eq!(
        refused.body().to_string(),
        r#"{"error":"Rate limit exceeded","message":"已达到请求次数限制 (2 次)，将在 1 分钟后重置","currentRequests":2,"requestLimit":2,"resetAt":"2026-07-23T15:54:20.000Z","remainingMinutes":1}"#
    );
    assert_eq!(bench.leases().await, Vec::<String>::new());
}

#[tokio::test]
async fn token_and_cost_windows_speak_for_themselves() {
    let bench =
        Bench::new(&[("rateLimitWindow", "5"), ("tokenLimit", "100"), ("rateLimitCost", "0.5")])
            .await;
    let config = RelayConfig::default();
    drop(bench.admit(&config).await.unwrap());
    bench.run(&["INCRBYFLOAT", "rate_limit:cost:k", "0.75"]).await;
    drop(bench.admit(&config).await.unwrap());
    bench.run(&["INCRBY", "rate_limit:tokens:k", "100"]).await;
    let refused = bench.admit(&config).await.unwrap_err();
    assert_eq!(
        refused.body().to_string(),
        r#"{"error":"Rate limit exceeded","message":"已达到 Token 使用限制 (100 tokens)，将在 5 分钟后重置","currentTokens":100,"tokenLimit":100,"resetAt":"2026-07-23T15:58:20.000Z","remainingMinutes":5}"#
    );
    bench.run(&["HSET", "apikey:k", "tokenLimit", "0"]).await;
    bench.clock.advance_ms(50);
    let refused = bench.admit(&config).await.unwrap_err();
    assert_eq!(
        refused.body().to_string(),
        r#"{"error":"Rate limit exceeded","message":"已达到费用限制 ($0.5)，将在 5 分钟后重置","currentCost":0.75,"costLimit":0.5,"resetAt":"2026-07-23T15:58:20.000Z","remainingMinutes":5}"#
    );
}

#[tokio::test]
async fn the_weekly_limit_concerns_claude_models() {
    let bench = Bench::new(&[
        ("weeklyOpusCostLimit", "2"),
        ("totalCostLimit", "9"),
        ("weeklyResetDay", "3"),
        ("weeklyResetHour", "9"),
    ])
    .await;
    bench.run(&["SET", "usage:opus:weekly:k:2026-07-22T09", "2"]).await;
    let config = RelayConfig::default();
    assert!(bench.admit_model(&config, "gpt-5").await.is_ok());
    let refused = bench.admit_model(&config, "ccr,claude-x").await.unwrap_err();
    assert_eq!(
        refused.body().to_string(),
        r#"{"error":{"type":"insufficient_quota","message":"已达到 Claude 模型周费用限制 ($2)","code":"weekly_opus_cost_limit_exceeded"},"currentCost":2,"costLimit":2,"resetAt":"2026-07-29T01:00:00.000Z"}"#
    );
    bench.run(&["SET", "usage:cost:total:k", "9.5"]).await;
    assert_eq!(bench.admit_model(&config, "gpt-5").await.unwrap_err().label(), "total_cost");
}
