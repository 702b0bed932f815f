//! Redis goes away while requests run, and comes back with its data.

use compat::testing::{CuttingProxy, Fault};
use futures_util::future::join_all;
use serde_json::json;

use crate::place::{Home, Place, until};

async fn outage(fault: Fault) {
    let limited = json!({ "concurrencyLimit": "1000" });
    let place = Place::new(json!({ "main": limited, "stranger": limited })).await;
    let proxy = CuttingProxy::start(place.redis_addr()).await.unwrap();
    let home = Home::new(&place, proxy.addr().port(), &[("CRS_REDIS_TIMEOUT_MS", "300")]);
    let crs = home.start().await;
    crs.serve(&place, json!({})).await;
    place.books("main", 1).await;

    proxy.set(fault);
    let known = (0..6).map(|n| crs.serve(&place, json!({ "stream": n % 2 == 0 })));
    join_all(known).await;
    let refused = crs.send(&place, json!({ "key": "stranger" })).await;
    assert_eq!(refused.status, 503);
    assert!(refused.head.get("retry-after").is_some(), "{:?}", refused.head);
    let health = crs.health().await;
    assert_eq!(health["components"]["redis"]["connected"], false);
    until("health to tell", async || crs.warnings().await.contains("usage waits for redis")).await;

    proxy.set(Fault::None);
    place.books("main", 7).await;
    place.books("stranger", 0).await;
    crs.serve(&place, json!({ "key": "stranger" })).await;
    place.books("stranger", 1).await;
    place.books("main", 7).await;
    until("health to be well", async || !crs.warnings().await.contains("waits")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_refuses_connections() {
    outage(Fault::Cut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_silent() {
    outage(Fault::Stall).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_obeys_and_its_replies_are_lost() {
    outage(Fault::LoseReplies).await;
}
