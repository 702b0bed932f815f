//! `/admin/crs/shadow/…` and `/admin/crs/explain/{id}`: what the comparison with Node has found, and why
//! requests went as they did.

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{Response, StatusCode},
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{CrsAdmin, done};
use crate::api::middleware::{Arrival, answer};

/// Why something cannot be shown or done.
#[derive(Clone, Debug)]
pub enum NotShown {
    /// There is no such thing.
    Unknown(String),
    /// It was asked for wrongly.
    Senseless(String),
    /// Something else failed.
    Failed(String),
}

/// The evidence of this instance, and of all together.
pub trait Showing: Send + Sync + 'static {
    /// Everything on one screen, of all instances.
    fn report(&self) -> BoxFuture<'_, Result<Value, NotShown>>;
    /// Figures of this instance.
    fn status(&self) -> Result<Value, NotShown>;
    /// Cases kept on this machine, oldest first.
    fn cases(&self) -> Result<Value, NotShown>;
    /// One case, both sides.
    fn case(&self, id: &str) -> Result<Value, NotShown>;
    /// Which requests are compared.
    fn sample(&self) -> Result<Value, NotShown>;
    /// Changes that, on this instance.
    fn set_sample(&self, settings: &[u8]) -> Result<Value, NotShown>;
    /// Forgets counts and cases.
    fn reset(&self) -> BoxFuture<'_, Result<Value, NotShown>>;
    /// Why a request went as it did.
    fn explain(&self, request_id: &str) -> Result<Value, NotShown>;
}

/// `GET /admin/crs/shadow/{what}`.
pub(super) async fn get(
    State(admin): State<CrsAdmin>,
    Path(what): Path<String>,
    Extension(arrival): Extension<Arrival>,
) -> Response<Body> {
    if let Err(refusal) = admin.admin(&arrival).await {
        return refusal;
    }
    shown(match what.as_str() {
        "report" => admin.showing.report().await,
        "status" => admin.showing.status(),
        "cases" => admin.showing.cases(),
        "sample" => admin.showing.sample(),
        _ => Err(NotShown::Unknown(format!("there is no {what} here"))),
    })
}

/// `POST /admin/crs/shadow/{what}`.
pub(super) async fn post(
    State(admin): State<CrsAdmin>,
    Path(what): Path<String>,
    Extension(arrival): Extension<Arrival>,
) -> Response<Body> {
    let who = match admin.admin(&arrival).await {
        Ok(who) => who,
        Err(refusal) => return refusal,
    };
    tracing::info!(who = who.username, what, "shadow settings");
    shown(match what.as_str() {
        "sample" => admin.showing.set_sample(arrival.body.bytes()),
        "reset" => admin.showing.reset().await,
        _ => Err(NotShown::Unknown(format!("there is no {what} here"))),
    })
}

/// `GET /admin/crs/shadow/cases/{id}`.
pub(super) async fn case(
    State(admin): State<CrsAdmin>,
    Path(id): Path<String>,
    Extension(arrival): Extension<Arrival>,
) -> Response<Body> {
    match admin.admin(&arrival).await {
        Ok(_) => shown(admin.showing.case(&id)),
        Err(refusal) => refusal,
    }
}

/// `GET /admin/crs/explain/{id}`.
pub(super) async fn explain(
    State(admin): State<CrsAdmin>,
    Path(id): Path<String>,
    Extension(arrival): Extension<Arrival>,
) -> Response<Body> {
    match admin.admin(&arrival).await {
        Ok(_) => shown(admin.showing.explain(&id)),
        Err(refusal) => refusal,
    }
}

fn shown(what: Result<Value, NotShown>) -> Response<Body> {
    let (status, code, message) = match what {
        Ok(value) => return done(value),
        Err(NotShown::Unknown(message)) => (StatusCode::NOT_FOUND, "unknown", message),
        Err(NotShown::Senseless(message)) => (StatusCode::BAD_REQUEST, "invalid", message),
        Err(NotShown::Failed(message)) => (StatusCode::SERVICE_UNAVAILABLE, "failed", message),
    };
    let error = status.canonical_reason().unwrap_or_default();
    let body = json!({ "success": false, "error": error, "message": message, "code": code });
    answer::json(status, &body)
}
