//! Recovery rounds recorded from the legacy service at a frozen moment.

use std::sync::Arc;

use compat::{
    crypto::Vault,
    store::Store,
    testing::{Changes, TestRedis, changes, conclude, equal, lay_out, state},
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
    diff: Changes,
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
    conclude(&wrong, recording.cases.len());
}

async fn run(case: &Case, room: &Room) -> Result<(), String> {
    lay_out(&*room.store, &case.setup).await;
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
    equal(&after, &case.diff, |_| false)?;
    if room.vendor.answers.lock().is_empty() { Ok(()) } else { Err("no refresh ahead".into()) }
}
