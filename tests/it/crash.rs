//! The process dies without warning, at the worst moments for the journal.

use compat::testing::{CuttingProxy, Fault};
use futures_util::future::join_all;
use serde_json::json;

use crate::place::{Home, Place};

/// Serves, dies while Redis behaves like this, starts again.
async fn dies(fault: Fault) {
    // No limits: the leases of slots outlive their process by design.
    let place = Place::new(json!({ "main": {} })).await;
    let proxy = CuttingProxy::start(place.redis_addr()).await.unwrap();
    let home = Home::new(&place, proxy.addr().port(), &[("CRS_REDIS_TIMEOUT_MS", "300")]);
    let crs = home.start().await;
    crs.serve(&place, json!({})).await;
    place.books("main", 1).await;
    proxy.set(fault);
    let all = (0..12).map(|n| crs.serve(&place, json!({ "stream": n % 2 == 0 })));
    join_all(all).await;
    crs.kill().await;

    proxy.set(Fault::None);
    let crs = home.start().await;
    place.books("main", 13).await;
    crs.kill().await;

    let crs = home.start().await;
    crs.serve(&place, json!({})).await;
    place.books("main", 14).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_right_after_the_replies() {
    dies(Fault::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_redis_is_silent() {
    dies(Fault::Stall).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_redis_obeys_and_its_replies_are_lost() {
    dies(Fault::LoseReplies).await;
}
