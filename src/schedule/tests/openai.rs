//! Selections for the responses API recorded from the legacy service at a frozen moment: random accounts,
//! bindings, groups, sticky mappings, limits and models, its answer or refusal, and every key it changed.

use std::{collections::HashMap, sync::Arc};

use compat::{
    pool::Family,
    sticky::StickyTtl,
    store::Store,
    testing::{Changes, TestRedis, changes, conclude, equal, lay_out, state},
};
use serde::Deserialize;

use super::recorded::Desk;
use crate::schedule::{
    Rules,
    openai::{Ask, Refreshed, Refusal},
};

#[derive(Deserialize)]
struct Recording {
    now: i64,
    renews: bool,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    n: i64,
    setup: Vec<Vec<String>>,
    binding: String,
    hash: Option<String>,
    model: Option<String>,
    /// Whether a refresh of an account's token succeeds.
    refreshes: HashMap<String, bool>,
    /// Accounts whose token was refreshed, in order.
    asked: Vec<String>,
    result: Outcome,
    diff: Changes,
}

#[derive(Deserialize, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
struct Outcome {
    account_id: Option<String>,
    account_type: Option<String>,
    message: Option<String>,
    status: Option<u16>,
}

#[tokio::test]
async fn as_recorded() {
    replay(include_str!("../../../tests/fixtures/selection/openai.json")).await;
}

#[tokio::test]
async fn as_recorded_with_renewal() {
    replay(include_str!("../../../tests/fixtures/selection/openai-renewal.json")).await;
}

/// Replays any recording named by `CRS_OPENAI_SELECTION_RECORDING`; without one there is nothing to do.
#[tokio::test]
async fn from_a_file() {
    let Ok(path) = std::env::var("CRS_OPENAI_SELECTION_RECORDING") else { return };
    replay(&std::fs::read_to_string(path).unwrap()).await;
}

async fn replay(text: &str) {
    let recording: Recording = serde_json::from_str(text).unwrap();
    let redis = TestRedis::spawn();
    let store: Arc<dyn Store> = Arc::new(redis.store());
    let (mut wrong, mut deviating) = (Vec::new(), 0);
    for case in &recording.cases {
        if case.deviates(recording.now) {
            deviating += 1;
        } else if let Err(difference) = run(case, &recording, &store).await {
            wrong.push(format!("case {}: {difference}", case.n));
        }
    }
    let all = recording.cases.len();
    conclude(&wrong, all);
    assert!(deviating * 4 < all, "{deviating} of {all} were not compared");
}

impl Case {
    /// Whether accounts are in a state that is handled otherwise on purpose (`MIGRATION.md` 58 to 60).
    fn deviates(&self, now_ms: i64) -> bool {
        let grouped = self.binding.starts_with("group:");
        self.records().any(|(key, fields)| {
            let field = |name: &str| fields.get(name).copied().unwrap_or_default();
            let limited = field("rateLimitStatus") == "limited";
            if key.starts_with("openai:account:") {
                let stuck = self.result.account_id.as_deref() == Some(field("id"));
                let end = compat::js::date_ms(field("rateLimitResetAt"));
                let over = limited && end.is_none_or(|end| end <= now_ms);
                return stuck && field("isActive") == "false"
                    || over && field("status") == "unauthorized";
            }
            grouped && limited && key.starts_with("openai_responses_account:")
        })
    }

    fn records(&self) -> impl Iterator<Item = (&str, HashMap<&str, &str>)> {
        self.setup.iter().filter(|words| words[0] == "HSET").map(|words| {
            let fields = words[2..].chunks_exact(2).map(|pair| (&*pair[0], &*pair[1]));
            (&*words[1], fields.collect())
        })
    }
}

async fn run(case: &Case, recording: &Recording, store: &Arc<dyn Store>) -> Result<(), String> {
    lay_out(&**store, &case.setup).await;
    let before = state(&**store).await;

    let rules = Rules {
        dedicated_fallback: false,
        console_block_minutes: 0,
        sticky: StickyTtl::new(1.0, if recording.renews { 30 } else { 0 }),
        surroundings: false,
        collation: js::Collation::default(),
    };
    let desk = Desk::new(store, recording.now, rules);
    let mut refreshed = Vec::new();
    let outcome = loop {
        let session = case.hash.as_deref();
        let read = desk.scheduler.prefetch(Family::OpenAi, session).await.unwrap();
        let ask = Ask {
            binding: &case.binding,
            session,
            model: case.model.as_deref(),
            refreshed: &refreshed,
        };
        match desk.scheduler.select(&ask, read, &mut Vec::new()).await {
            Err(Refusal::Refresh(stale)) => refreshed.extend(stale.into_iter().map(|account| {
                Refreshed { done: case.refreshes.get(&*account.id) == Some(&true), account }
            })),
            outcome => break outcome,
        }
    };
    desk.close().await;
    let after = state(&**store).await;

    let answer = match &outcome {
        Ok(selection) => Outcome {
            account_id: Some(selection.account.id.to_string()),
            account_type: Some(selection.kind().as_str().to_owned()),
            ..Outcome::default()
        },
        Err(refusal) => Outcome {
            message: Some(refusal.to_string()),
            status: Some(refusal.status()),
            ..Outcome::default()
        },
    };
    if answer != case.result {
        return Err(format!("{answer:?}, legacy: {:?}", case.result));
    }
    let asked: Vec<&str> = refreshed.iter().map(|tried| &*tried.account.id).collect();
    if asked != case.asked {
        return Err(format!("refreshed {asked:?}, legacy: {:?}", case.asked));
    }
    equal(&changes(&before, &after), &case.diff, |_| false)
}
