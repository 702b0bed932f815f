//! Tests of the endpoints behind a front, with made-up facts.

use axum::{body::Bytes, http::Request};
use http_body_util::{BodyExt, Full};

use super::*;
use crate::api::middleware::{Cors, Front, FrontSettings};

struct Made {
    redis: Result<u128, FactError>,
    accounts: (usize, usize),
    warnings: Vec<String>,
}

impl Facts for Made {
    fn redis_latency_ms(&self) -> BoxFuture<'_, Result<u128, FactError>> {
        Box::pin(async { self.redis.clone() })
    }
    fn totals(&self) -> BoxFuture<'_, Result<(usize, usize, usize), FactError>> {
        Box::pin(async { self.redis.clone().map(|_| (1, 2, 3)) })
    }
    fn claude_accounts(&self) -> BoxFuture<'_, Result<(usize, usize), FactError>> {
        Box::pin(async { Ok(self.accounts) })
    }
    fn usage<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Value, FactError>> {
        Box::pin(async { Ok(json!({})) })
    }
    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
    fn now_ms(&self) -> i64 {
        1_700_000_000_000
    }
}

struct Down;

impl OwnHealth for Down {
    fn report(&self) -> BoxFuture<'_, (bool, Value)> {
        Box::pin(async { (false, json!({ "status": "unhealthy" })) })
    }
}

#[tokio::test]
async fn own_paths_tell_of_the_process() {
    let (status, body) = ask(made(), "GET", "/crs/health", "*/*").await;
    assert_eq!((status, body.as_str()), (503, "{\"status\":\"unhealthy\"}"));
    let (status, body) = ask(made(), "GET", "/crs/metrics", "*/*").await;
    assert!(status == 200 && body.starts_with("recorded 1\n"), "{body}");
}

fn made() -> Made {
    Made { redis: Ok(1), accounts: (0, 0), warnings: Vec::new() }
}

async fn ask(facts: Made, method: &str, path: &str, accept: &str) -> (u16, String) {
    let state = ServiceState {
        facts: Arc::new(facts),
        log_stats: Arc::default(),
        version: "1.1.314".into(),
        started: Instant::now(),
        exposition: Exposition::new(|| "recorded 1\n".to_owned()),
        own_health: Arc::new(Down),
    };
    let router = open_routes(state).fallback(not_found).method_not_allowed_fallback(not_found);
    let settings = FrontSettings {
        cors: Cors::BuiltIn,
        request_max_mib: None,
        development: false,
        trust_proxy: false,
        browser_rewrite: |_| false,
        now: Arc::new(|| 1_700_000_000_000),
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "h")
        .header("accept", accept)
        .body(Full::new(Bytes::new()))
        .unwrap();
    let response = Front::new(settings, router).handle(request, "::1", false).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// Keys of an object, in order.
fn keys(text: &str) -> Vec<String> {
    serde_json::from_str::<serde_json::Map<String, Value>>(text).unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn health_is_the_legacy_shape_and_stays_200_without_redis() {
    let expected =
        ["status", "service", "version", "timestamp", "uptime", "memory", "components", "stats"];
    let (status, body) = ask(made(), "GET", "/health", "*/*").await;
    assert_eq!((status, keys(&body)), (200, expected.map(String::from).to_vec()));
    assert!(body.contains(r#""redis":{"status":"healthy","connected":true,"latency":"1ms"}"#));

    let down = Made { redis: Err("gone".into()), warnings: vec!["redirected".into()], ..made() };
    let (status, body) = ask(down, "GET", "/HEALTH/", "*/*").await;
    assert_eq!(status, 200);
    assert!(body.contains(r#""redis":{"status":"unhealthy","connected":false,"error":"gone"}"#));
    assert!(body.ends_with(r#""warnings":["redirected"]}"#));
}

#[tokio::test]
async fn relay_health_wants_an_active_account() {
    let (status, body) = ask(made(), "GET", "/api/health", "*/*").await;
    assert_eq!(status, 503);
    assert_eq!(
        body,
        r#"{"status":"unhealthy","service":"claude-relay-service","version":"1.0.0","healthy":false,"activeAccounts":0,"totalAccounts":0,"timestamp":"2023-11-14T22:13:20.000Z"}"#
    );
    for prefix in PREFIXES {
        let facts = Made { accounts: (1, 2), ..made() };
        let (status, body) = ask(facts, "GET", &format!("{prefix}/health"), "*/*").await;
        assert_eq!(status, 200);
        assert!(body.contains(r#""healthy":true,"activeAccounts":1,"totalAccounts":2"#));
    }
}

#[tokio::test]
async fn metrics_in_both_forms() {
    let (status, body) = ask(made(), "GET", "/metrics", "*/*").await;
    assert_eq!(status, 200);
    assert_eq!(
        keys(&body),
        [
            "totalApiKeys",
            "totalClaudeAccounts",
            "totalUsageRecords",
            "uptime",
            "memory",
            "timestamp"
        ]
    );
    assert!(
        body.starts_with(r#"{"totalApiKeys":1,"totalClaudeAccounts":2,"totalUsageRecords":3,"#)
    );
    let (_, text) = ask(made(), "GET", "/metrics", "text/plain").await;
    assert!(text.starts_with("recorded 1\n# HELP process_resident_memory_bytes"), "{text}");
    assert_eq!(ask(made(), "GET", "/metrics/prometheus", "*/*").await.0, 200);

    let down = Made { redis: Err("gone".into()), ..made() };
    let (status, body) = ask(down, "GET", "/metrics", "*/*").await;
    assert_eq!((status, body.as_str()), (500, r#"{"error":"Failed to collect metrics"}"#));
}

#[tokio::test]
async fn the_rest() {
    let (status, body) = ask(made(), "GET", "/", "text/html").await;
    assert_eq!(
        (status, body.as_str()),
        (302, "<p>Found. Redirecting to /admin-next/api-stats</p>")
    );
    let (status, body) = ask(made(), "POST", "/api/api/event_logging/batch", "*/*").await;
    assert_eq!((status, body.as_str()), (200, r#"{"success":true}"#));
    for (method, path) in
        [("POST", "/api/event_logging/batch"), ("PUT", "/health"), ("GET", "/x?a=b")]
    {
        let (status, body) = ask(made(), method, path, "*/*").await;
        let expected = format!(
            r#"{{"error":"Not Found","message":"Route {path} not found","timestamp":"2023-11-14T22:13:20.000Z"}}"#
        );
        assert_eq!((status, body), (404, expected));
    }
}
