//! `/metrics`: the legacy JSON, or the Prometheus exposition for those who ask for it.

use std::{fmt::Write, sync::Arc};

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderValue, Response, StatusCode},
};
use serde_json::json;

use super::{ServiceState, process};
use crate::api::middleware::{Arrival, answer};

/// Renders what was recorded with the `metrics` crate.
#[derive(Clone)]
pub struct Exposition(Arc<dyn Fn() -> String + Send + Sync>);

impl Exposition {
    /// From a renderer, normally that of the process-wide recorder.
    pub fn new(render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(render))
    }
}

/// `GET /metrics`.
pub(super) async fn either(
    state: State<ServiceState>,
    arrival: Extension<Arrival>,
) -> Response<Body> {
    let accept = arrival.headers.get("accept").unwrap_or_default();
    if asks_for_prometheus(accept) { prometheus(state).await } else { json(state).await }
}

/// The exposition.
pub(super) async fn prometheus(State(state): State<ServiceState>) -> Response<Body> {
    let mut text = (state.exposition.0)();
    let memory = process::memory();
    let own: [(&str, &str, &str, f64); 5] = [
        ("process_resident_memory_bytes", "gauge", "Resident memory.", memory.resident as f64),
        (
            "process_uptime_seconds",
            "gauge",
            "Time since the start.",
            state.started.elapsed().as_secs_f64(),
        ),
        ("crs_log_errors_total", "counter", "Errors logged.", state.log_stats.errors() as f64),
        (
            "crs_log_warnings_total",
            "counter",
            "Warnings logged.",
            state.log_stats.warnings() as f64,
        ),
        (
            "crs_log_dropped_total",
            "counter",
            "Log lines lost because the writer could not keep up.",
            state.log_stats.dropped() as f64,
        ),
    ];
    for (name, kind, help, value) in own {
        // Writing to a String cannot fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    }
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    answer::send(StatusCode::OK, kind, text)
}

/// The legacy JSON; the counts walk the key space.
async fn json(State(state): State<ServiceState>) -> Response<Body> {
    let (api_keys, claude_accounts, usage_records) = match state.facts.totals().await {
        Ok(totals) => totals,
        Err(error) => {
            tracing::error!(%error, "Metrics collection failed");
            let body = json!({ "error": "Failed to collect metrics" });
            return answer::json(StatusCode::INTERNAL_SERVER_ERROR, &body);
        }
    };
    let memory = process::memory();
    answer::json(
        StatusCode::OK,
        &json!({
            "totalApiKeys": api_keys,
            "totalClaudeAccounts": claude_accounts,
            "totalUsageRecords": usage_records,
            "uptime": state.started.elapsed().as_secs_f64(),
            "memory": {
                "rss": memory.resident,
                "heapTotal": memory.private,
                "heapUsed": memory.private,
                "external": 0,
                "arrayBuffers": 0,
            },
            "timestamp": state.now(),
        }),
    )
}

/// Prometheus names its formats; clients that take anything keep the JSON.
fn asks_for_prometheus(accept: &str) -> bool {
    accept.split(',').any(|part| {
        matches!(
            part.split(';').next().unwrap_or_default().trim(),
            "text/plain" | "application/openmetrics-text"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_who_ask_get_the_exposition() {
        assert!(asks_for_prometheus("text/plain"));
        assert!(asks_for_prometheus(
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5,*/*;q=0.1"
        ));
        assert!(!asks_for_prometheus("*/*"));
        assert!(!asks_for_prometheus("application/json, text/plainer"));
        assert!(!asks_for_prometheus(""));
    }
}
