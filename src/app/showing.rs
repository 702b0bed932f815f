//! What administrators are shown of the comparison with Node, and of single requests.

use std::sync::Arc;

use compat::store::Store;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use shadow::{
    PlaneVerdict,
    report::{Report, show_json},
    sample::SampleSettings,
};

use super::{AppState, gate_settings};
use crate::{
    api::admin::crs::{NotShown, Showing},
    rollout::{Explainer, Rollout},
    sidecar::shadow::{Shadow, ShelfError, records},
};

/// Cases that a list names; the newest are last.
const LISTED: usize = 200;

/// The evidence of this process.
pub(super) struct Evidence {
    pub(super) app: AppState,
    pub(super) rollout: Arc<Rollout>,
    /// `None`: there is no legacy service.
    pub(super) shadow: Option<Arc<Shadow>>,
    pub(super) store: Arc<dyn Store>,
}

impl Evidence {
    fn shadow(&self) -> Result<&Arc<Shadow>, NotShown> {
        self.shadow.as_ref().ok_or_else(|| {
            NotShown::Unknown("there is no legacy service (CRS_LEGACY_URL) to compare with".into())
        })
    }
}

impl Showing for Evidence {
    fn report(&self) -> BoxFuture<'_, Result<Value, NotShown>> {
        Box::pin(async {
            let shadow = self.shadow()?;
            let failed = |error: &dyn std::fmt::Display| NotShown::Failed(error.to_string());
            let tally = records::together(&*self.store).await.map_err(|error| failed(&error))?;
            let gates =
                gate_settings(&self.rollout.standing().plan).map_err(|error| failed(&error))?;
            let report = Report::new(&tally, shadow.rules(), &gates);
            serde_json::to_value(&report).map_err(|error| failed(&error))
        })
    }

    fn status(&self) -> Result<Value, NotShown> {
        Ok(json!(self.shadow()?.status()))
    }

    fn cases(&self) -> Result<Value, NotShown> {
        let shadow = self.shadow()?;
        let Some(sealer) = shadow.sealer() else { return Ok(json!({ "cases": [] })) };
        let ids = shadow.shelf().ids();
        let newest = ids.iter().skip(ids.len().saturating_sub(LISTED));
        let cases: Vec<Value> = newest
            .filter_map(|id| shadow.shelf().open(id, sealer).ok())
            .map(|case| {
                let differs: Vec<_> = case
                    .verdict
                    .planes
                    .iter()
                    .filter(|(_, verdict)| **verdict == PlaneVerdict::Differ)
                    .map(|(plane, _)| plane.name())
                    .collect();
                json!({
                    "id": case.id,
                    "atMs": case.captured_ms,
                    "route": case.control.request.route,
                    "source": case.verdict.source.name(),
                    "differs": differs,
                })
            })
            .collect();
        Ok(json!({ "cases": cases, "kept": ids.len() }))
    }

    fn case(&self, id: &str) -> Result<Value, NotShown> {
        let shadow = self.shadow()?;
        let unknown = || NotShown::Unknown(format!("there is no case {id}"));
        let sealer = shadow.sealer().ok_or_else(unknown)?;
        match shadow.shelf().open(id, sealer) {
            Ok(case) => Ok(show_json(&case.control, &case.candidate, &case.verdict)),
            Err(ShelfError::Unknown(_)) => Err(unknown()),
            Err(error) => Err(NotShown::Failed(error.to_string())),
        }
    }

    fn sample(&self) -> Result<Value, NotShown> {
        Ok(json!(*self.shadow()?.sample()))
    }

    fn set_sample(&self, settings: &[u8]) -> Result<Value, NotShown> {
        let shadow = self.shadow()?;
        let settings: SampleSettings = serde_json::from_slice(settings)
            .map_err(|error| NotShown::Senseless(error.to_string()))?;
        settings.check().map_err(NotShown::Senseless)?;
        shadow.set_sample(settings);
        self.sample()
    }

    fn reset(&self) -> BoxFuture<'_, Result<Value, NotShown>> {
        Box::pin(async {
            let shadow = self.shadow()?;
            let failed = |error: compat::store::StoreError| NotShown::Failed(error.to_string());
            records::forget(&*self.store).await.map_err(failed)?;
            shadow.reset();
            Ok(json!({ "reset": true }))
        })
    }

    fn explain(&self, request_id: &str) -> Result<Value, NotShown> {
        Explainer::explain(self, request_id).ok_or_else(|| {
            NotShown::Unknown(format!(
                "request {request_id} is not known here: the last 2,000 are, on the instance that had them"
            ))
        })
    }
}

impl Explainer for Evidence {
    fn explain(&self, request_id: &str) -> Option<Value> {
        if let Some(explained) = self.app.relay.trails.explain(request_id) {
            return Some(json!({ "served": true, "decisions": explained }));
        }
        let explained = self.shadow.as_ref()?.explain(request_id)?;
        Some(json!({ "served": false, "decisions": explained }))
    }
}
