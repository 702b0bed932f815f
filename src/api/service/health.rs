//! `/health` of the service and of the relay (contract/auth-limits-usage.md §10).

use axum::{body::Body, extract::State, http::Response, http::StatusCode};
use serde_json::{Map, Value, json};

use super::{ServiceState, process};
use crate::api::middleware::answer;

const MIB: u64 = 1024 * 1024;

/// `GET /health`. Legacy quirk: 200 and `healthy` also without Redis; its component tells.
pub(super) async fn service(State(state): State<ServiceState>) -> Response<Body> {
    let redis = match state.facts.redis_latency_ms().await {
        Ok(ms) => json!({ "status": "healthy", "connected": true, "latency": format!("{ms}ms") }),
        Err(error) => json!({ "status": "unhealthy", "connected": false, "error": error }),
    };
    let now = state.now();
    let memory = process::memory();
    let mib = |bytes: u64| format!("{}MB", (bytes + MIB / 2) / MIB);
    let mut health = Map::new();
    let mut put = |name: &str, value: Value| health.insert(name.to_owned(), value);
    put("status", "healthy".into());
    put("service", "claude-relay-service".into());
    put("version", state.version.as_ref().into());
    put("timestamp", now.as_str().into());
    put("uptime", state.started.elapsed().as_secs_f64().into());
    put(
        "memory",
        json!({ "used": mib(memory.private), "total": mib(memory.resident), "external": "0MB" }),
    );
    put(
        "components",
        json!({
            "redis": redis,
            "logger": { "status": "healthy", "healthy": true, "timestamp": now },
        }),
    );
    put(
        "stats",
        json!({
            "requests": 0,
            "errors": state.log_stats.errors(),
            "warnings": state.log_stats.warnings(),
        }),
    );
    let warnings = state.facts.warnings();
    if !warnings.is_empty() {
        put("warnings", warnings.into());
    }
    answer::json(StatusCode::OK, &Value::Object(health))
}

/// `GET {prefix}/health`: 503 without an active Claude official account.
pub(super) async fn relay(State(state): State<ServiceState>) -> Response<Body> {
    let (healthy, found) = match state.facts.claude_accounts().await {
        Ok((active, total)) => (active > 0, Ok((active, total))),
        Err(error) => (false, Err(error)),
    };
    let mut health = Map::new();
    let mut put = |name: &str, value: Value| health.insert(name.to_owned(), value);
    put("status", if healthy { "healthy" } else { "unhealthy" }.into());
    put("service", "claude-relay-service".into());
    put("version", "1.0.0".into());
    put("healthy", healthy.into());
    match found {
        Ok((active, total)) => {
            put("activeAccounts", active.into());
            put("totalAccounts", total.into());
        }
        Err(error) => {
            put("error", error.into());
        }
    }
    put("timestamp", state.now().into());
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer::json(status, &Value::Object(health))
}

/// `GET /crs/health`: 503 when requests cannot be served, also when only the service behind is down.
pub(super) async fn own(State(state): State<ServiceState>) -> Response<Body> {
    let (up, report) = state.own_health.report().await;
    let status = if up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer::json(status, &report)
}
