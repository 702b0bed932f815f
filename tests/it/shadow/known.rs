//! Deviations that only the real legacy service shows, and the rules that know them.

use serde_json::{Value, json};
use shadow::Tally;

use super::{Stage, real::legacy};

/// Sends requests; all that differs must be known.
async fn known(stage: &Stage, requests: Vec<Value>) -> Tally {
    let mut sent = stage.tally().await.observations;
    for request in requests {
        let answer = stage.send(request).await;
        assert_eq!(answer.ended, "complete");
        sent += 1;
        stage.compared(sent).await;
    }
    let tally = stage.compared(sent).await;
    assert!(tally.mismatches().is_empty(), "{}", stage.shown());
    tally
}

/// How often each of the rules spoke.
fn spoke(tally: &Tally, rules: &[&str]) -> Vec<u64> {
    rules.iter().map(|rule| tally.rules.get(*rule).copied().unwrap_or(0)).collect()
}

fn chat(stream: bool, model: &str) -> Value {
    let path = "/openai/claude/v1/chat/completions";
    json!({ "path": path, "stream": stream, "body": { "model": model } })
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_on_accounts_that_the_service_cannot_use() {
    let Some(legacy) = legacy() else { return };
    let accounts = json!({
        "b": { "type": "bedrock", "awsCredentials": "AKIAB" }, "c": { "type": "ccr" }
    });
    let stage = Stage::real(json!({ "accounts": accounts }), &legacy).await;
    let mut requests = Vec::new();
    for model in ["claude-sonnet-4-20250514", "ccr,claude-sonnet-4-20250514"] {
        requests.extend([chat(false, model), chat(true, model)]);
    }
    let tally = known(&stage, requests).await;
    assert_eq!(spoke(&tally, &["chat-served"]), [4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_the_other_type() {
    let Some(legacy) = legacy() else { return };
    for kind in ["bearer_token", "access_key"] {
        let accounts = json!({ "b": {
            "type": "bedrock", "credentialType": kind, "bearerToken": "api-key",
            "awsCredentials": "AKIAB"
        } });
        let stage = Stage::real(json!({ "accounts": accounts }), &legacy).await;
        let tally = known(&stage, vec![json!({}), json!({ "stream": true })]).await;
        let rules = ["left-access-key-ignored", "left-api-key-ignored", "left-api-key-signed"];
        let expected = if kind == "bearer_token" { [2, 0, 0] } else { [0, 2, 4] };
        assert_eq!(spoke(&tally, &rules), expected, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_credentials() {
    let Some(legacy) = legacy() else { return };
    let accounts = json!({
        "b": { "type": "bedrock", "awsCredentials": "AKIAB" },
        "c": { "type": "bedrock", "awsCredentials": "AKIAC", "isActive": false }
    });
    let stage = Stage::real(json!({ "accounts": accounts }), &legacy).await;
    known(&stage, vec![json!({})]).await;
    let key = |alias: &str| format!("bedrock_account:{}", stage.place.run().account_id(alias));
    let read = async |alias: &str| {
        let text = stage.place.ask(["GET", &key(alias)]).await;
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let mut record = read("b").await;
    record["awsCredentials"] = read("c").await["awsCredentials"].take();
    stage.place.ask(["SET", &key("b"), &record.to_string()]).await;
    let tally = known(&stage, vec![json!({}), json!({ "stream": true })]).await;
    assert_eq!(spoke(&tally, &["access-key-in-force"]), [2]);
}

/// Accounts behind a proxy, notifications, a packed error, a record that cannot be read, a state that is over.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_difference() {
    let Some(legacy) = legacy() else { return };
    let accounts = json!({ "a": { "proxy": { "via": "http", "username": "u", "password": "p" } } });
    let stage = Stage::real(json!({ "accounts": accounts }), &legacy).await;
    let hook = format!("http://127.0.0.1:{}/hook", stage.place.outside.receiver_port);
    let hook = json!({ "id": "h", "type": "custom", "name": "H", "enabled": true, "url": hook });
    let settings = json!({ "enabled": true, "platforms": [hook] });
    stage.place.ask(["SET", "webhook_config:default", &settings.to_string()]).await;
    let error = json!({ "type": "error", "error": { "type": "api_error", "message": "no" } });
    let packed = json!({ "status": 400, "json": error, "encoding": "gzip" });
    let reset = (jiff::Timestamp::now().as_second() + 3_600).to_string();
    let limited = json!({
        "status": 429, "json": error, "headers": { "anthropic-ratelimit-unified-reset": reset }
    });
    stage.place.script(json!([packed, limited, { "repeat": true }]));
    let tally = known(&stage, vec![json!({ "stream": true }), json!({})]).await;
    assert!(!stage.place.outside.receiver.received().is_empty(), "operators were told");
    let why = tally.not_compared.keys().any(|why| why.ends_with("(MIGRATION 77)"));
    assert!(why, "{:?}", tally.not_compared);
}

#[tokio::test(flavor = "multi_thread")]
async fn ccr_accounts_that_only_node_leaves_out() {
    let Some(legacy) = legacy() else { return };
    let model = json!({ "body": { "model": "ccr,claude-sonnet-4-20250514" } });
    let past = "2026-01-02T03:04:05.678Z";
    for (account, number) in [
        (json!({ "type": "ccr", "status": "overloaded", "overloadedAt": past }), "(MIGRATION 45)"),
        (json!({ "type": "ccr", "proxy": "x" }), "(MIGRATION 46)"),
    ] {
        let accounts = json!({ "c": account, "d": { "type": "ccr", "priority": "90" } });
        let stage = Stage::real(json!({ "accounts": accounts }), &legacy).await;
        let tally = known(&stage, vec![model.clone()]).await;
        let told = tally.not_compared.keys().any(|why| why.ends_with(number));
        assert!(told, "{number}: {:?}", tally.not_compared);
    }
}
