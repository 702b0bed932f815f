//! A service that does as it should is reported as such.

use serde_json::{Value, json};

use super::{Stage, series::Series, usual_seed};

/// Requests of all kinds that the stand-in knows, with the status that each gets.
fn requests() -> Vec<(u16, Value)> {
    let session = |n: u32| {
        json!({ "metadata": { "user_id": format!(
        "user_{}_account__session_00000000-0000-4000-8000-{n:012}", "a".repeat(64)) } })
    };
    vec![
        (200, json!({})),
        (200, json!({ "stream": true })),
        // The session is bound now.
        (200, json!({ "stream": true })),
        (200, json!({ "body": session(1) })),
        (200, json!({ "body": session(1), "stream": true })),
        (200, json!({ "path": "/claude/v1/messages", "body": session(2) })),
        (200, json!({ "path": "/api/v1/messages?beta=true", "body": session(3) })),
        (200, json!({ "key": "bound", "body": session(4) })),
        (200, json!({ "key": "bound", "body": session(4), "stream": true })),
        (200, json!({ "key_in": "Authorization", "body": session(5) })),
        (200, json!({ "body": { "model": "claude-3-5-haiku-20241022" } })),
        (200, json!({ "body": { "model": "claude-opus-4-1-20250805" }, "stream": true })),
        (200, json!({ "body": { "top_p": 0.5, "temperature": 1 } })),
        (200, json!({ "chunked": 100, "padding": 50_000 })),
        (200, json!({ "headers": { "Connection": "close" } })),
        (200, json!({ "headers": { "Connection": "close" }, "stream": true })),
        (200, json!({ "path": "/api/v1/messages/count_tokens" })),
        (200, json!({ "path": "/claude/v1/messages/count_tokens", "key": "bound" })),
        (401, json!({ "key": null })),
        (401, json!({ "key": "unknown" })),
        (401, json!({ "key": "off" })),
        (401, json!({ "key": null, "headers": { "x-api-key": "short" } })),
        (401, json!({ "key": null, "headers": { "x-api-key": "wrong-prefix-0123456789" } })),
        (400, json!({ "body": { "messages": [] } })),
        (400, json!({ "body": { "messages": null } })),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_run_shows_nothing() {
    let mut series = Series::new(Stage::start(usual_seed()).await);
    for (status, request) in requests() {
        series.ask(status, request).await;
    }
    let tally = series.is_equal().await;
    for (plane, counts) in &tally.planes {
        assert_eq!(counts.differ, 0, "{plane}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_vendor_show_nothing_either() {
    let mut series = Series::new(Stage::start(usual_seed()).await);
    let account = series.stage.place.run().account_id("a");
    let marks = [
        format!("temp_unavailable:claude-official:{account}"),
        format!("claude_account:{account}:401_errors"),
        format!("claude_account:{account}:5xx_errors"),
    ];
    for stream in [false, true] {
        // A 403 is tried again by the service, which the stand-in leaves out.
        for status in [400, 401, 404, 413, 422, 429, 500, 502, 503, 504, 529] {
            for mark in &marks {
                series.stage.place.ask(["DEL", mark]).await;
            }
            let error = json!({ "type": "some_error", "message": "said the vendor" });
            series.stage.place.script(json!([{
                "status": status, "repeat": true, "json": { "type": "error", "error": error }
            }]));
            let shown = if stream { 200 } else { status };
            series.send(shown, json!({ "stream": stream })).await;
        }
    }
    series.is_equal().await;
}
