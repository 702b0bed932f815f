//! The same requests to Node alone and to a canary of half the keys leave the same sums.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{
    Scene, alias, keys, legacy_service, node_is_installed, sums,
    vendor::{CACHE, REFUSE},
};
use crate::{harness::client, place::until};

const KEYS: usize = 30;
/// What differs between two runs of the legacy service alone: marks that a pool is empty, which the service
/// may also take for an account, and how long its own jobs took.
const NOISE: [&str; 3] =
    ["claude_console_account:index", "bedrock_account:index", "cost_rank_meta:"];
/// Requests of each key.
const EACH: usize = 6;

/// All requests: JSON and streams, some from the prompt cache, some for another model, some that the vendor
/// refuses, some that only count tokens, some with a key that is off.
fn requests() -> Vec<Value> {
    let mut requests: Vec<Value> = (0..KEYS * EACH)
        .map(|n| {
            let stream = (n / KEYS).is_multiple_of(2);
            let user = |text: &str| json!({ "messages": [{ "role": "user", "content": text }] });
            let body = match (n / KEYS, n % 3) {
                (4, _) => user(CACHE),
                (5, 0) => user(REFUSE),
                (_, 1) => json!({ "model": "claude-opus-4-1-20250805" }),
                _ => json!({}),
            };
            json!({ "key": alias(n % KEYS), "stream": stream, "body": body })
        })
        .collect();
    let count = "/api/v1/messages/count_tokens";
    requests.extend((0..counting()).map(|n| json!({ "key": alias(n), "path": count })));
    requests.extend((0..10).map(|_| json!({ "key": "off" })));
    requests
}

/// Requests that only count tokens, which the stand-in does not know.
fn counting() -> usize {
    if legacy_service().is_some() { KEYS } else { 0 }
}

/// Sends them all to a port, some at once; gives how many there were of each status.
async fn drive(scene: &Scene, port: u16) -> BTreeMap<u16, usize> {
    let answers = stream::iter(requests()).map(|request| send(scene, port, request));
    let statuses: Vec<u16> = answers.buffer_unordered(8).collect().await;
    statuses.into_iter().fold(BTreeMap::new(), |mut all, status| {
        *all.entry(status).or_default() += 1;
        all
    })
}

async fn send(scene: &Scene, port: u16, request: Value) -> u16 {
    let send = serde_json::from_value(request).unwrap();
    let prepared = client::prepare(&scene.place.run(), &send, port).unwrap();
    let answer = client::exchange(&prepared, &send, port).await.unwrap();
    assert_eq!(answer.ended, "complete");
    answer.status
}

async fn scene() -> Scene {
    let mut seed = keys(KEYS);
    seed["off"] = json!({ "isActive": "false" });
    Scene::new(seed, None, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn half_the_keys_through_crs_leave_the_same_sums() {
    if !node_is_installed() {
        return;
    }
    let expected = BTreeMap::from([(200, KEYS * EACH - 10 + counting()), (400, 10), (401, 10)]);
    let calls = KEYS * EACH + counting();
    for _ in 0..2 {
        let hour = jiff::Timestamp::now().as_second() / 3600;
        let alone = scene().await;
        assert_eq!(drive(&alone, alone.node.port).await, expected);
        assert_eq!(alone.vendor.calls(), [calls, 0]);

        let canary = scene().await;
        let crs = canary.home.start().await;
        let words = ["set", "canary", "--percent", "50", "--force", "--reason", "half"];
        canary.to_phase(&words, "canary").await;
        // A process knows its keys some moments after its start.
        let inside = (0..KEYS)
            .map(alias)
            .find(|alias| crs::rollout::place(&canary.place.run().key_id(alias)) < 5000);
        let inside = inside.unwrap();
        let mut probes = 0;
        until("crs to serve its share", async || {
            canary.serve(&crs, json!({ "key": inside })).await;
            probes += 1;
            canary.vendor.calls()[1] > 0
        })
        .await;
        assert_eq!(drive(&canary, crs.port).await, expected);
        let [by_node, by_crs] = canary.vendor.calls();
        assert_eq!(by_node + by_crs, calls + probes);
        assert!(by_node > 40 && by_crs > 40, "{by_node} and {by_crs}");
        for _ in 0..probes {
            assert_eq!(send(&alone, alone.node.port, json!({ "key": inside })).await, 200);
        }
        sums::no_slots(&alone.place).await;
        let beside = sums::all(&alone.place).await;
        sums::no_slots(&canary.place).await;
        let half = sums::all(&canary.place).await;
        // What is kept by the hour is comparable within one.
        if hour == jiff::Timestamp::now().as_second() / 3600 {
            let mut differences = sums::differences(&beside, &half);
            differences.retain(|line| !NOISE.iter().any(|noise| line.starts_with(noise)));
            assert!(differences.is_empty(), "alone and canary:\n{}", differences.join("\n"));
            assert!(beside.len() > 60, "{} sums", beside.len());
            return;
        }
    }
    panic!("the hour changed twice");
}
