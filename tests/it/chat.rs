//! Chat completions where the legacy service is no measure: accounts that it cannot use for them, models of
//! other platforms, the answer of a service that stops.

use serde_json::{Value, json};

use crate::{
    harness::client::Answer,
    place::{Crs, Home, Place, until},
};

const CHAT: &str = "/openai/claude/v1/chat/completions";

async fn with(seed: Value) -> (Place, Crs) {
    let place = Place::seeded(seed).await;
    let crs = Home::new(&place, place.redis_addr().port(), &[]).start().await;
    (place, crs)
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
}

/// Data of an event stream: JSON, or `[DONE]` as a text.
fn chunks(answer: &Answer) -> Vec<Value> {
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let data = |event: &str| {
        let data = event.strip_prefix("data: ")?;
        Some(serde_json::from_str(data).unwrap_or_else(|_| data.into()))
    };
    text.split("\n\n").filter_map(data).collect()
}

/// A whole answer and a stream for a model, through whichever account there is.
async fn answers_chat(place: &Place, crs: &Crs, model: &str) {
    answers(place, crs, CHAT, model).await;
}

async fn answers(place: &Place, crs: &Crs, path: &str, model: &str) {
    let ask = |stream: bool| json!({ "path": path, "stream": stream, "body": { "model": model } });
    let answer = crs.send(place, ask(false)).await;
    let told = body(&answer);
    assert_eq!(answer.status, 200, "{told}");
    assert_eq!(told["choices"][0]["message"]["content"], "Hello from the stand-in.");
    assert_eq!((&told["model"], &told["usage"]["total_tokens"]), (&json!(model), &json!(18)));
    let answer = crs.send(place, ask(true)).await;
    let chunks = chunks(&answer);
    assert_eq!((answer.status, answer.ended), (200, "complete"), "{chunks:?}");
    let texts = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    assert_eq!(texts.collect::<String>(), "Hello from the stand-in.");
    let ends: Vec<&Value> = chunks.iter().filter(|chunk| **chunk == json!("[DONE]")).collect();
    assert_eq!((ends.len(), chunks.last()), (1, Some(&json!("[DONE]"))), "{chunks:?}");
    // Streams of these accounts count no input, as in the legacy service.
    until("both are booked", async || place.counted("main").await.0 == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ccr_accounts_answer() {
    let (place, crs) = with(json!({ "accounts": { "c": { "type": "ccr" } } })).await;
    answers_chat(&place, &crs, "ccr,claude-sonnet-4-20250514").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bedrock_accounts_answer() {
    let (place, crs) =
        with(json!({ "accounts": { "b": { "type": "bedrock", "awsCredentials": "AKIAB" } } }))
            .await;
    answers_chat(&place, &crs, "claude-sonnet-4-20250514").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_bedrock_are_told_in_the_dialect() {
    let (place, crs) =
        with(json!({ "accounts": { "b": { "type": "bedrock", "awsCredentials": "AKIAB" } } }))
            .await;
    place.script(json!([{ "status": 400, "repeat": true, "json": { "message": "no" } }]));
    let answer = crs.send(&place, json!({ "path": CHAT })).await;
    let error = body(&answer)["error"].clone();
    assert_eq!((answer.status, error["type"].as_str()), (500, Some("api_error")), "{error}");
    assert!(error["message"].is_string(), "{error}");
    let answer = crs.send(&place, json!({ "path": CHAT, "stream": true })).await;
    let chunks = chunks(&answer);
    assert_eq!(chunks[0]["type"], "error", "{chunks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_with_chatgpt_and_providers_answer() {
    for kind in ["openai", "responses"] {
        let (place, crs) = with(json!({ "accounts": { "o": { "type": kind } } })).await;
        answers(&place, &crs, "/openai/v1/chat/completions", "gpt-5").await;
        let request =
            json!({ "path": "/api/v1/completions", "json": { "prompt": "x", "model": "gpt-5" } });
        let answer = crs.send(&place, request).await;
        // Whoever does not ask for a stream gets none where the vendor sends none.
        assert_eq!(body(&answer)["choices"][0]["message"]["content"], "Hello from the stand-in.");
        until("all are booked", async || place.counted("main").await.0 == 3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_nobody_asked_for_are_gathered() {
    let done = json!({ "type": "response.completed", "response": {
        "id": "r", "model": "gpt-5", "status": "completed",
        "output": [{ "type": "message", "content": [{ "type": "output_text", "text": "gathered" }] }],
        "usage": { "input_tokens": 12, "output_tokens": 9, "total_tokens": 21 } } });
    let created = json!({ "type": "response.created", "response": { "id": "r" } });
    let limit = json!({ "error": { "type": "usage_limit_reached", "message": "slow down" } });
    for kind in ["openai", "responses"] {
        let (place, crs) = with(json!({ "accounts": { "o": { "type": kind } } })).await;
        let asked = json!({ "model": "gpt-5", "stream": false });
        let chat = json!({ "path": "/openai/v1/chat/completions", "body": asked });
        place.script(json!([{ "sse": [created, done] }, { "sse": [created] }, { "sse": [limit] }]));
        let answer = crs.send(&place, chat.clone()).await;
        let told = body(&answer);
        assert_eq!(answer.status, 200, "{told}");
        assert_eq!(told["choices"][0]["message"]["content"], "gathered");
        assert_eq!(told["usage"]["total_tokens"], 21);
        until("it is booked", async || place.counted("main").await.0 == 1).await;
        let (_, input, output, all, _) = place.counted("main").await;
        assert_eq!((input, output, all), (12, 9, 21));
        let answer = crs.send(&place, chat.clone()).await;
        let error = body(&answer)["error"].clone();
        assert_eq!((answer.status, &error["type"]), (502, &json!("server_error")), "{error}");
        let answer = crs.send(&place, chat).await;
        let error = body(&answer)["error"].clone();
        assert_eq!((answer.status, &error["message"]), (429, &json!("slow down")), "{error}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        assert_eq!(place.counted("main").await.0, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alone_models_of_other_platforms_are_said_to_be_missing() {
    let (place, crs) = with(json!({ "keys": {
        "main": {}, "narrow": { "permissions": "[\"claude\"]" }
    } }))
    .await;
    for (model, name) in [("gemini-2.5-pro", "Gemini")] {
        for path in ["/api/v1/chat/completions", "/openai/v1/chat/completions"] {
            let request = json!({ "path": path, "body": { "model": model } });
            let answer = crs.send(&place, request).await;
            let error = body(&answer)["error"].clone();
            assert_eq!((answer.status, &error["code"]), (503, &json!("not_served")), "{error}");
            assert!(error["message"].as_str().unwrap().contains(name), "{error}");
        }
        let request =
            json!({ "path": "/api/v1/completions", "json": { "prompt": "x", "model": model } });
        assert_eq!(crs.send(&place, request).await.status, 503);
        let path = "/api/v1/chat/completions";
        let request = json!({ "path": path, "key": "narrow", "body": { "model": model } });
        assert_eq!(crs.send(&place, request).await.status, 403);
    }
    place.books("main", 0).await;
}
