//! Streams that break, on the vendor's side and on the client's.

use serde_json::{Value, json};

use crate::{
    place::{Home, Place, until},
    vendor::{DELTA, START, STOP, Vendor},
};

/// An event cut inside of a two-byte character.
const HALF: &[u8] = b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"K\xc3";

#[tokio::test(flavor = "multi_thread")]
async fn the_vendor_breaks_off_inside_of_an_event_and_a_character() {
    let place = Place::usual().await;
    let sent = [START.as_bytes(), DELTA.as_bytes(), HALF].concat();
    let vendor = Vendor::start(sent.clone(), None).await;
    vendor.open();
    let map = [("UPSTREAM_HOST_MAP", vendor.host_map.as_str())];
    let home = Home::new(&place, place.redis_addr().port(), &map);
    let crs = home.start().await;
    let answer = crs.send(&place, json!({ "stream": true })).await;
    assert_eq!((answer.status, answer.ended), (200, "complete"));
    // Whole lines are handed on as they came, the broken one is not, as in the legacy service.
    let whole = sent.iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    assert_eq!(answer.body[..whole], sent[..whole]);
    let rest = String::from_utf8_lossy(&answer.body[whole..]);
    assert!(rest.starts_with("event: error\ndata: {"), "{rest}");
    place.books("main", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_leaves_a_stream_whose_usage_is_still_to_come() {
    let place = Place::usual().await;
    let rest = [DELTA, STOP].concat();
    let vendor = Vendor::start(START.into(), Some(rest.into())).await;
    let map = [("UPSTREAM_HOST_MAP", vendor.host_map.as_str())];
    let home = Home::new(&place, place.redis_addr().port(), &map);
    let crs = home.start().await;
    let request = json!({ "stream": true, "leave_at": "content_block_start" });
    let answer = crs.send(&place, request).await;
    assert_eq!(answer.ended, "left");
    vendor.open();
    place.books("main", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_leaves_a_stream_that_never_goes_on() {
    let place = Place::usual().await;
    let vendor = Vendor::start(START.into(), None).await;
    let map = [("UPSTREAM_HOST_MAP", vendor.host_map.as_str())];
    let home = Home::new(&place, place.redis_addr().port(), &map);
    let crs = home.start().await;
    let request = json!({ "stream": true, "leave_at": "content_block_start" });
    assert_eq!(crs.send(&place, request).await.ended, "left");
    until("the slot", async || place.slots("main").await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_leaves_before_a_plain_reply() {
    let place = Place::usual().await;
    place.script(json!([{ "fail": "hang" }, { "repeat": true }]));
    let home = Home::new(&place, place.redis_addr().port(), &[]);
    let crs = home.start().await;
    let request = json!({ "leave_after_ms": 5000 });
    let (answer, ()) = tokio::join!(
        crs.send(&place, request),
        until("the slot to be taken", async || place.slots("main").await == 1),
    );
    assert_eq!(answer.ended, "left");
    place.books("main", 0).await;
    crs.serve(&place, json!({})).await;
    place.books("main", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_events_at_once() {
    let place = Place::usual().await;
    let delta = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"ö\"}}\n\n";
    let all = [START, &delta.repeat(10_000), DELTA, STOP].concat();
    place.script(json!([{ "sse": [Value::String(all.clone())] }]));
    let home = Home::new(&place, place.redis_addr().port(), &[]);
    let crs = home.start().await;
    let answer = crs.send(&place, json!({ "stream": true })).await;
    assert_eq!((answer.status, answer.ended), (200, "complete"));
    assert!(answer.body == all.as_bytes(), "{} bytes of {}", answer.body.len(), all.len());
    place.books("main", 1).await;
}
