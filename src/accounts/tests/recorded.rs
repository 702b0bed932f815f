//! Whole requests recorded from the legacy relay at a frozen moment: an account in some state, a
//! client, the vendor's answers; and every key that changed, what operators were told and what a
//! dedicated client got instead of the vendor's error.

use std::{collections::HashMap, sync::Arc};

use compat::{
    clock::LocalCalendar,
    crypto::Vault,
    pool::{Family, Kind, Need},
    sticky::StickyTtl,
    store::Store,
    testing::{Changes, TestRedis, changes, conclude, equal, lay_out, state},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::bench::{Answer, KEY, NOW_MS, Room, rules};
use crate::{
    accounts::{
        AccountRules, ClientView, OfficialReply, ProviderReply,
        messages::{LimitEnd, account_limited, opus_limited},
    },
    domain::HeaderList,
    schedule::{KeyBindings, Model, Rules, Scheduler, SelectRequest},
    upstream::{SendError, SendErrorKind},
};

#[derive(Deserialize)]
struct Recording {
    now: i64,
    variant: bool,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    n: i64,
    console: bool,
    stream: bool,
    setup: Vec<Vec<String>>,
    dedicated: bool,
    hash: Option<String>,
    model: String,
    headers: HashMap<String, String>,
    claude_code: bool,
    actual: bool,
    helper: bool,
    reply: Vendor,
    sent: Vec<String>,
    diff: Changes,
    client: Value,
    anomalies: Vec<[String; 4]>,
}

#[derive(Deserialize)]
struct Vendor {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
    network: Option<String>,
    token: Scripted,
    profile: Scripted,
}

#[derive(Deserialize)]
struct Scripted {
    status: Option<u16>,
    body: Option<String>,
    network: Option<String>,
}

impl Scripted {
    fn answer(&self) -> Answer {
        match (&self.network, self.status, &self.body) {
            (Some(text), ..) => Err(SendError::new(SendErrorKind::Refused, text.clone())),
            (None, Some(status), Some(body)) => Ok((status, body.clone())),
            _ => panic!("an answer needs status and body"),
        }
    }
}

/// Shared by all cases; deriving keys takes long.
type Ports = (Arc<dyn Store>, Vault);

#[tokio::test]
async fn with_shipped_settings() {
    replay(include_str!("../../../tests/fixtures/settle/shipped.json")).await;
}

#[tokio::test]
async fn with_blocks_and_two_warnings() {
    replay(include_str!("../../../tests/fixtures/settle/blocks.json")).await;
}

/// Replays any recording named by `CRS_SETTLE_RECORDING`; without one there is nothing to do.
#[tokio::test]
async fn from_a_file() {
    let Ok(path) = std::env::var("CRS_SETTLE_RECORDING") else { return };
    replay(&std::fs::read_to_string(path).unwrap()).await;
}

async fn replay(text: &str) {
    let recording: Recording = serde_json::from_str(text).unwrap();
    assert_eq!(recording.now, NOW_MS);
    let redis = TestRedis::spawn();
    let ports: Ports = (Arc::new(redis.store()), Vault::new(KEY));
    let mut rules = rules();
    if recording.variant {
        rules = AccountRules { warnings_per_window: 2, console_block_minutes: 10, ..rules };
        rules.cooldowns.service_unavailable = 77;
    }
    let mut wrong = Vec::new();
    for case in &recording.cases {
        if let Err(difference) = run(case, &ports, rules.clone()).await {
            wrong.push(format!("case {}: {difference}", case.n));
        }
    }
    conclude(&wrong, recording.cases.len());
}

async fn run(case: &Case, ports: &Ports, rules: AccountRules) -> Result<(), String> {
    let room = Room::with(ports.0.clone(), ports.1.clone(), rules);
    lay_out(&*room.store, &case.setup).await;
    let before = state(&*room.store).await;
    {
        let mut answers = room.vendor.answers.lock();
        if case.sent.iter().any(|url| url.contains("/oauth/token")) {
            answers.push_back(case.reply.token.answer());
        }
        if case.sent.iter().any(|url| url.contains("/oauth/profile")) {
            answers.push_back(case.reply.profile.answer());
        }
    }
    let client =
        if case.console { console(case, &room).await } else { official(case, &room).await };
    room.accounts.drain().await;
    assert!(room.vendor.answers.lock().is_empty(), "case {}: the vendor was not asked", case.n);
    let mut after = changes(&before, &state(&*room.store).await);
    reveal(&mut after, &room);

    // Composed with the request, in `platform`.
    equal(&after, &case.diff, |key| key.starts_with("fmt_claude_req:"))?;
    if let Some(body) = client {
        let text = case.client.get("body").or_else(|| case.client.get("out"));
        let legacy: Value = text
            .and_then(Value::as_str)
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        if case.client.get("status") != Some(&json!(403)) || legacy != body {
            return Err(format!("client got {body}, legacy: {:?}", case.client));
        }
    }
    let heard: Vec<[String; 4]> = room
        .heard
        .0
        .lock()
        .iter()
        .map(|a| [a.code.into(), a.status.into(), a.platform.into(), a.reason.clone()])
        .collect();
    if heard != case.anomalies {
        return Err(format!("reported {heard:?}, legacy: {:?}", case.anomalies));
    }
    Ok(())
}

/// A request through an official account, the way the pipeline runs it. Gives the body that replaces
/// the vendor's error, if any.
async fn official(case: &Case, room: &Room) -> Option<Value> {
    let rules = Rules {
        dedicated_fallback: false,
        console_block_minutes: 0,
        sticky: StickyTtl::new(1.0, 0),
        surroundings: false,
        collation: js::Collation::default(),
    };
    let scheduler = Scheduler::new(
        room.store.clone(),
        room.pools.clone(),
        room.writes.clone(),
        room.clock.clone(),
        LocalCalendar::new(8),
        Arc::new(super::bench::Simple),
        room.heard.clone(),
        rules,
    );
    let request = SelectRequest {
        bindings: KeyBindings {
            claude: if case.dedicated { "a1" } else { "" },
            ..KeyBindings::default()
        },
        session_hash: case.hash.as_deref(),
        model: Model::Name(&case.model),
        forced: None,
    };
    let prefetched = scheduler.prefetch(Family::Claude, request.session_hash).await.unwrap();
    let selection = scheduler.select(&request, prefetched, &mut Vec::new()).await.ok()?;
    let snapshot = room.pool.current().unwrap();
    let agent = case.headers.get("user-agent").map(String::as_str);
    let ready = room.accounts.official_ready(&selection.account, &snapshot, agent).await.ok()?;
    if let Some(network) = &case.reply.network {
        if network == "ETIMEDOUT" && !case.stream {
            room.accounts.settle_official_timeout(&ready.record).await;
        }
        return None;
    }
    let headers: HeaderList = case.reply.headers.clone().into_iter().collect();
    let client: HeaderList = case.headers.clone().into_iter().collect();
    let passed = if case.stream { case.actual } else { case.claude_code };
    let reply = OfficialReply {
        status: case.reply.status,
        headers: &headers,
        error_body: case.reply.body.as_bytes(),
        stream: case.stream,
        limit_in_stream: case.stream
            && case.reply.status == 200
            && case.reply.body.contains("exceed your account's rate limit"),
        model: Some(&case.model),
        session_hash: case.hash.as_deref(),
        dedicated: case.dedicated,
        background_helper: case.helper,
        claude_code_headers: passed.then_some(&client),
    };
    let calendar = LocalCalendar::new(8);
    match room.accounts.settle_official(&ready.record, &reply).await {
        ClientView::AsIs => None,
        ClientView::AccountLimited { reset_s } => Some(json!({
            "error": "upstream_rate_limited",
            "message": account_limited(LimitEnd::header(Some(reset_s)), calendar),
        })),
        ClientView::OpusLimited { reset_s } => Some(json!({
            "error": "opus_weekly_limit",
            "message": opus_limited(LimitEnd::header(reset_s), calendar),
        })),
    }
}

async fn console(case: &Case, room: &Room) -> Option<Value> {
    let needs = [Need::List(Kind::Console), Need::Account(Kind::Console, "a1".into())];
    let entry = room.pool.snapshot(&needs).await.unwrap().get(Kind::Console, "a1").unwrap();
    let slot = room.accounts.acquire_slot(&entry).await.unwrap();
    let headers: HeaderList = case.reply.headers.clone().into_iter().collect();
    let reply = ProviderReply {
        status: case.reply.status,
        headers: &headers,
        error_body: case.reply.body.as_bytes(),
        stream: case.stream,
    };
    room.accounts.settle_provider(&entry, &reply).await;
    if case.stream && case.reply.status == 200 {
        room.accounts.provider_used(&entry).await;
    }
    drop(slot);
    None
}

/// Encrypted fields differ by their random IV; compare what they hold.
fn reveal(changes: &mut Changes, room: &Room) {
    let Some(Some(record)) = changes.get_mut("claude:account:a1") else { return };
    for field in ["accessToken", "refreshToken", "email"] {
        let stored =
            record.value.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(stored) = stored {
            record.value[field] = format!("plain:{}", room.opened(stored)).into();
        }
    }
}
