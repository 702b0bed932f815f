//! The real legacy service with the tap, and `crs` in front of it: what the stand-in cannot show.
//!
//! `LEGACY_DIR=/path cargo test --test it shadow::` names it; the folder's `data/` and `logs/` are written to.
//! Without it these tests are skipped.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{
    Stage,
    series::{Series, covered},
};

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
    let mut series = Series::new(Stage::real(json!({ "accounts": accounts }), &legacy).await);
    for stream in [false, true] {
        series.send(200, ccr(json!({ "stream": stream }))).await;
        series.send(200, ccr(json!({ "stream": stream, "as": "sdk" }))).await;
    }
    series.send(501, ccr(json!({ "path": "/api/v1/messages/count_tokens" }))).await;
    for stream in [false, true] {
        for status in [400, 401, 404, 429, 500, 503, 529] {
            for alias in ["c", "d"] {
                let place = &series.stage.place;
                let id = place.run().account_id(alias);
                place.ask(["DEL", &format!("temp_unavailable:ccr:{id}")]).await;
                let record = format!("ccr_account:{id}");
                place.ask(["HSET", &record, "status", "active"]).await;
                place.ask(["HDEL", &record, "rateLimitedAt"]).await;
            }
            let error = json!({ "type": "some_error", "message": "said the vendor" });
            series.stage.place.script(json!([{
                "status": status, "repeat": true, "json": { "type": "error", "error": error }
            }]));
            series.send(status, ccr(json!({ "stream": stream }))).await;
        }
    }
    covered(&series.is_equal().await, &["ccr"]);
}
