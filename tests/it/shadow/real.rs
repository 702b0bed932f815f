//! The real legacy service with the tap, and `crs` in front of it: what the stand-in cannot show.
//!
//! `LEGACY_DIR=/path cargo test --test it shadow::` names it; the folder's `data/` and `logs/` are written to.
//! Without it these tests are skipped.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::Stage;

/// Folder of an installed legacy service, if there is one.
pub fn legacy() -> Option<PathBuf> {
    let folder = std::env::var_os("LEGACY_DIR").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: LEGACY_DIR names no installed legacy service");
    }
    folder
}

fn ccr(more: Value) -> Value {
    let mut request = json!({ "body": { "model": "ccr,claude-sonnet-4-20250514" } });
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn ccr_accounts_show_nothing() {
    let Some(legacy) = legacy() else { return };
    let accounts = json!({
        "c": { "type": "ccr", "supportedModels": { "claude-sonnet-4-20250514": "vendor-sonnet" } },
        "d": { "type": "ccr" }
    });
    let stage = Stage::real(json!({ "accounts": accounts }), &legacy).await;
    let mut sent = 0;
    let mut send = async |status: u16, request: Value| {
        let answer = stage.send(request.clone()).await;
        let body = String::from_utf8_lossy(&answer.body);
        assert_eq!((answer.status, answer.ended), (status, "complete"), "{request}: {body}");
        sent += 1;
        stage.compared(sent).await;
    };
    for stream in [false, true] {
        send(200, ccr(json!({ "stream": stream }))).await;
        send(200, ccr(json!({ "stream": stream, "as": "sdk" }))).await;
    }
    send(501, ccr(json!({ "path": "/api/v1/messages/count_tokens" }))).await;
    for stream in [false, true] {
        for status in [400, 401, 404, 429, 500, 503, 529] {
            for alias in ["c", "d"] {
                let id = stage.place.run().account_id(alias);
                stage.place.ask(["DEL", &format!("temp_unavailable:ccr:{id}")]).await;
                let record = format!("ccr_account:{id}");
                stage.place.ask(["HSET", &record, "status", "active"]).await;
                stage.place.ask(["HDEL", &record, "rateLimitedAt"]).await;
            }
            let error = json!({ "type": "some_error", "message": "said the vendor" });
            stage.place.script(json!([{
                "status": status, "repeat": true, "json": { "type": "error", "error": error }
            }]));
            send(status, ccr(json!({ "stream": stream }))).await;
        }
    }
    let tally = stage.compared(sent).await;
    assert!(tally.mismatches().is_empty(), "{}", stage.shown());
    assert_eq!(tally.agreeing, sent);
    let cells = serde_json::to_value(&tally).unwrap().to_string();
    assert!(cells.contains("ccr"), "the account type is covered: {cells}");
}
