//! Codex instructions as operators meet them: missing, learned from a genuine client, used for others.

use serde_json::{Value, json};

use crate::{
    place::{Crs, Home, Place, until},
    rollout::crs as run,
};

const INSTRUCTIONS: &str = "You are Codex, as the tests know it.";

/// Instructions of the last request that reached the vendor.
fn sent(place: &Place) -> Value {
    let received = place.outside.standin.received();
    let body: Value = serde_json::from_slice(&received.last().unwrap().body).unwrap();
    body["instructions"].clone()
}

async fn from_sdk(place: &Place, crs: &Crs) -> Value {
    let own = json!({ "instructions": "mine" });
    crs.serve(place, json!({ "as": "openai", "path": "/openai/responses", "body": own })).await;
    sent(place)
}

/// A request of the Codex CLI with some headers changed; the status of its answer.
async fn from_codex(place: &Place, crs: &Crs, headers: Value) -> u16 {
    let body = json!({ "instructions": INSTRUCTIONS });
    let request =
        json!({ "as": "codex", "path": "/openai/responses", "headers": headers, "body": body });
    crs.send(place, request).await.status
}

async fn doctor_misses_them(home: &Home) -> bool {
    let doctor = run(&home.folder, &["doctor", "--json"]).await;
    doctor.json["findings"].to_string().contains("codex-instructions")
}

#[tokio::test(flavor = "multi_thread")]
async fn instructions_are_learned_from_a_codex_client_that_the_backend_served() {
    let place = Place::seeded(json!({ "accounts": { "o": { "type": "openai" } } })).await;
    let home = Home::new(&place, place.redis_addr().port(), &[]);
    let crs = home.start().await;
    assert!(!crs.warnings().await.contains("Codex instructions"), "nobody had to go without yet");
    assert_eq!(from_sdk(&place, &crs).await, "mine");
    assert!(crs.warnings().await.contains("No Codex instructions are known"));
    assert!(doctor_misses_them(&home).await);

    // Somebody who only calls itself so teaches nothing, nor does a request that was refused.
    assert_eq!(from_codex(&place, &crs, json!({ "originator": "other" })).await, 200);
    assert_eq!(from_codex(&place, &crs, json!({ "session_id": "short" })).await, 200);
    place.script(json!([{ "status": 400, "json": { "detail": "no" } }]));
    assert_eq!(from_codex(&place, &crs, json!({})).await, 400);
    place.outside.standin.begin(None);
    assert_eq!(from_sdk(&place, &crs).await, "mine");

    assert_eq!(from_codex(&place, &crs, json!({})).await, 200);
    assert_eq!(sent(&place), INSTRUCTIONS);
    assert_eq!(from_sdk(&place, &crs).await, INSTRUCTIONS);
    let chat = json!({ "path": "/openai/v1/chat/completions", "body": { "model": "gpt-5" } });
    assert_eq!(crs.send(&place, chat).await.status, 200);
    assert_eq!(sent(&place), INSTRUCTIONS, "chat clients have none of their own");
    assert!(!crs.warnings().await.contains("Codex instructions"));
    until("another instance can know", async || !doctor_misses_them(&home).await).await;

    // The next process begins with them.
    crs.kill().await;
    let crs = home.start().await;
    until("they are read again", async || from_sdk(&place, &crs).await == INSTRUCTIONS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_answer_teaches_as_well() {
    let place = Place::seeded(json!({ "accounts": { "o": { "type": "openai" } } })).await;
    let home = Home::new(&place, place.redis_addr().port(), &[]);
    let crs = home.start().await;
    let body = json!({ "instructions": INSTRUCTIONS, "stream": false });
    crs.serve(&place, json!({ "as": "codex", "path": "/openai/v1/responses", "body": body })).await;
    assert_eq!(from_sdk(&place, &crs).await, INSTRUCTIONS);
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_teach_nothing_and_the_operators_file_stands() {
    let seed = json!({ "accounts": { "r": { "type": "responses" } } });
    let place = Place::seeded(seed).await;
    let home = Home::new(&place, place.redis_addr().port(), &[]);
    let crs = home.start().await;
    assert_eq!(from_codex(&place, &crs, json!({})).await, 200);
    assert_eq!(from_sdk(&place, &crs).await, "mine");
    crs.kill().await;

    let file = home.folder.join("instructions.txt");
    std::fs::write(&file, "the operator's own\n").unwrap();
    let env = [("CRS_CODEX_INSTRUCTIONS_FILE", file.to_str().unwrap())];
    let told = Home::new(&place, place.redis_addr().port(), &env);
    let crs = told.start().await;
    assert_eq!(from_codex(&place, &crs, json!({})).await, 200);
    assert_eq!(sent(&place), INSTRUCTIONS, "a Codex client's own pass");
    assert_eq!(from_sdk(&place, &crs).await, "the operator's own\n");
}
