//! Redis stopped, silent, or cut in the middle: no hang, no leaked slot, the right refusal.

use compat::testing::{CuttingProxy, Fault};

use super::*;

/// A service that reaches its Redis through a proxy.
async fn behind_proxy(fields: &[(&str, &str)]) -> (Bench, CuttingProxy) {
    let redis = TestRedis::spawn();
    let proxy = CuttingProxy::start(redis.addr()).await.unwrap();
    let config = RedisConfig {
        port: proxy.addr().port(),
        timeout: Duration::from_millis(300),
        ..RedisConfig::default()
    };
    (Bench::on(redis, &config, fields).await, proxy)
}

#[tokio::test]
async fn an_unknown_key_is_told_to_come_back_and_a_known_one_goes_on() {
    for fault in [Fault::Cut, Fault::Stall, Fault::LoseReplies] {
        let (bench, proxy) = behind_proxy(&[]).await;
        proxy.set(fault);
        let refused = bench.keys.lookup(Some(PLAIN)).await.unwrap_err();
        assert_eq!((refused.status(), refused.label()), (503, "redis_unavailable"), "{fault:?}");
        assert_eq!(refused.headers(), [("Retry-After", "5".to_owned())]);

        proxy.set(Fault::None);
        until(async || bench.keys.lookup(Some(PLAIN)).await.is_ok()).await;
        proxy.set(fault);
        bench.clock.advance_ms(59_999);
        assert!(bench.keys.lookup(Some(PLAIN)).await.is_ok(), "{fault:?}");
        bench.clock.advance_ms(1);
        assert!(bench.keys.lookup(Some(PLAIN)).await.is_err(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_known_key_with_limits_goes_on_and_its_slots_are_counted_here() {
    let (bench, proxy) = behind_proxy(&[("concurrencyLimit", "1"), ("dailyCostLimit", "1")]).await;
    bench.key().await;
    proxy.set(Fault::Cut);
    let admitted = bench.admit(&RelayConfig::default()).await.unwrap();
    assert_eq!(admitted.steps, [Step::Unchecked]);
    assert_eq!(
        bench.admit(&RelayConfig::default()).await.unwrap_err().label(),
        "concurrency_limit"
    );
    drop(admitted);
    assert!(bench.admit(&RelayConfig::default()).await.is_ok());
}

#[tokio::test]
async fn a_slot_whose_acquisition_got_no_answer_is_given_back() {
    for fault in [Fault::LoseReplies, Fault::CutAfter(40), Fault::Stall] {
        let (bench, proxy) = behind_proxy(&[("concurrencyLimit", "1")]).await;
        bench.key().await;
        proxy.set(fault);
        let admitted = bench.admit(&RelayConfig::default()).await;
        drop(admitted);
        proxy.set(Fault::None);
        bench.settled().await;
        assert_eq!(bench.leases().await, Vec::<String>::new(), "{fault:?}");
    }
}

#[tokio::test]
async fn slots_freed_during_an_outage_go_back_when_it_ends() {
    let (bench, proxy) = behind_proxy(&[("concurrencyLimit", "2")]).await;
    let admitted = bench.admit(&RelayConfig::default()).await.unwrap();
    assert_eq!(bench.leases().await.len(), 1);
    proxy.set(Fault::Cut);
    drop(admitted);
    until(async || bench.store.counters().failures > 0).await;
    assert_eq!(bench.leases().await.len(), 1);
    proxy.set(Fault::None);
    bench.settled().await;
    assert_eq!(bench.leases().await.len(), 0);
}

#[tokio::test]
async fn waiting_ends_when_redis_fails_too_often() {
    let (bench, proxy) = behind_proxy(&[("concurrencyLimit", "1")]).await;
    let bench = Arc::new(bench);
    let _held = bench.admit(&RelayConfig::default()).await.unwrap();
    let waiter = tokio::spawn({
        let bench = Arc::clone(&bench);
        async move {
            let mut config = queue_config();
            config.request_queue.max_redis_failures = 2.0;
            bench.admit(&config).await.map(|_| ()).unwrap_err()
        }
    });
    until(async || bench.text(&["GET", "concurrency:queue:k"]).await.is_some()).await;
    proxy.set(Fault::Cut);
    let refused = waiter.await.unwrap();
    assert_eq!((refused.status(), refused.label()), (503, "queue_backend"));
    assert_eq!(refused.headers(), [("Connection", "close".to_owned())]);
}

#[tokio::test]
async fn a_counter_of_the_wrong_type_is_an_internal_error_and_leaks_nothing() {
    let bench = Bench::new(&[
        ("concurrencyLimit", "1"),
        ("rateLimitWindow", "1"),
        ("rateLimitRequests", "5"),
    ])
    .await;
    bench.run(&["LPUSH", "rate_limit:window_start:k", "x"]).await;
    let refused = bench.admit(&RelayConfig::default()).await.unwrap_err();
    assert_eq!((refused.status(), refused.label()), (500, "authentication_error"));
    bench.settled().await;
    assert_eq!(bench.leases().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_lost_its_data_and_scripts_serves_on() {
    let mut bench = Bench::new(&[("concurrencyLimit", "1")]).await;
    let admitted = bench.admit(&RelayConfig::default()).await.unwrap();
    assert!(bench.redis.start());
    bench.admin = bench.redis.store();
    bench.seed(&[("concurrencyLimit", "1")]).await;
    bench.clock.advance_ms(50);
    let again = bench.admit(&RelayConfig::default()).await.unwrap();
    drop(admitted);
    bench.settled().await;
    assert_eq!(bench.leases().await, [again.slot.as_ref().unwrap().member()]);
}
