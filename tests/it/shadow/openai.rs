//! Responses requests in shadow, on both kinds of accounts. The stand-in does not know them, so the real
//! legacy service answers.

use serde_json::{Value, json};

use super::{
    Stage,
    real::legacy,
    series::{Series, covered},
};

fn seed() -> Value {
    json!({
        "keys": {
            "main": { "openaiAccountId": "${acc:a}" },
            "provider": { "openaiAccountId": "responses:${acc:r}" },
            "narrow": { "permissions": "[\"gemini\"]" }
        },
        "accounts": {
            "a": { "type": "openai" },
            "r": { "type": "responses", "dailyQuota": "100" }
        }
    })
}

/// Requests with the status that each gets.
fn requests() -> Vec<(u16, Value)> {
    let (plain, v1) = ("/openai/responses", "/openai/v1/responses");
    let mut all = Vec::new();
    for key in ["main", "provider"] {
        for stream in [false, true] {
            let body = json!({ "stream": stream, "model": "gpt-5-mini", "temperature": 1 });
            all.extend([
                (200, json!({ "as": "codex", "path": plain, "key": key, "body": body })),
                (200, json!({ "as": "openai", "path": v1, "key": key, "body": body })),
            ]);
        }
        let compact = format!("{plain}/compact");
        all.push((200, json!({ "as": "codex", "path": compact, "key": key })));
        all.push((500, json!({ "as": "openai", "path": v1, "key": key, "body": { "model": 5 } })));
        let other = json!({ "as": "openai", "path": v1, "key": key, "key_in": "x-goog-api-key" });
        all.push((200, other));
    }
    all.push((403, json!({ "as": "openai", "path": v1, "key": "narrow" })));
    all.push((200, json!({ "as": "openai", "path": "/openai/usage", "method": "GET", "raw": "" })));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_show_nothing() {
    let Some(legacy) = legacy() else { return };
    let mut series = Series::new(Stage::real(seed(), &legacy).await);
    for (status, request) in requests() {
        series.send(status, request).await;
    }
    let accounts = ["a", "r"].map(|alias| series.stage.place.run().account_id(alias));
    for (key, status, stream) in [
        ("main", 400, true),
        ("main", 429, false),
        ("main", 429, true),
        ("main", 401, true),
        ("provider", 400, true),
        ("provider", 429, false),
        ("provider", 401, true),
        ("provider", 503, false),
    ] {
        let place = &series.stage.place;
        place.ask(["DEL", &format!("temp_unavailable:openai-responses:{}", accounts[1])]).await;
        for record in [
            format!("openai:account:{}", accounts[0]),
            format!("openai_responses_account:{}", accounts[1]),
        ] {
            place.ask(["HSET", &record, "status", "active", "schedulable", "true"]).await;
            place.ask(["HSET", &record, "rateLimitStatus", ""]).await;
        }
        let error = json!({ "message": "said the vendor", "resets_in_seconds": 90 });
        place.script(json!([{ "status": status, "repeat": true, "json": { "error": error } }]));
        let request = json!({
            "as": "codex", "path": "/openai/responses", "key": key, "body": { "stream": stream }
        });
        series.send(status, request).await;
    }
    let words = ["/openai/responses/compact", "\"openai\"", "openai-responses"];
    covered(&series.agrees().await, &words);
}
