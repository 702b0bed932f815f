//! Azure in shadow. The stand-in does not know it, so the real legacy service answers.

use serde_json::{Value, json};
use shadow::Source;

use super::{Stage, real::legacy};

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
    let stage = Stage::real(json!({ "accounts": accounts }), &legacy).await;
    let mut sent = 0;
    for (status, request) in requests() {
        let answer = stage.send(request.clone()).await;
        let body = String::from_utf8_lossy(&answer.body);
        assert_eq!((answer.status, answer.ended), (status, "complete"), "{request}: {body}");
        sent += 1;
        stage.compared(sent).await;
    }
    for stream in [false, true] {
        for status in [400, 401, 404, 429, 500, 503, 529] {
            for alias in ["y", "z"] {
                let id = stage.place.run().account_id(alias);
                stage.place.ask(["DEL", &format!("temp_unavailable:azure-openai:{id}")]).await;
            }
            let error = json!({ "error": { "code": "some", "message": "said the vendor" } });
            stage.place.script(json!([{ "status": status, "repeat": true, "json": error }]));
            let session = json!({ "x-session-id": format!("s{status}") });
            let request = json!({ "path": CHAT, "stream": stream, "headers": session });
            let answer = stage.send(request).await;
            assert_eq!(answer.status, if stream { 200 } else { status });
            sent += 1;
            stage.compared(sent).await;
        }
    }
    let tally = stage.compared(sent).await;
    assert!(tally.mismatches().is_empty(), "{}", stage.shown());
    assert_eq!(tally.agreeing, sent, "{}", stage.shown());
    assert_eq!(tally.sources.clone().into_iter().collect::<Vec<_>>(), [(Source::Tap, sent)]);
    let cells = serde_json::to_value(&tally).unwrap().to_string();
    for cell in [CHAT, RESPONSES, "/azure/embeddings", "azure-openai"] {
        assert!(cells.contains(cell), "{cell} is covered: {cells}");
    }
}
