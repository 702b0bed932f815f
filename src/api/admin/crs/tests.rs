//! The endpoints behind a front, on a Redis of their own.

use std::sync::Arc;

use axum::{body::Bytes, http::Request};
use compat::{clock::Clock, store::RedisStore, testing::TestRedis};
use http_body_util::{BodyExt, Full};
use rstest::rstest;

use super::*;
use crate::{
    api::{
        middleware::{Cors, Front, FrontSettings},
        service,
    },
    rollout::{Evidence, GateResult, KeyDirectory, NoEvidence, Plan},
};

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

struct Green;

impl Evidence for Green {
    fn gates<'a>(
        &'a self,
        _: &'a Plan,
        _: &'a Plan,
    ) -> futures_util::future::BoxFuture<'a, Vec<GateResult>> {
        Box::pin(async { vec![GateResult::new("observations", true, "enough")] })
    }
}

struct Bench {
    redis: TestRedis,
    store: Arc<RedisStore>,
    front: Front,
}

impl Bench {
    async fn new(legacy: bool, evidence: Arc<dyn Evidence>) -> Self {
        let redis = TestRedis::spawn();
        let (store, clock) = (Arc::new(redis.store()), Clock::system());
        let now = compat::clock::iso(clock.now_ms());
        let login = format!("session:{TOKEN}");
        store.words(&["HSET", &login, "username", "root", "loginTime", &now]).await.unwrap();
        let keys = KeyDirectory::new(store.clone(), clock.clone(), "cr_".into(), "k".into());
        let nowhere = std::path::Path::new("/nonexistent");
        let state = CrsAdmin {
            admins: Arc::new(Admins::new(store.clone(), clock.clone())),
            rollout: Arc::new(Rollout::new(nowhere, legacy, keys, None)),
            desk: Arc::new(Desk::new(store.clone(), clock.clone(), evidence)),
            instance: InstanceFacts::of_this_process("test", "127.0.0.1:1".into(), &clock),
            showing: Arc::new(Shown),
        };
        let router = routes(state)
            .fallback(service::not_found)
            .method_not_allowed_fallback(service::not_found);
        let settings = FrontSettings {
            cors: Cors::BuiltIn,
            request_max_mib: None,
            development: false,
            trust_proxy: false,
            browser_rewrite: |_| false,
            now: Arc::new(move || clock.now_ms()),
        };
        Self { redis, store, front: Front::new(settings, router) }
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        self.ask_as(Some(TOKEN), method, path, body).await
    }

    async fn ask_as(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        body: &str,
    ) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(path).header("host", "h");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request
                .header("content-type", "application/json")
                .header("content-length", body.len());
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        let response = self.front.handle(request, "::1", false).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

#[rstest]
#[case("GET", "/admin/crs/rollout")]
#[case("GET", "/admin/crs/rollout/history")]
#[case("GET", "/admin/crs/instances")]
#[case("POST", "/admin/crs/rollout/set")]
#[case("POST", "/admin/crs/rollout/advance")]
#[case("POST", "/admin/crs/rollout/rollback")]
#[case("GET", "/admin/crs/shadow/report")]
#[case("GET", "/admin/crs/shadow/cases/x")]
#[case("POST", "/admin/crs/shadow/sample")]
#[case("POST", "/admin/crs/shadow/reset")]
#[case("GET", "/admin/crs/explain/x")]
#[tokio::test]
async fn only_administrators_are_answered(#[case] method: &str, #[case] path: &str) {
    let bench = Bench::new(true, Arc::new(Green)).await;
    let (status, body) = bench.ask_as(None, method, path, "").await;
    assert_eq!((status, &body["error"]), (401, &json!("Missing admin token")));
    let wrong = "f".repeat(64);
    let (status, body) = bench.ask_as(Some(&wrong), method, path, "").await;
    assert_eq!((status, &body["message"]), (401, &json!("Invalid or expired admin session")));
    assert_eq!(
        bench.store.words(&["EXISTS", compat::keys::ROLLOUT]).await.unwrap().int().unwrap(),
        0
    );
}

#[rstest]
#[case("GET", "report", "", 200)]
#[case("GET", "status", "", 200)]
#[case("GET", "cases", "", 200)]
#[case("GET", "cases/one", "", 200)]
#[case("GET", "sample", "", 200)]
#[case("GET", "nonsense", "", 404)]
#[case("POST", "sample", r#"{"rate":0.5}"#, 200)]
#[case("POST", "sample", r#"{"rate":"x"}"#, 400)]
#[case("POST", "reset", "", 503)]
#[case("POST", "report", "", 404)]
#[tokio::test]
async fn evidence_by_the_api(
    #[case] method: &str,
    #[case] what: &str,
    #[case] body: &str,
    #[case] status: u16,
) {
    let bench = Bench::new(true, Arc::new(Green)).await;
    let (got, answer) = bench.ask(method, &format!("/admin/crs/shadow/{what}"), body).await;
    assert_eq!(got, status, "{answer}");
    assert_eq!(answer["success"], json!(status == 200));
    let (got, answer) = bench.ask("GET", "/admin/crs/explain/r1", "").await;
    assert_eq!((got, &answer["message"]), (404, &json!("r1")));
}

#[tokio::test]
async fn a_rollout_by_the_api() {
    let bench = Bench::new(true, Arc::new(Green)).await;
    let (status, body) = bench.ask("GET", "/admin/crs/rollout", "").await;
    assert_eq!(status, 200);
    assert_eq!(
        (&body["data"]["position"], &body["data"]["next"]),
        (&json!("observe"), &json!("shadow"))
    );
    assert_eq!(body["data"]["record"], Value::Null);
    assert!(
        body["data"]["routes"].as_array().unwrap().iter().any(|route| route["name"] == "messages")
    );
    let set = r#"{"settings":{"phase":"shadow","holdMinutes":0,"ramp":[2.5,100]},"reason":"go"}"#;
    let (status, body) = bench.ask("POST", "/admin/crs/rollout/set", set).await;
    assert_eq!((status, &body["data"]["record"]["version"]), (200, &json!(1)), "{body}");
    let (status, body) = bench.ask("POST", "/admin/crs/rollout/advance", "").await;
    assert_eq!(
        (status, &body["data"]["record"]["change"]["to"]),
        (200, &json!("canary 2.5 %")),
        "{body}"
    );
    assert_eq!(body["data"]["record"]["change"]["who"], "root");
    assert_eq!(body["data"]["record"]["change"]["via"], "api");
    let (status, body) =
        bench.ask("POST", "/admin/crs/rollout/pause", r#"{"reason":"lunch"}"#).await;
    assert_eq!((status, &body["data"]["changed"]), (200, &json!(true)));
    let (status, body) = bench.ask("POST", "/admin/crs/rollout/advance", "{}").await;
    assert_eq!((status, &body["code"]), (409, &json!("gates")));
    assert!(body["gates"].as_array().unwrap().iter().any(|gate| gate["name"] == "paused"));
    let (status, body) =
        bench.ask("POST", "/admin/crs/rollout/rollback", r#"{"to":"observe"}"#).await;
    assert_eq!((status, &body["data"]["record"]["plan"]["phase"]), (200, &json!("observe")));
    let (_, body) = bench.ask("GET", "/admin/crs/rollout/history?limit=2", "").await;
    let actions: Vec<_> = body["data"]["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["change"]["action"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(actions, ["rollback", "pause"]);
    let (status, body) = bench.ask("GET", "/admin/crs/instances", "").await;
    assert_eq!((status, &body["data"]["instances"]), (200, &json!([])));
}

#[rstest]
#[case("set", "", "settings are missing")]
#[case("set", r#"{"settings":{"pase":"shadow"}}"#, "unknown field")]
#[case("set", r#"{"settings":{"percent":200}}"#, "percentage")]
#[case("set", r#"{"settings":{"phase":"later"}}"#, "unknown variant")]
#[case("set", r#"{"settings":{},"to":"observe"}"#, "takes neither")]
#[case("advance", r#"{"settings":{}}"#, "takes neither")]
#[case("advance", r#"{"force":true}"#, "needs a reason")]
#[case("rollback", r#"{"to":"primary"}"#, "not back from observe")]
#[case("pause", r#"[]"#, "")]
#[tokio::test]
async fn bodies_are_checked(#[case] name: &str, #[case] body: &str, #[case] told: &str) {
    let bench = Bench::new(true, Arc::new(Green)).await;
    let (status, answer) = bench.ask("POST", &format!("/admin/crs/rollout/{name}"), body).await;
    assert_eq!((status, &answer["code"]), (400, &json!("invalid")), "{answer}");
    assert!(answer["message"].as_str().unwrap().contains(told), "{answer}");
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_status() {
    let bench = Bench::new(true, Arc::new(NoEvidence("none here"))).await;
    assert_eq!(bench.ask("POST", "/admin/crs/rollout/destroy", "{}").await.0, 404);
    assert_eq!(bench.ask("GET", "/admin/crs/rollout/set", "").await.0, 404);
    assert_eq!(bench.ask("GET", "/admin/crs/rollout/history?limit=0", "").await.0, 400);
    let outdated = r#"{"expectedVersion":4}"#;
    let (status, body) = bench.ask("POST", "/admin/crs/rollout/pause", outdated).await;
    assert_eq!((status, &body["code"]), (409, &json!("outdated")));
    let canary = r#"{"settings":{"phase":"canary","holdMinutes":0}}"#;
    let (status, body) = bench.ask("POST", "/admin/crs/rollout/set", canary).await;
    assert_eq!((status, &body["code"]), (409, &json!("gates")), "{body}");
    let alone = Bench::new(false, Arc::new(Green)).await;
    let (status, body) = alone.ask("POST", "/admin/crs/rollout/rollback", "").await;
    assert_eq!((status, &body["code"]), (409, &json!("no_legacy")));
    assert!(body["message"].as_str().unwrap().contains("CRS_LEGACY_URL"));
}

#[tokio::test]
async fn without_redis_nobody_can_be_recognised() {
    let mut bench = Bench::new(true, Arc::new(Green)).await;
    bench.redis.stop();
    let (status, body) = bench.ask("GET", "/admin/crs/rollout", "").await;
    assert_eq!((status, &body["error"]), (500, &json!("Authentication error")));
}

/// Shows its name for everything, and nothing else.
struct Shown;

impl super::Showing for Shown {
    fn report(&self) -> futures_util::future::BoxFuture<'_, Result<Value, super::NotShown>> {
        Box::pin(async { Ok(json!("report")) })
    }

    fn status(&self) -> Result<Value, super::NotShown> {
        Ok(json!("status"))
    }

    fn cases(&self) -> Result<Value, super::NotShown> {
        Ok(json!("cases"))
    }

    fn case(&self, id: &str) -> Result<Value, super::NotShown> {
        Ok(json!(id))
    }

    fn sample(&self) -> Result<Value, super::NotShown> {
        Ok(json!("sample"))
    }

    fn set_sample(&self, settings: &[u8]) -> Result<Value, super::NotShown> {
        match serde_json::from_slice::<Value>(settings) {
            Ok(settings) if settings["rate"].is_number() => Ok(settings),
            _ => Err(super::NotShown::Senseless("no rate".into())),
        }
    }

    fn reset(&self) -> futures_util::future::BoxFuture<'_, Result<Value, super::NotShown>> {
        Box::pin(async { Err(super::NotShown::Failed("no redis".into())) })
    }

    fn explain(&self, request_id: &str) -> Result<Value, super::NotShown> {
        Err(super::NotShown::Unknown(request_id.to_owned()))
    }
}
