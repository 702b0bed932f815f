//! Bodies, status and headers, as the legacy service sends them.

use compat::record::ApiKey;
use rstest::rstest;

use super::*;

fn key(fields: &[(&str, &str)]) -> Arc<ApiKeySnapshot> {
    let fields =
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ApiKeySnapshot::new(ApiKey::from_fields("k", fields), 0)
}

#[rstest]
#[case(
    RouteFamily::Messages,
    Service::Claude,
    r#"{"error":{"type":"permission_error","message":"此 API Key 无权访问 Claude 服务"}}"#
)]
#[case(
    RouteFamily::Messages,
    Service::Gemini,
    r#"{"error":{"type":"permission_error","message":"此 API Key 无权访问 Gemini 服务"}}"#
)]
#[case(RouteFamily::CountTokens, Service::Claude, r#"{"error":{"type":"permission_error","message":"This API key does not have permission to access Claude"}}"#)]
#[case(RouteFamily::OpenAi, Service::OpenAi, r#"{"error":{"message":"This API key does not have permission to access OpenAI","type":"permission_denied","code":"permission_denied"}}"#)]
#[case(RouteFamily::Gemini, Service::Gemini, r#"{"error":{"message":"This API key does not have permission to access Gemini","type":"permission_denied"}}"#)]
#[case(
    RouteFamily::Droid,
    Service::Droid,
    r#"{"error":"permission_denied","message":"此 API Key 未启用 Droid 权限"}"#
)]
fn permission(#[case] family: RouteFamily, #[case] service: Service, #[case] body: &str) {
    let refused =
        check_permission(&key(&[("permissions", r#"["none"]"#)]), family, service).unwrap_err();
    assert_eq!((refused.status(), refused.body().to_string()), (403, body.to_owned()));
    assert!(check_permission(&key(&[]), family, service).is_ok(), "no list grants all");
    let word = format!(r#"["x","{}"]"#, service.word());
    assert!(check_permission(&key(&[("permissions", &word)]), family, service).is_ok());
}

#[test]
fn azure_checks_nothing() {
    let nothing = key(&[("permissions", r#"["none"]"#)]);
    assert!(check_permission(&nothing, RouteFamily::Azure, Service::OpenAi).is_ok());
}

#[test]
fn listed_models_are_forbidden_except_where_they_are_allowed() {
    let key = key(&[
        ("enableModelRestriction", "true"),
        ("restrictedModels", r#"["claude-opus-4","gemini-2.5-pro"]"#),
    ]);
    let body = |family, model| {
        check_model(&key, family, model).map_err(|refused| refused.body().to_string())
    };
    assert_eq!(
        body(RouteFamily::Messages, "ccr,claude-opus-4"),
        Err(r#"{"error":{"type":"forbidden","message":"暂无该模型访问权限"}}"#.to_owned())
    );
    assert_eq!(body(RouteFamily::Messages, "claude-opus-4-1"), Ok(()));
    assert_eq!(body(RouteFamily::CountTokens, "claude-opus-4"), Ok(()));
    assert_eq!(
        body(RouteFamily::OpenAi, "claude-opus-4"),
        Err(r#"{"error":{"message":"Model claude-opus-4 is not allowed for this API key","type":"invalid_request_error","code":"model_not_allowed"}}"#.to_owned())
    );
    assert_eq!(body(RouteFamily::OpenAiGemini, "gemini-2.5-pro"), Ok(()));
    assert!(body(RouteFamily::OpenAiGemini, "gemini-2.5-flash").is_err());
    assert!(!may_list_model(&key, RouteFamily::Messages, "claude-opus-4"));
    assert!(may_list_model(&key, RouteFamily::OpenAiGemini, "gemini-2.5-pro"));
}

#[rstest]
#[case(Refusal::MissingKey, 401, r#"{"error":"Missing API key","message":"Please provide an API key in the x-api-key, x-goog-api-key, or Authorization header"}"#)]
#[case(
    Refusal::KeyLength,
    401,
    r#"{"error":"Invalid API key format","message":"API key format is invalid"}"#
)]
#[case(Refusal::ClaudeCodeOnly, 403, r#"{"error":{"type":"client_validation_error","message":"This endpoint only accepts requests from Claude Code CLI"}}"#)]
#[case(
    Refusal::Internal,
    500,
    r#"{"error":"Authentication error","message":"Internal server error during authentication"}"#
)]
#[case(Refusal::QueueBackend, 503, r#"{"error":"Service temporarily unavailable","message":"Failed to acquire concurrency slot due to internal error"}"#)]
#[case(Refusal::DailyCost { cost: 1.5, limit: 1.0, reset_at_ms: 1_784_851_200_000 }, 402, r#"{"error":{"type":"insufficient_quota","message":"已达到每日费用限制 ($1)","code":"daily_cost_limit_exceeded"},"currentCost":1.5,"costLimit":1,"resetAt":"2026-07-24T00:00:00.000Z"}"#)]
#[case(Refusal::TotalCost { cost: 2.0, limit: 1.5 }, 402, r#"{"error":{"type":"insufficient_quota","message":"已达到总费用限制 ($1.5)","code":"total_cost_limit_exceeded"},"currentCost":2,"costLimit":1.5}"#)]
fn plain_refusals(#[case] refusal: Refusal, #[case] status: u16, #[case] body: &str) {
    let rejection = Rejection::from(refusal);
    assert_eq!((rejection.status(), rejection.body().to_string()), (status, body.to_owned()));
    assert_eq!(rejection.headers(), []);
}

#[rstest]
#[case(
    Refusal::QueueOverloaded { limit: 2, waiting: 3, most: 3.0, estimate_ms: 9000.0, timeout_ms: 10000.0 },
    30,
    r#"{"error":"Queue overloaded","message":"Queue is overloaded. Estimated wait time (9000ms) exceeds threshold. Limit: 2 concurrent requests, queue: 3/3. Please retry later.","currentConcurrency":2,"concurrencyLimit":2,"queueCount":3,"maxQueueSize":3,"estimatedWaitMs":9000,"timeoutMs":10000,"queueTimeoutMs":10000,"retryAfterSeconds":30}"#
)]
#[case(
    Refusal::QueueFull { limit: 2, waiting: 3, most: 3.0, timeout_ms: 10500.0 },
    11,
    r#"{"error":"Concurrency queue full","message":"Too many requests waiting in queue. Limit: 2 concurrent requests, queue: 3/3, timeout: 11s","currentConcurrency":2,"concurrencyLimit":2,"queueCount":3,"maxQueueSize":3,"queueTimeoutMs":10500,"retryAfterSeconds":11}"#
)]
#[case(
    Refusal::QueueTimeout { limit: 1, most: 3.0, timeout_ms: 13000.0, waited_ms: 13010 },
    7,
    r#"{"error":"Queue timeout","message":"Request timed out waiting for concurrency slot. Limit: 1 concurrent requests, maxQueue: 3, Queue timeout: 13s, waited: 13010ms","currentConcurrency":1,"concurrencyLimit":1,"maxQueueSize":3,"queueTimeoutMs":13000,"waitTimeMs":13010,"retryAfterSeconds":7}"#
)]
fn queue_refusals(#[case] refusal: Refusal, #[case] retry_after: i64, #[case] body: &str) {
    let rejection = Rejection { refusal, queued: true };
    assert_eq!((rejection.status(), rejection.body().to_string()), (429, body.to_owned()));
    let headers = [("Connection", "close".to_owned()), ("Retry-After", retry_after.to_string())];
    assert_eq!(rejection.headers(), headers);
}

#[test]
fn user_messages() {
    let is = |role, kinds: &[&'static str]| {
        is_user_message(role, kinds.iter().map(|kind| (*kind).into()))
    };
    assert!(is(Some("user"), &[]));
    assert!(is(Some("user"), &["text", "image"]));
    assert!(!is(Some("user"), &["text", "tool_result"]));
    assert!(!is(Some("user"), &["tool_use_result"]));
    assert!(!is(Some("assistant"), &[]));
    assert!(!is(None, &[]));
    let error = TurnError::Timeout;
    assert_eq!((error.status(), error.header().1), (503, "queue_timeout"));
    assert_eq!(
        TurnError::Backend.body().to_string(),
        r#"{"type":"error","error":{"type":"queue_backend_error","code":"QUEUE_BACKEND_ERROR","message":"Queue service temporarily unavailable, please retry later"}}"#
    );
}
