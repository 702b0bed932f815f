//! Azure in shadow. The stand-in does not know it, so the real legacy service answers.

use serde_json::{Value, json};

use super::{
    Stage,
    real::legacy,
    series::{Series, covered},
};

const CHAT: &str = "/azure/chat/completions";
const RESPONSES: &str = "/azure/responses";

/// Requests with the status that each gets, the vendor answering as usual.
fn requests() -> Vec<(u16, Value)> {
    let mut all = Vec::new();
    for stream in [false, true] {
        all.extend([
            (200, json!({ "path": CHAT, "stream": stream })),
            (200, json!({ "path": CHAT, "stream": stream, "body": { "model": "azure/gpt-4o" } })),
            (200, json!({ "path": CHAT, "stream": stream, "headers": { "x-session-id": "s1" } })),
            (200, json!({ "path": RESPONSES, "stream": stream })),
            (
                200,
                json!({ "path": RESPONSES, "stream": stream, "headers": { "x-session-id": "s1" } }),
            ),
        ]);
    }
    all.extend([
        (200, json!({ "path": "/azure/embeddings" })),
        (200, json!({ "path": "/azure/models", "method": "GET" })),
        (401, json!({ "path": CHAT, "key": null })),
    ]);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_accounts_show_nothing() {
    let Some(legacy) = legacy() else { return };
    let accounts = json!({
        "y": { "type": "azure", "priority": "90" }, "z": { "type": "azure", "priority": "10" }
    });
    let mut series = Series::new(Stage::real(json!({ "accounts": accounts }), &legacy).await);
    for (status, request) in requests() {
        series.send(status, request).await;
    }
    for stream in [false, true] {
        for status in [400, 401, 404, 429, 500, 503, 529] {
            for alias in ["y", "z"] {
                let place = &series.stage.place;
                let id = place.run().account_id(alias);
                place.ask(["DEL", &format!("temp_unavailable:azure-openai:{id}")]).await;
            }
            let error = json!({ "error": { "code": "some", "message": "said the vendor" } });
            series.stage.place.script(json!([{ "status": status, "repeat": true, "json": error }]));
            let session = json!({ "x-session-id": format!("s{status}") });
            let request = json!({ "path": CHAT, "stream": stream, "headers": session });
            series.send(if stream { 200 } else { status }, request).await;
        }
    }
    covered(&series.is_equal().await, &[CHAT, RESPONSES, "/azure/embeddings", "azure-openai"]);
}
