//! Recovery rounds recorded from the legacy service at a frozen moment.

use std::{collections::HashMap, sync::Arc};

use compat::{
    crypto::Vault,
    store::{Batch, Cmd, Store},
    testing::{Stored, TestRedis, changes, state},
};
use serde::Deserialize;
use serde_json::Value;

use super::bench::{KEY, NOW_MS, Room, rules};

#[derive(Deserialize)]
struct Recording {
    now: i64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    n: i64,
    setup: Vec<Vec<String>>,
    hourly: bool,
    asked: usize,
    diff: HashMap<String, Option<Stored>>,
}

#[tokio::test]
async fn states_whose_time_is_over_are_lifted() {
    replay(include_str!("../../../tests/fixtures/recover/rounds.json")).await;
}

/// Replays any recording named by `CRS_RECOVER_RECORDING`; without one there is nothing to do.
#[tokio::test]
async fn from_a_file() {
    let Ok(path) = std::env::var("CRS_RECOVER_RECORDING") else { return };
    replay(&std::fs::read_to_string(path).unwrap()).await;
}

async fn replay(text: &str) {
    let recording: Recording = serde_json::from_str(text).unwrap();
    assert_eq!(recording.now, NOW_MS);
    let redis = TestRedis::spawn();
    let store: Arc<dyn Store> = Arc::new(redis.store());
    let vault = Vault::new(KEY);
    let mut wrong = Vec::new();
    for case in &recording.cases {
        let room = Room::with(store.clone(), vault.clone(), rules());
        if let Err(difference) = run(case, &room).await {
            wrong.push(format!("case {}: {difference}", case.n));
        }
    }
    let (bad, all) = (wrong.len(), recording.cases.len());
    assert!(wrong.is_empty(), "{bad} of {all} differ:\n{}", wrong.join("\n"));
}

async fn run(case: &Case, room: &Room) -> Result<(), String> {
    let mut setup = Batch::from(Cmd::new("FLUSHALL"));
    for words in &case.setup {
        setup.push(Cmd::Words(words.iter().map(|word| word.clone().into()).collect()));
    }
    room.store.run(setup).await.unwrap();
    let before = state(&*room.store).await;
    let answer = r#"{"access_token":"newtok","refresh_token":"newrt","expires_in":100}"#;
    for _ in 0..case.asked {
        room.vendor.answers.lock().push_back(Ok((200, answer.to_owned())));
    }
    if case.hourly {
        room.accounts.retry_errors().await.unwrap();
    } else {
        room.accounts.recover().await.unwrap();
    }
    room.accounts.drain().await;
    let mut after = changes(&before, &state(&*room.store).await);
    for record in after.values_mut().flatten().filter(|record| record.kind == "hash") {
        for field in ["accessToken", "refreshToken"] {
            let stored = record.value.get(field).and_then(Value::as_str).unwrap_or_default();
            if !stored.is_empty() {
                record.value[field] = format!("plain:{}", room.opened(stored)).into();
            }
        }
    }
    // The rounds that were recorded look at Claude accounts only.
    after.remove("openai:account:index:empty");
    let mut keys: Vec<&String> = after.keys().chain(case.diff.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let (ours, theirs) = (after.get(key), case.diff.get(key));
        let same = match (ours, theirs) {
            (Some(Some(a)), Some(Some(b))) => a.matches(b),
            (Some(None), Some(None)) => true,
            _ => false,
        };
        if !same {
            return Err(format!("{key}: {ours:?}, legacy: {theirs:?}"));
        }
    }
    if room.vendor.answers.lock().is_empty() { Ok(()) } else { Err("no refresh ahead".into()) }
}
