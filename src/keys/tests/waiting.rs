use super::*;

async fn stats(bench: &Bench) -> Vec<(String, String)> {
    let fields = bench.run(&["HGETALL", "concurrency:queue:stats:k"]).await.map().unwrap();
    let mut fields: Vec<_> = fields.into_iter().collect();
    fields.sort();
    fields
}

fn counts(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, count)| ((*name).to_owned(), (*count).to_owned())).collect()
}

async fn waiting(bench: &Bench) -> i64 {
    bench.run(&["GET", "concurrency:queue:k"]).await.int().unwrap()
}

#[tokio::test]
async fn a_waiting_request_gets_the_next_free_slot() {
    let bench = Arc::new(
        Bench::new(&[
            ("concurrencyLimit", "1"),
            ("rateLimitWindow", "1"),
            ("rateLimitRequests", "9"),
        ])
        .await,
    );
    let first = bench.admit(&queue_config()).await.unwrap();
    let second = tokio::spawn({
        let bench = Arc::clone(&bench);
        async move { bench.admit(&queue_config()).await.unwrap() }
    });
    until(async || waiting(&bench).await == 1).await;
    let ttl = bench.run(&["TTL", "concurrency:queue:k"]).await.int().unwrap();
    assert!((39..=40).contains(&ttl), "{ttl}");
    assert_eq!(
        bench.text(&["GET", "rate_limit:requests:k"]).await.as_deref(),
        Some("1"),
        "waiting is not counted yet"
    );
    drop(first);
    let second = second.await.unwrap();
    assert_eq!(second.headers, [("Connection", "close")]);
    assert!(
        matches!(second.steps[..], [Step::Waited { .. }, Step::Window { requests: 2 }]),
        "{:?}",
        second.steps
    );
    assert_eq!(bench.leases().await, [second.slot.as_ref().unwrap().member()]);
    until(async || stats(&bench).await == counts(&[("entered", "1"), ("success", "1")])).await;
    assert_eq!(bench.run(&["EXISTS", "concurrency:queue:k"]).await, Reply::Int(0));
    for list in ["concurrency:queue:wait_times:k", "concurrency:queue:wait_times:global"] {
        assert_eq!(bench.run(&["LLEN", list]).await, Reply::Int(1));
    }
}

#[tokio::test]
async fn waiting_in_vain_ends_with_the_timeout_reply() {
    let bench = Bench::new(&[("concurrencyLimit", "1")]).await;
    let held = bench.admit(&queue_config()).await.unwrap();
    let mut config = queue_config();
    config.request_queue.timeout_ms = 300.0;
    let refused = bench.admit(&config).await.unwrap_err();
    assert_eq!(refused.label(), "queue_timeout");
    assert_eq!(
        refused.headers(),
        [("Connection", "close".to_owned()), ("Retry-After", "5".to_owned())]
    );
    assert!(refused.body()["waitTimeMs"].as_i64().unwrap() >= 300);
    until(async || stats(&bench).await == counts(&[("entered", "1"), ("timeout", "1")])).await;
    assert_eq!(waiting(&bench).await, 0);
    assert_eq!(bench.leases().await, [held.slot.as_ref().unwrap().member()]);
}

#[tokio::test]
async fn a_full_queue_turns_away_at_once() {
    let bench = Bench::new(&[("concurrencyLimit", "1")]).await;
    let _held = bench.admit(&queue_config()).await.unwrap();
    bench.run(&["SET", "concurrency:queue:k", "3"]).await;
    let refused = bench.admit(&queue_config()).await.unwrap_err();
    assert_eq!(refused.label(), "queue_full");
    assert_eq!(refused.body()["queueCount"], 3);
    assert_eq!(refused.headers(), [("Retry-After", "10".to_owned())], "it never waited");
    until(async || waiting(&bench).await == 3).await;
    assert_eq!(stats(&bench).await, []);
}

#[tokio::test]
async fn a_slow_queue_turns_away_when_more_than_half_full() {
    let bench = Bench::new(&[("concurrencyLimit", "1")]).await;
    let _held = bench.admit(&queue_config()).await.unwrap();
    for _ in 0..10 {
        bench.run(&["LPUSH", "concurrency:queue:wait_times:k", "8000"]).await;
    }
    bench.run(&["SET", "concurrency:queue:k", "3"]).await;
    let refused = bench.admit(&queue_config()).await.unwrap_err();
    assert_eq!(refused.label(), "queue_overloaded");
    until(async || stats(&bench).await == counts(&[("rejected_overload", "1")])).await;
    bench.run(&["SET", "concurrency:queue:k", "2"]).await;
    let mut config = queue_config();
    config.request_queue.timeout_ms = 1.0;
    assert_eq!(
        bench.admit(&config).await.unwrap_err().label(),
        "queue_timeout",
        "half full is fine"
    );
}

#[tokio::test]
async fn a_client_that_leaves_is_counted_out() {
    let bench = Arc::new(Bench::new(&[("concurrencyLimit", "1")]).await);
    let held = bench.admit(&queue_config()).await.unwrap();
    let call = async |gone: Gone, bench: Arc<Bench>| {
        let config = queue_config();
        let ask = Ask { token_count: false, model: "", config: &config, gone: &gone };
        let key = bench.key().await;
        bench.keys.admit_limits(&key, ask).await.map(|_| ()).unwrap_err()
    };
    // Told by the token.
    let gone = Gone::new();
    let told = tokio::spawn(call(gone.clone(), Arc::clone(&bench)));
    until(async || waiting(&bench).await == 1).await;
    gone.cancel();
    assert!(told.await.unwrap().is_silent());
    until(async || stats(&bench).await == counts(&[("cancelled", "1"), ("entered", "1")])).await;
    // Told by being dropped.
    let dropped = tokio::spawn(call(Gone::new(), Arc::clone(&bench)));
    until(async || waiting(&bench).await == 1).await;
    dropped.abort();
    until(async || stats(&bench).await == counts(&[("cancelled", "2"), ("entered", "2")])).await;
    assert_eq!(waiting(&bench).await, 0);
    bench.settled().await;
    assert_eq!(bench.leases().await, [held.slot.as_ref().unwrap().member()]);
}

#[tokio::test]
async fn user_messages_of_one_account_take_turns() {
    let bench = Bench::new(&[]).await;
    let queue = MessageQueue::new(bench.store.clone(), Arc::clone(bench.keys.keeper()));
    let mut settings = RelayConfig::default().user_message_queue;
    assert!(queue.turn("a", &settings, false).await.unwrap().is_none(), "off by default");
    settings.delay_ms = 0.0;
    let first = queue.turn("a", &settings, true).await.unwrap().unwrap();
    settings.timeout_ms = 100.0;
    assert_eq!(queue.turn("a", &settings, true).await.map(|_| ()), Err(TurnError::Timeout));
    settings.timeout_ms = 60_000.0;
    let second = tokio::spawn({
        let (queue, settings) = (queue.clone(), settings.clone());
        async move { queue.turn("a", &settings, true).await.unwrap().unwrap() }
    });
    first.release();
    drop(second.await.unwrap());
    until(async || bench.run(&["EXISTS", "user_msg_queue_lock:a"]).await == Reply::Int(0)).await;
}
