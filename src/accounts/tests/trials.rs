//! Trying accounts of the OpenAI family, and refresh tokens that have to prove themselves.

use std::{collections::HashMap, sync::Arc, time::Duration};

use compat::{
    clock::{LocalCalendar, iso},
    crypto::Service,
    keys::AccountKind,
    pool::Kind,
    testing::TestRedis,
};
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};

use super::bench::{NOW_MS, Room, rules};
use crate::{
    accounts::lifecycle::{AccountAdmin, AdminPorts, Bindings},
    platform::bedrock::{Endpoints, Settings},
};

struct Nobody;

impl Bindings for Nobody {
    fn unbind<'a>(&'a self, _kind: AccountKind, _account_id: &'a str) -> BoxFuture<'a, usize> {
        async { 0 }.boxed()
    }

    fn counts(&self, _kind: AccountKind) -> BoxFuture<'_, HashMap<String, usize>> {
        async { HashMap::new() }.boxed()
    }
}

fn admin(room: &Room) -> AccountAdmin {
    AccountAdmin::new(AdminPorts {
        accounts: room.accounts.clone(),
        store: room.store.clone(),
        sender: room.vendor.clone(),
        vault: room.vault.clone(),
        clock: room.clock.clone(),
        calendar: LocalCalendar::new(8),
        bindings: Arc::new(Nobody),
        anomalies: room.heard.clone(),
        looks: Vec::new(),
        collation: js::Collation::default(),
        request_timeout: Duration::from_secs(600),
        api_version: String::new(),
        bedrock: Settings {
            region: String::new(),
            small_model_region: String::new(),
            default_model: String::new(),
            max_tokens: 1,
            access_key: None,
            bearer: None,
            max_attempts: 1,
            adaptive: false,
            endpoints: Endpoints::default(),
        },
    })
}

/// A ChatGPT account `a` with these fields over the usual ones.
async fn chatgpt(room: &Room, fields: &[(&str, &str)]) {
    let seal = |text: &str| room.vault.encrypt(Service::OpenAi, text);
    let (access, refresh, id) = (seal("old-access"), seal("old-refresh"), seal("old-id"));
    let future = iso(NOW_MS + 3_600_000);
    let mut words = vec!["HSET", "openai:account:a", "id", "a", "name", "Ann", "isActive", "true"];
    words.extend(["accessToken", &access, "refreshToken", &refresh, "idToken", &id]);
    words.extend(["expiresAt", &future, "accountId", "acc-1"]);
    words.extend(fields.iter().flat_map(|(name, value)| [*name, *value]));
    room.redis(&words).await;
}

async fn opened(room: &Room, field: &str) -> String {
    let stored = room.redis(&["HGET", "openai:account:a", field]).await.text().unwrap();
    room.vault.decrypt(Service::OpenAi, &stored.unwrap_or_default()).text
}

async fn events(room: &Room, kind: Kind) -> Vec<Value> {
    let mut events = Vec::new();
    admin(room).probe(kind, "a", None, &mut |event| events.push(event)).await;
    events
}

fn stream(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

#[tokio::test]
async fn a_chatgpt_account_is_asked_as_codex_asks() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    chatgpt(&room, &[]).await;
    let answer = stream(&[
        json!({ "type": "response.output_text.delta", "delta": "Hel" }),
        json!({ "type": "response.output_text.delta", "delta": "lo" }),
        json!({ "type": "response.completed", "response": {} }),
    ]);
    room.vendor.answers.lock().push_back(Ok((200, answer)));
    let told = events(&room, Kind::OpenAi).await;
    let expected = [
        json!({ "type": "test_start", "message": "Test started" }),
        json!({ "type": "content", "text": "Hel" }),
        json!({ "type": "content", "text": "lo" }),
        json!({ "type": "test_complete", "success": true }),
    ];
    assert_eq!(told, expected);
    let asked = room.vendor.asked.lock().remove(0);
    assert_eq!(asked.url, "https://chatgpt.com/backend-api/codex/responses");
    assert_eq!(asked.headers.get("authorization"), Some("Bearer old-access"));
    assert_eq!(asked.headers.get("chatgpt-account-id"), Some("acc-1"));
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!((&body["stream"], &body["store"]), (&json!(true), &json!(false)));
}

#[tokio::test]
async fn a_token_that_is_over_is_refreshed_before_the_test() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    chatgpt(&room, &[("expiresAt", "2020-01-01T00:00:00.000Z")]).await;
    let tokens = json!({ "access_token": "new-access", "expires_in": 60 }).to_string();
    let answer = stream(&[json!({ "type": "response.completed" })]);
    room.vendor.answers.lock().extend([Ok((200, tokens)), Ok((200, answer))]);
    let told = events(&room, Kind::OpenAi).await;
    assert_eq!(told.last().unwrap()["success"], true, "{told:?}");
    let asked = room.vendor.asked.lock().remove(1);
    assert_eq!(asked.headers.get("authorization"), Some("Bearer new-access"));
    assert_eq!(opened(&room, "accessToken").await, "new-access");
}

#[tokio::test]
async fn what_the_vendor_says_of_a_failure_is_told() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    chatgpt(&room, &[]).await;
    let failed = json!({ "type": "response.failed", "response": { "error": { "message": "no" } } });
    for (status, body, error) in [
        (401, r#"{"detail":"Unauthorized"}"#.to_owned(), "Unauthorized"),
        (429, r#"{"error":{"message":"limit"}}"#.to_owned(), "limit"),
        (500, String::new(), "Request failed with status code 500"),
        (200, stream(&[failed]), "no"),
        (200, stream(&[json!({ "type": "response.created" })]), "the answer broke off"),
    ] {
        room.vendor.answers.lock().push_back(Ok((status, body)));
        let last = events(&room, Kind::OpenAi).await.pop().unwrap();
        let expected = json!({ "type": "test_complete", "success": false, "error": error });
        assert_eq!(last, expected);
    }
    assert_eq!(opened(&room, "accessToken").await, "old-access");
    assert!(room.heard.0.lock().is_empty(), "nothing changes on the account");
}

#[tokio::test]
async fn an_azure_account_is_asked_for_its_deployment() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    let key = room.vault.encrypt(Service::AzureOpenAi, "az-key");
    let record = ["HSET", "azure_openai:account:a", "id", "a", "azureEndpoint"];
    let fields = ["https://u.openai.azure.com", "deploymentName", "d", "apiKey", &key];
    room.redis(&[&record[..], &fields[..]].concat()).await;
    let answer = json!({ "choices": [{ "message": { "content": "Hello" } }] }).to_string();
    room.vendor.answers.lock().push_back(Ok((200, answer)));
    let told = events(&room, Kind::Azure).await;
    assert_eq!(told[1], json!({ "type": "content", "text": "Hello" }));
    let asked = room.vendor.asked.lock().remove(0);
    let url = "https://u.openai.azure.com/openai/deployments/d/chat/completions\
               ?api-version=2024-02-15-preview";
    assert_eq!(asked.url, url);
    assert_eq!(asked.headers.get("api-key"), Some("az-key"));
}

#[tokio::test]
async fn a_token_that_does_not_prove_itself_leaves_the_old_ones() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    chatgpt(&room, &[]).await;
    let refused = json!({ "error": "invalid_grant" }).to_string();
    room.vendor.answers.lock().push_back(Ok((400, refused)));
    let body = json!({
        "openaiOauth": { "refreshToken": "tried", "accessToken": "tried" },
        "needsImmediateRefresh": true, "requireRefreshSuccess": true,
    });
    let declined = admin(&room).update(Kind::OpenAi, "a", &body).await.unwrap_err();
    assert_eq!((declined.status, &declined.body["errorCode"]), (400, &json!(400)));
    for (field, kept) in
        [("accessToken", "old-access"), ("refreshToken", "old-refresh"), ("idToken", "old-id")]
    {
        assert_eq!(opened(&room, field).await, kept);
    }
    assert!(!Value::Object(declined.body).to_string().contains("tried"));
}

#[tokio::test]
async fn answers_hold_no_tokens() {
    let redis = TestRedis::spawn();
    let room = Room::over(&redis, rules());
    let admin = admin(&room);
    let tokens = json!({ "idToken": "s-1", "accessToken": "s-2", "refreshToken": "s-3" });
    let made = admin.create(Kind::OpenAi, &json!({ "name": "n", "openaiOauth": tokens })).await;
    let made = made.unwrap();
    let id = made["data"]["id"].as_str().unwrap();
    let changed = json!({ "openaiOauth": { "accessToken": "s-4" }, "refreshToken": "s-5" });
    let changed = admin.update(Kind::OpenAi, id, &changed).await.unwrap();
    let shown = admin.list(&[Kind::OpenAi]).await.unwrap().remove(0).item;
    let text = format!("{made}{changed}{shown}");
    assert!(!text.contains("s-"), "{text}");
}
