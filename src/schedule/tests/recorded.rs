//! Selections recorded from the legacy service at a frozen moment: random accounts, key bindings,
//! sticky mappings and models, its answer or error, and every key it changed. The same state must lead
//! here to the same answer and the same keys.

use std::{collections::HashMap, sync::Arc};

use compat::{
    account_state::UsageCost,
    clock::{Clock, LocalCalendar},
    crypto::Vault,
    pool::{DayUsage, Family, Pools},
    sticky::StickyTtl,
    store::Store,
    testing::{Changes, Stored, TestRedis, changes, conclude, equal, lay_out, state},
    write_behind::WriteBehind,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::{
    domain::{Anomaly, AnomalySink},
    schedule::{ForcedAccount, KeyBindings, Model, Rules, Scheduler, SelectError, SelectRequest},
};

#[derive(Deserialize)]
struct Recording {
    now: i64,
    fallback: bool,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    n: i64,
    setup: Vec<Vec<String>>,
    bindings: Bindings,
    hash: Option<String>,
    model: Value,
    forced: Option<Forced>,
    result: Outcome,
    diff: Changes,
    anomalies: Vec<String>,
}

#[derive(Deserialize)]
struct Bindings {
    claude: String,
    console: String,
    bedrock: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Forced {
    account_id: String,
    account_type: String,
}

#[derive(Deserialize, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
struct Outcome {
    account_id: Option<String>,
    account_type: Option<String>,
    message: Option<String>,
    code: Option<String>,
    reason: Option<String>,
    ends_at: Option<String>,
}

/// The price list that the recording used in place of the real one.
struct Simple;

impl UsageCost for Simple {
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    fn cost(&self, usage: &DayUsage) -> f64 {
        (usage.input + usage.output) as f64 / 1000.0
    }
}

#[derive(Default)]
struct Heard(parking_lot::Mutex<Vec<String>>);

impl AnomalySink for Heard {
    fn report(&self, anomaly: Anomaly) {
        self.0.lock().push(anomaly.code.to_owned());
    }
}

/// A scheduler over a recording's database, at its moment.
pub(super) struct Desk {
    pub(super) scheduler: Scheduler,
    heard: Arc<Heard>,
    writes: WriteBehind,
    writer: JoinHandle<()>,
}

impl Desk {
    pub(super) fn new(store: &Arc<dyn Store>, now_ms: i64, rules: Rules) -> Self {
        let (clock, calendar) = (Clock::manual(now_ms), LocalCalendar::new(8));
        let vault = Vault::new("0123456789abcdef0123456789abcdef");
        let pools = Arc::new(Pools::new(store, &clock, calendar, &vault));
        let (writes, writer) = WriteBehind::new(store.clone());
        let heard = Arc::new(Heard::default());
        let scheduler = Scheduler::new(
            store.clone(),
            pools,
            writes.clone(),
            clock,
            calendar,
            Arc::new(Simple),
            heard.clone(),
            rules,
        );
        Self { scheduler, heard, writes, writer: tokio::spawn(writer) }
    }

    /// Waits until everything is written; gives what operators were told.
    pub(super) async fn close(self) -> Vec<String> {
        let Self { scheduler, heard, writes, writer } = self;
        writes.flush().await;
        drop((scheduler, writes));
        writer.await.unwrap();
        std::mem::take(&mut *heard.0.lock())
    }
}

#[tokio::test]
async fn with_shipped_settings() {
    replay(include_str!("../../../tests/fixtures/selection/shipped.json")).await;
}

#[tokio::test]
async fn with_fallback_renewal_and_blocks() {
    replay(include_str!("../../../tests/fixtures/selection/fallback.json")).await;
}

/// Replays any recording named by `CRS_SELECTION_RECORDING`; without one there is nothing to do.
#[tokio::test]
async fn from_a_file() {
    let Ok(path) = std::env::var("CRS_SELECTION_RECORDING") else { return };
    replay(&std::fs::read_to_string(path).unwrap()).await;
}

async fn replay(text: &str) {
    let recording: Recording = serde_json::from_str(text).unwrap();
    let redis = TestRedis::spawn();
    let store: Arc<dyn Store> = Arc::new(redis.store());
    let mut wrong = Vec::new();
    for case in &recording.cases {
        if let Err(difference) = run(case, &recording, &store).await {
            wrong.push(format!("case {}: {difference}", case.n));
        }
    }
    conclude(&wrong, recording.cases.len());
}

async fn run(case: &Case, recording: &Recording, store: &Arc<dyn Store>) -> Result<(), String> {
    lay_out(&**store, &case.setup).await;
    let before = state(&**store).await;

    let rules = Rules {
        dedicated_fallback: recording.fallback,
        console_block_minutes: if recording.fallback { 10 } else { 0 },
        sticky: StickyTtl::new(1.0, if recording.fallback { 30 } else { 0 }),
        surroundings: false,
        collation: js::Collation::default(),
    };
    let desk = Desk::new(store, recording.now, rules);
    let text = case.model.to_string();
    let request = SelectRequest {
        bindings: KeyBindings {
            claude: &case.bindings.claude,
            console: &case.bindings.console,
            bedrock: &case.bindings.bedrock,
        },
        session_hash: case.hash.as_deref(),
        model: match &case.model {
            Value::Null => Model::Unspecified,
            Value::String(name) if name.is_empty() => Model::Unspecified,
            Value::String(name) => Model::Name(name),
            _ => Model::NotText(&text),
        },
        forced: case.forced.as_ref().map(|forced| ForcedAccount {
            account_id: &forced.account_id,
            account_type: &forced.account_type,
        }),
    };
    let prefetched = desk.scheduler.prefetch(Family::Claude, request.session_hash).await.unwrap();
    let answer = match desk.scheduler.select(&request, prefetched, &mut Vec::new()).await {
        Ok(selection) => Outcome {
            account_id: Some(selection.account.id.to_string()),
            account_type: Some(selection.kind().as_str().to_owned()),
            ..Outcome::default()
        },
        Err(error) => refusal(&error),
    };
    let heard = desk.close().await;
    let after = state(&**store).await;

    let before_and_after = (&before, &after);
    if recovered(before_and_after) {
        // `MIGRATION.md` 45: the legacy service waits for an admin.
        return Ok(());
    }
    if answer != case.result {
        return Err(format!("{:?}, legacy: {:?}", answer, case.result));
    }
    let changes = changes(&before, &after);
    // A remnant without an id is deleted by the legacy listing and left alone here.
    let remnant = |key: &str| {
        key.starts_with("claude_console_account:")
            && !changes.contains_key(key)
            && case.diff.get(key) == Some(&None)
    };
    equal(&changes, &case.diff, remnant)?;
    if heard != case.anomalies {
        return Err(format!("reported {heard:?}, legacy: {:?}", case.anomalies));
    }
    Ok(())
}

/// Whether the state of a CCR account ended by itself.
fn recovered((before, after): (&HashMap<String, Stored>, &HashMap<String, Stored>)) -> bool {
    let status = |state: &HashMap<String, Stored>, key: &str| {
        state.get(key).and_then(|record| record.value.get("status").cloned())
    };
    let ccr = |key: &&String| key.starts_with("ccr_account:");
    after.keys().filter(ccr).any(|key| {
        let was = status(before, key);
        let lasting = ["rate_limited", "overloaded", "quota_exceeded"];
        lasting.iter().any(|state| was.as_ref().is_some_and(|was| was == state))
            && status(after, key) != was
    })
}

fn refusal(error: &SelectError) -> Outcome {
    let mut outcome = Outcome { message: Some(error.to_string()), ..Outcome::default() };
    match error {
        SelectError::SessionBinding { .. } => {
            outcome.code = Some("SESSION_BINDING_ACCOUNT_UNAVAILABLE".into());
        }
        SelectError::DedicatedLimited { ends_at, .. } => {
            outcome.code = Some("CLAUDE_DEDICATED_RATE_LIMITED".into());
            outcome.ends_at.clone_from(ends_at);
        }
        SelectError::DedicatedUnavailable { reason, .. } => {
            outcome.code = Some("CLAUDE_DEDICATED_UNAVAILABLE".into());
            outcome.reason = Some(reason.as_str().into());
        }
        SelectError::ConsoleFull => outcome.code = Some("CONSOLE_ACCOUNT_CONCURRENCY_FULL".into()),
        _ => {}
    }
    outcome
}
