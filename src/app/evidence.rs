//! What the rollout asks before it goes on: the evidence of the shadow runs, and which requests are not
//! for this version.

use std::sync::Arc;

use compat::{
    pool::{AccountPool, Kind, Need},
    record::ApiKey,
    store::Store,
};
use futures_util::future::BoxFuture;
use shadow::gates::{GateSettings, evaluate};

use crate::{
    rollout::{Evidence, Fitness, GateResult, OwnedRoute, Plan},
    sidecar::shadow::records,
};

/// Gates over what all instances have compared.
pub(super) struct ShadowEvidence {
    pub(super) store: Arc<dyn Store>,
}

impl Evidence for ShadowEvidence {
    fn gates<'a>(&'a self, from: &'a Plan, _: &'a Plan) -> BoxFuture<'a, Vec<GateResult>> {
        Box::pin(async move {
            let settings = match settings(from) {
                Ok(settings) => settings,
                Err(error) => {
                    let why = format!("the plan's overrides of gates cannot be read: {error}");
                    return vec![GateResult::new("evidence", false, why)];
                }
            };
            let tally = match records::together(&*self.store).await {
                Ok(tally) => tally,
                Err(error) => {
                    let why = format!("what was compared cannot be read: {error}");
                    return vec![GateResult::new("evidence", false, why)];
                }
            };
            let gates = evaluate(&settings, &tally).into_iter();
            let shown = |gate: shadow::gates::Gate| {
                let detail = format!("{}, needs {}: {}", gate.have, gate.need, gate.explanation);
                GateResult::new(&gate.gate, gate.green, detail)
            };
            gates.map(shown).collect()
        })
    }
}

/// The gates' settings: the usual ones with the plan's overrides.
///
/// # Errors
/// When an override has the wrong type.
pub fn settings(plan: &Plan) -> Result<GateSettings, serde_json::Error> {
    serde_json::from_value(plan.gates.clone())
}

/// Keeps requests from crs that could need an account of a kind that it does not serve yet.
pub(super) struct ServedKinds {
    pub(super) pool: Arc<AccountPool>,
}

impl Fitness for ServedKinds {
    fn unfit(&self, route: &OwnedRoute, key: &ApiKey) -> Option<&'static str> {
        if !matches!(route.name, "messages" | "count_tokens") {
            return None;
        }
        let named = |field: &Option<String>| field.as_deref().is_some_and(|id| !id.is_empty());
        if named(&key.bedrock_account_id) {
            return Some("its key names a Bedrock account");
        }
        if named(&key.claude_account_id) || named(&key.claude_console_account_id) {
            return None;
        }
        // Which accounts are shared is known once anybody has asked.
        let snapshot = self.pool.current().filter(|now| now.covers(&[Need::List(Kind::Bedrock)]));
        let snapshot = snapshot?;
        let shared = |entry: &Arc<compat::pool::Entry>| {
            entry.active() && entry.schedulable() && entry.text("accountType") == "shared"
        };
        snapshot
            .list(Kind::Bedrock)
            .iter()
            .any(shared)
            .then_some("a shared Bedrock account could serve it")
    }
}
