//! Administration of crs itself, below `/admin/crs/`. Node has no such paths: crs answers them in every
//! phase and never forwards them.
//!
//! Answers are `{success: true, data}` or `{success: false, error, message, code}`; who is not logged in
//! gets Node's 401.

mod body;
mod evidence;
mod rollout;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{Response, StatusCode},
    routing::{get, post},
};
use serde_json::{Value, json};

pub use evidence::{NotShown, Showing};

use crate::{
    api::middleware::{Arrival, answer},
    identity::{Admin, Admins},
    logs::SECURITY,
    rollout::{Desk, InstanceFacts, Rollout, RolloutError},
};

/// What the endpoints use.
#[derive(Clone)]
pub struct CrsAdmin {
    /// Who may.
    pub admins: Arc<Admins>,
    /// Where the rollout stands here.
    pub rollout: Arc<Rollout>,
    /// Changes the shared record.
    pub desk: Arc<Desk>,
    /// This instance.
    pub instance: InstanceFacts,
    /// What was compared, and why requests went as they did.
    pub showing: Arc<dyn Showing>,
}

/// The routes.
pub fn routes(state: CrsAdmin) -> Router {
    Router::new()
        .route("/admin/crs/rollout", get(rollout::status))
        .route("/admin/crs/rollout/history", get(rollout::history))
        .route("/admin/crs/rollout/{change}", post(rollout::change))
        .route("/admin/crs/instances", get(rollout::instances))
        .route("/admin/crs/shadow/cases/{id}", get(evidence::case))
        .route("/admin/crs/shadow/{what}", get(evidence::get).post(evidence::post))
        .route("/admin/crs/explain/{id}", get(evidence::explain))
        .with_state(state)
}

impl CrsAdmin {
    /// Who asks.
    ///
    /// # Errors
    /// The answer for those who are no administrator.
    pub(super) async fn admin(&self, arrival: &Arrival) -> Result<Admin, Response<Body>> {
        self.admins.authenticate(&arrival.headers).await.map_err(|refusal| {
            tracing::warn!(target: SECURITY, ip = arrival.client_ip, "{}", refusal.error());
            let status = StatusCode::from_u16(refusal.status());
            answer::json(
                status.unwrap_or(StatusCode::UNAUTHORIZED),
                &json!({ "error": refusal.error(), "message": refusal.to_string() }),
            )
        })
    }
}

fn done(data: Value) -> Response<Body> {
    answer::json(StatusCode::OK, &json!({ "success": true, "data": data }))
}

fn refused(error: &RolloutError) -> Response<Body> {
    let status = match error {
        RolloutError::Senseless(_) => StatusCode::BAD_REQUEST,
        RolloutError::Gates(_) | RolloutError::Outdated { .. } | RolloutError::NoLegacy => {
            StatusCode::CONFLICT
        }
        RolloutError::Redis(_) => StatusCode::SERVICE_UNAVAILABLE,
        RolloutError::Unreadable | RolloutError::Disk(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut body = json!({
        "success": false,
        "error": status.canonical_reason().unwrap_or_default(),
        "message": error.to_string(),
        "code": error.code(),
    });
    if let RolloutError::Gates(gates) = error {
        body["gates"] = json!(gates);
    }
    answer::json(status, &body)
}

fn invalid(message: &str) -> Response<Body> {
    refused(&RolloutError::Senseless(message.to_owned()))
}
