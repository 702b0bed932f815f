//! Azure accounts: what breaks on the way, and how cached input is counted.

use std::time::Duration;

use compat::testing::{CuttingProxy, Fault};
use serde_json::{Value, json};

use crate::{
    place::{Crs, Home, PATIENCE, Place, until},
    vendor::Vendor,
};

const CHAT: &str = "/azure/chat/completions";

async fn place() -> Place {
    let limit = json!({ "main": { "concurrencyLimit": "5" } });
    Place::seeded(json!({ "keys": limit, "accounts": { "z": { "type": "azure" } } })).await
}

async fn usual(env: &[(&str, &str)]) -> (Place, Home, Crs) {
    let place = place().await;
    let home = Home::new(&place, place.redis_addr().port(), env);
    let crs = home.start().await;
    (place, home, crs)
}

fn ask(stream: bool) -> Value {
    json!({ "path": CHAT, "stream": stream })
}

/// Why the account rests, and for how many seconds.
async fn rests(place: &Place) -> Option<(i64, i64)> {
    let key = format!("temp_unavailable:azure-openai:{}", place.run().account_id("z"));
    let told: Value = serde_json::from_str(&place.ask(["GET", &key]).await).ok()?;
    let seconds = place.ask(["TTL", &key]).await.parse().unwrap();
    Some((told["statusCode"].as_i64()?, seconds))
}

async fn wake(place: &Place) {
    let key = format!("temp_unavailable:azure-openai:{}", place.run().account_id("z"));
    place.ask(["DEL", &key]).await;
}

/// So many requests are booked, no slot is left; and it stays so.
async fn booked(place: &Place, requests: i64) {
    let done = async || place.slots("main").await == 0 && place.counted("main").await.0 >= requests;
    until("the books", done).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((place.counted("main").await.0, place.slots("main").await), (requests, 0));
}

fn error_of(body: &[u8]) -> Value {
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    told["error"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_breaks_before_its_head_rests_the_account() {
    let (place, _home, crs) = usual(&[]).await;
    for (fail, stream) in [("reset", false), ("reset", true), ("close", false), ("close", true)] {
        place.script(json!([{ "fail": fail }]));
        let answer = crs.send(&place, ask(stream)).await;
        let error = error_of(&answer.body);
        assert_eq!((answer.status, &error["type"]), (500, &json!("azure_openai_error")), "{error}");
        assert_eq!(error["code"], "ECONNRESET", "{error}");
        until("the account rests", async || rests(&place).await.is_some()).await;
        let (status, seconds) = rests(&place).await.unwrap();
        assert!(status == 503 && (55..=60).contains(&seconds), "{status} {seconds}");
        let answer = crs.send(&place, ask(stream)).await;
        let message = error_of(&answer.body)["message"].clone();
        assert_eq!((answer.status, message), (500, json!("No available Azure OpenAI accounts")));
        wake(&place).await;
    }
    booked(&place, 0).await;
    place.outside.standin.begin(None);
    let back = async || crs.send(&place, ask(false)).await.status == 200;
    until("the account is used again", back).await;
    booked(&place, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_is_not_there() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = unused.local_addr().unwrap().port();
    drop(unused);
    let map = format!("unit.openai.azure.com=http://127.0.0.1:{port}");
    let (place, _home, crs) = usual(&[("UPSTREAM_HOST_MAP", &map)]).await;
    let answer = crs.send(&place, ask(true)).await;
    let error = error_of(&answer.body);
    assert_eq!((answer.status, &error["code"]), (500, &json!("ECONNREFUSED")), "{error}");
    until("the account rests", async || rests(&place).await.is_some()).await;
    assert_eq!(rests(&place).await.unwrap().0, 503);
    booked(&place, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_rests_the_account_as_long_as_the_vendor_says() {
    let (place, _home, crs) = usual(&[]).await;
    for stream in [false, true] {
        let limited = json!({ "error": { "code": "429", "message": "slow down" } });
        place
            .script(json!([{ "status": 429, "headers": { "retry-after": "7" }, "json": limited }]));
        let answer = crs.send(&place, ask(stream)).await;
        // Whatever the vendor said, a stream is answered 200, as in the legacy service.
        assert_eq!(answer.status, if stream { 200 } else { 429 });
        assert_eq!(error_of(&answer.body), limited["error"]);
        until("the account rests", async || rests(&place).await.is_some()).await;
        let (status, seconds) = rests(&place).await.unwrap();
        assert!(status == 429 && (5..=7).contains(&seconds), "{status} {seconds}");
        wake(&place).await;
    }
    booked(&place, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_off_ends_and_counts_nothing() {
    let place = place().await;
    let begun = "data: {\"choices\":[{\"delta\":{\"content\":\"H\"}}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1}}\n\ndata: {\"cho";
    let vendor = Vendor::start(begun.into(), None).await;
    vendor.open();
    let map = [("UPSTREAM_HOST_MAP", vendor.host_map.as_str())];
    let home = Home::new(&place, place.redis_addr().port(), &map);
    let crs = home.start().await;
    let answer = crs.send(&place, ask(true)).await;
    assert_eq!((answer.status, answer.ended), (200, "complete"));
    assert_eq!(String::from_utf8_lossy(&answer.body), begun, "what came is handed on as it came");
    booked(&place, 0).await;
    assert_eq!(rests(&place).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_ends_the_exchange_and_counts_nothing() {
    let (place, _home, crs) = usual(&[]).await;
    let first = json!({ "choices": [{ "delta": { "content": "begun" } }] });
    place.script(json!([{ "sse": [format!("data: {first}\n\n")], "then": "hang" }]));
    let request = json!({ "path": CHAT, "stream": true, "leave_at": "begun" });
    assert_eq!(crs.send(&place, request).await.ended, "left");
    let ended = async || place.outside.standin.received()[0].ended == "aborted";
    until("the vendor is told", ended).await;
    booked(&place, 0).await;

    // Before a plain answer there is no way to leave: the legacy service counts it.
    place.script(json!([{ "message": {}, "delay_ms": 600 }]));
    let request = json!({ "path": CHAT, "leave_after_ms": 200 });
    assert_eq!(crs.send(&place, request).await.ended, "left");
    booked(&place, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_that_is_slow_or_gone() {
    let place = place().await;
    let proxy = CuttingProxy::start(place.redis_addr()).await.unwrap();
    let home = Home::new(&place, proxy.addr().port(), &[("CRS_REDIS_TIMEOUT_MS", "300")]);
    let crs = home.start().await;
    crs.serve(&place, ask(false)).await;
    booked(&place, 1).await;
    for (n, fault) in [(1, Fault::Stall), (2, Fault::Cut)] {
        proxy.set(fault);
        let began = tokio::time::Instant::now();
        let (plain, streamed) =
            tokio::join!(crs.send(&place, ask(false)), crs.send(&place, ask(true)));
        assert_eq!((plain.status, streamed.status), (200, 200));
        assert_eq!(streamed.ended, "complete");
        assert!(began.elapsed() < PATIENCE / 4, "{:?}", began.elapsed());
        proxy.set(Fault::None);
        booked(&place, 1 + 2 * n).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_input_is_counted_twice_unless_the_operator_wants_it_exact() {
    let cached = json!({ "prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010,
        "prompt_tokens_details": { "cached_tokens": 600 } });
    // Usage in a last event that is longer than the legacy service looks at.
    let long = json!({ "type": "response.completed", "response": {
        "model": "gpt-4", "output": "x".repeat(40 << 10),
        "usage": { "input_tokens": 50, "output_tokens": 5 } } });
    for (exact, whole, with_long) in
        [("false", (1000, 10), (1000, 10)), ("true", (400, 10), (450, 15))]
    {
        let (place, _home, crs) = usual(&[("CRS_AZURE_EXACT_USAGE", exact)]).await;
        place.script(json!([{ "message": { "usage": cached } }]));
        crs.serve(&place, ask(false)).await;
        booked(&place, 1).await;
        let (_, input, output, all, _) = place.counted("main").await;
        assert_eq!((input, output), whole, "{exact}");
        assert_eq!(all, input + output + 600, "what was read from the cache is counted as that");
        place.script(json!([{ "sse": [long] }]));
        crs.serve(&place, json!({ "path": "/azure/responses", "stream": true })).await;
        booked(&place, if exact == "true" { 2 } else { 1 }).await;
        let (_, input, output, ..) = place.counted("main").await;
        assert_eq!((input, output), with_long, "{exact}");
    }
}
