//! Endpoints about the service and about a key: health, metrics, models, usage.
//!
//! They are the same under all four prefixes. Those that need a key ([`KeyEndpoint`]) are only the
//! answer; admission comes before and belongs to the caller.

mod azure;
mod chat_models;
mod health;
mod key_info;
mod metrics;
mod models;
mod openai_key;
mod process;
mod root;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    body::Body,
    http::{Response, StatusCode},
    routing::{get, post},
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::middleware::{Arrival, answer, iso_time};
use crate::logs::LogStats;

pub use azure::AzureEndpoint;
pub use chat_models::{chat_model, chat_models};
pub use key_info::{KeyEndpoint, KeyHolder};
pub use metrics::Exposition;
pub use openai_key::{openai_key_info, openai_usage};

/// The four places where the Claude routes are mounted.
pub const PREFIXES: [&str; 4] = ["/api", "/claude", "/antigravity/api", "/gemini-cli/api"];

/// Text of a failure, without secrets, as clients are shown it.
pub type FactError = String;

/// What the endpoints ask the service. The application answers.
pub trait Facts: Send + Sync + 'static {
    /// Milliseconds that Redis took to answer.
    fn redis_latency_ms(&self) -> BoxFuture<'_, Result<u128, FactError>>;
    /// API keys, Claude account keys, usage keys.
    fn totals(&self) -> BoxFuture<'_, Result<(usize, usize, usize), FactError>>;
    /// Active Claude official accounts, and all of them.
    fn claude_accounts(&self) -> BoxFuture<'_, Result<(usize, usize), FactError>>;
    /// Usage of a key as `/v1/usage` shows it.
    fn usage<'a>(&'a self, key_id: &'a str) -> BoxFuture<'a, Result<Value, FactError>>;
    /// What operators should know while it lasts (redirected upstreams …), shown in `/health`.
    fn warnings(&self) -> Vec<String>;
    /// Now, epoch milliseconds.
    fn now_ms(&self) -> i64;
}

/// How the process itself is, beside what the legacy `/health` says.
pub trait OwnHealth: Send + Sync + 'static {
    /// What `/crs/health` shows, and whether requests can be served.
    fn report(&self) -> BoxFuture<'_, (bool, Value)>;
}

/// For services that nobody asks for their health.
#[derive(Clone, Copy, Debug)]
pub struct NoHealth;

impl OwnHealth for NoHealth {
    fn report(&self) -> BoxFuture<'_, (bool, Value)> {
        Box::pin(async { (true, Value::Null) })
    }
}

/// State of the endpoints.
#[derive(Clone)]
pub struct ServiceState {
    /// Where facts come from.
    pub facts: Arc<dyn Facts>,
    /// Counts of what was logged.
    pub log_stats: Arc<LogStats>,
    /// Version shown by `/health`.
    pub version: Arc<str>,
    /// Start of the process.
    pub started: Instant,
    /// Renders the Prometheus exposition.
    pub exposition: Exposition,
    /// Answers `/crs/health`.
    pub own_health: Arc<dyn OwnHealth>,
}

impl ServiceState {
    fn now(&self) -> String {
        iso_time(self.facts.now_ms())
    }
}

/// Routes that need no key. Paths are canonical ([`super::middleware::path::canonical`]).
pub fn open_routes(state: ServiceState) -> Router {
    let mut router = Router::new()
        .route("/", get(root::redirect))
        .route("/health", get(health::service))
        .route("/metrics", get(metrics::either))
        .route("/metrics/prometheus", get(metrics::prometheus))
        .route("/crs/health", get(health::own))
        .route("/crs/metrics", get(metrics::prometheus))
        .route("/azure/health", get(azure::health));
    for prefix in PREFIXES {
        router = router
            .route(&format!("{prefix}/health"), get(health::relay))
            .route(&format!("{prefix}/api/event_logging/batch"), post(event_logging));
    }
    router.with_state(state)
}

/// 404 for paths and methods without a route; for [`Router::fallback`] and
/// [`Router::method_not_allowed_fallback`].
pub async fn not_found(arrival: axum::Extension<Arrival>) -> Response<Body> {
    answer::not_found(&arrival.original_url, &iso_time(arrival.received_ms))
}

/// Telemetry of Claude Code: taken and thrown away.
async fn event_logging() -> Response<Body> {
    answer::json(StatusCode::OK, &json!({ "success": true }))
}
