//! What the rollout asks before it goes on: the evidence of the shadow runs.

use std::sync::Arc;

use compat::store::Store;
use futures_util::future::BoxFuture;
use shadow::gates::{GateSettings, evaluate};

use crate::{
    rollout::{Evidence, GateResult, Plan},
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
