//! Two services and a third writer on one Redis, which writes whole records back as the legacy
//! service does (`contract/redis.md §a, §k`).

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::{
    harness::redis::{Command, Redis, command},
    place::{Home, Place},
};

const REQUESTS: u16 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn sums_stay_exact_among_writers() {
    let place = Place::usual().await;
    let port = place.redis_addr().port();
    let homes = [
        Home::new(&place, port, &[("CRS_INSTANCE", "a")]),
        Home::new(&place, port, &[("CRS_INSTANCE", "b")]),
    ];
    let (a, b) = (homes[0].start().await, homes[1].start().await);
    let over = AtomicBool::new(false);
    let requests = async {
        let all = stream::iter(0..REQUESTS).map(|n| {
            let service = if n % 2 == 0 { &a } else { &b };
            service.serve(&place, json!({ "stream": n % 3 == 0 }))
        });
        all.buffer_unordered(16).collect::<()>().await;
        over.store(true, Ordering::Relaxed);
    };
    let writer = async {
        let mut redis = place.redis().await;
        let account = format!("claude:account:{}", place.run().account_id("a"));
        let key = format!("apikey:{}", place.run().key_id("main"));
        let mut rounds = 0;
        while !over.load(Ordering::Relaxed) {
            for record in [&key, &account] {
                let write = write_back(&mut redis, record).await;
                redis.call(write).await.unwrap();
            }
            rounds += 1;
        }
        rounds
    };
    let ((), rounds) = tokio::join!(requests, writer);
    assert!(rounds > 10, "{rounds} records written among the requests");
    place.books("main", i64::from(REQUESTS)).await;
    let account = format!("account_usage:{}", place.run().account_id("a"));
    assert_eq!(place.ask(["HGET", &account, "totalRequests"]).await, REQUESTS.to_string());
    let tokens = (u32::from(REQUESTS) * 18).to_string();
    assert_eq!(place.ask(["HGET", &account, "totalAllTokens"]).await, tokens);
    assert_eq!(place.ask(["HGET", "usage:global:total", "requests"]).await, REQUESTS.to_string());
    assert_eq!(place.ask(["HGET", "usage:global:total", "allTokens"]).await, tokens);
}

/// Reads a record and gives the command that writes all of it back.
async fn write_back(redis: &mut Redis, record: &str) -> Command {
    let fields = redis.call(command(["HGETALL", record])).await.unwrap().list();
    let mut write = command(["HSET", record]);
    write.extend(fields.into_iter().filter_map(crate::harness::redis::Reply::bytes));
    write
}
