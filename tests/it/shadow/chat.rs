//! Chat completions in shadow. The stand-in does not know them, so the real legacy service answers.

use serde_json::{Value, json};

use super::{
    Stage,
    real::legacy,
    series::{Series, covered},
};

/// Requests with the status that each gets.
fn requests() -> Vec<(u16, Value)> {
    let claude = "/openai/claude/v1/chat/completions";
    let (api, openai) = ("/api/v1/chat/completions", "/openai/v1/chat/completions");
    let tools = json!([{ "type": "function", "function": {
        "name": "get_weather", "parameters": { "type": "object" }
    } }]);
    let calls = json!([{ "id": "c1", "type": "function", "function": {
        "name": "get_weather", "arguments": "{\"city\":\"Bonn\"}"
    } }]);
    let talk = json!([
        { "role": "system", "content": "Be brief." },
        { "role": "user", "content": [
            { "type": "text", "text": "See" },
            { "type": "image_url", "image_url": { "url": "data:image/png;base64,QUJD" } }
        ] },
        { "role": "assistant", "content": null, "tool_calls": calls },
        { "role": "tool", "tool_call_id": "c1", "content": "sunny" }
    ]);
    let image = json!([{ "role": "user", "content": [
        { "type": "image_url", "image_url": { "url": "http://images.test/a.png" } }
    ] }]);
    let mut all = Vec::new();
    for stream in [false, true] {
        all.extend([
            (200, json!({ "path": claude, "stream": stream })),
            (200, json!({ "path": api, "stream": stream, "body": { "model": null } })),
            (200, json!({ "path": openai, "stream": stream, "body": { "stop": "x", "n": 2 } })),
            (200, json!({ "path": claude, "stream": stream, "body": { "messages": talk, "tools": tools } })),
            (200, json!({ "path": claude, "stream": stream, "key": "console" })),
            (403, json!({ "path": claude, "stream": stream, "key": "narrow" })),
            (500, json!({ "path": claude, "stream": stream, "body": { "messages": image } })),
        ]);
    }
    all.extend([
        (200, json!({ "path": "/api/v1/completions", "json": { "prompt": "Say hi" } })),
        (400, json!({ "path": "/api/v1/completions", "json": {} })),
        (400, json!({ "path": api, "body": { "messages": [] } })),
        (200, json!({ "path": "/openai/claude/v1/models" })),
        (200, json!({ "path": "/openai/claude/v1/models/claude-sonnet-4-20250514" })),
    ]);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_completions_show_nothing() {
    let Some(legacy) = legacy() else { return };
    let seed = json!({
        "keys": {
            "main": { "claudeAccountId": "${acc:a}" },
            "console": { "claudeConsoleAccountId": "${acc:c}" },
            "narrow": { "permissions": "[\"gemini\"]" }
        },
        "accounts": { "a": {}, "c": { "type": "console", "accountType": "dedicated" } }
    });
    let mut series = Series::new(Stage::real(seed, &legacy).await);
    for (status, request) in requests() {
        series.send(status, request).await;
    }
    for stream in [false, true] {
        for status in [400, 401, 429, 500, 529] {
            let place = &series.stage.place;
            let mark = format!("temp_unavailable:claude-official:{}", place.run().account_id("a"));
            place.ask(["DEL", &mark]).await;
            let error = json!({ "type": "some_error", "message": "said the vendor" });
            place.script(json!([{
                "status": status, "repeat": true, "json": { "type": "error", "error": error }
            }]));
            let request = json!({ "path": "/openai/claude/v1/chat/completions", "stream": stream });
            series.send(if stream { 200 } else { status }, request).await;
        }
    }
    let words = ["/openai/claude/v1/chat/completions", "/api/v1/completions", "claude-console"];
    covered(&series.is_equal().await, &words);
}

/// Chat requests for GPT models, with the status that both sides answer.
fn for_gpt() -> Vec<(u16, Value)> {
    let (api, openai) = ("/api/v1/chat/completions", "/openai/v1/chat/completions");
    let function = json!({ "name": "f".repeat(70), "parameters": { "type": "object" } });
    let tools = json!([{ "type": "function", "function": function }]);
    let talk = json!([
        { "role": "system", "content": "Be brief." },
        { "role": "user", "content": [{ "type": "text", "text": "Hi" }] },
        { "role": "assistant", "content": null, "tool_calls": [
            { "id": "c1", "type": "function", "function": { "name": "f", "arguments": "{}" } }
        ] },
        { "role": "tool", "tool_call_id": "c1", "content": "5" }
    ]);
    let mut all = Vec::new();
    for key in ["main", "provider"] {
        for stream in [false, true] {
            let ask = |path: &str, more: Value| {
                let mut body = json!({ "model": "gpt-5", "max_tokens": null });
                for (name, value) in more.as_object().into_iter().flatten() {
                    body[name] = value.clone();
                }
                json!({ "path": path, "stream": stream, "key": key, "body": body })
            };
            let schema = json!({ "type": "json_schema", "json_schema": { "name": "n" } });
            all.extend([
                (200, ask(openai, json!({}))),
                (200, ask(api, json!({ "tools": tools, "messages": talk }))),
                (200, ask(openai, json!({ "response_format": schema, "reasoning_effort": "low" }))),
                (500, ask(api, json!({ "messages": [null] }))),
            ]);
        }
    }
    all.push((403, json!({ "path": api, "key": "narrow", "body": { "model": "gpt-5" } })));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_completions_of_gpt_models_show_nothing() {
    let Some(legacy) = legacy() else { return };
    let seed = json!({
        "keys": {
            "main": { "openaiAccountId": "${acc:o}" },
            "provider": { "openaiAccountId": "responses:${acc:r}" },
            "narrow": { "permissions": "[\"claude\"]" }
        },
        "accounts": { "o": { "type": "openai" }, "r": { "type": "responses" } }
    });
    let mut series = Series::new(Stage::real(seed, &legacy).await);
    for (status, request) in for_gpt() {
        series.send(status, request).await;
    }
    covered(&series.is_equal().await, &["/openai/v1/chat/completions", "openai-responses"]);
}
