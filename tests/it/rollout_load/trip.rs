//! A guard trips under load: crs's own way to Redis breaks while Node's is fine.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use compat::testing::{CuttingProxy, Fault};
use futures_util::future;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Scene, alias, command_line, keys, node_is_installed, sums};
use crate::place::{Place, until};

const KEYS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn crs_that_loses_redis_goes_back_by_itself() {
    if !node_is_installed() {
        return;
    }
    let place = Place::new(keys(KEYS)).await;
    let proxy = CuttingProxy::start(place.redis_addr()).await.unwrap();
    let env = [("CRS_REDIS_TIMEOUT_MS", "200")];
    let scene = Scene::on(place, Some(proxy.addr().port()), &env).await;
    let crs = scene.home.start().await;
    scene.to_phase(&["set", "primary", "--force", "--reason", "load"], "primary").await;
    let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = future::join_all((0..KEYS).map(async |key| {
        let mut turn = key;
        while !over.load(SeqCst) {
            let request = json!({ "key": alias(key), "stream": turn.is_multiple_of(2) });
            scene.serve(&crs, request).await;
            served.fetch_add(1, SeqCst);
            turn += 1;
            sleep(Duration::from_millis(20)).await;
        }
    }));
    let events = async {
        until("crs to serve", async || scene.vendor.calls()[1] > 60).await;
        proxy.set(Fault::Cut);
        until("the rollback", async || {
            let words = ["rollout", "status", "--local", "--json"];
            let output = command_line(&scene.home.folder, &words).await;
            let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            status["instance"]["phase"] == "shadow" && status["instance"]["source"] == "guard"
        })
        .await;
        sleep(Duration::from_millis(500)).await;
        let [node, own] = scene.vendor.calls();
        until("Node to serve", async || scene.vendor.calls()[0] > node + 30).await;
        assert_eq!(scene.vendor.calls()[1], own, "crs serves nothing any more");
        proxy.set(Fault::None);
        until("the record of the trip", async || {
            let words = ["rollout", "history", "--json"];
            let output = command_line(&scene.home.folder, &words).await;
            let history: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let change = &history["history"][0]["change"];
            change["action"] == "trip"
                && change["why"].as_str().is_some_and(|why| why.starts_with("guard redis_failures"))
        })
        .await;
        over.store(true, SeqCst);
    };
    tokio::join!(load, events);
    let served = served.load(SeqCst);
    let [by_node, by_crs] = scene.vendor.calls();
    assert_eq!(by_node + by_crs, served, "each request reached the vendor once");
    until("the books", async || {
        let counted = scene.place.ask(["HGET", "usage:global:total", "requests"]).await;
        counted == served.to_string()
    })
    .await;
    let sums = sums::all(&scene.place).await;
    assert_eq!(sums["usage:<id> totalAllTokens"], (served * 18) as f64);
    sums::no_slots(&scene.place).await;
}
