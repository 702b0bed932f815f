//! The bodies. Field order is part of the reply; numbers print as JavaScript prints them.

use compat::{
    clock::iso,
    number::{js, json as number},
};
use serde_json::{Value, json};

use super::{OVERLOAD_RETRY_S, Refusal, RouteFamily, Service, Spent, seconds, timeout_retry_s};

pub(super) fn render(refusal: &Refusal) -> Value {
    match refusal {
        Refusal::MissingKey => plain(
            "Missing API key",
            "Please provide an API key in the x-api-key, x-goog-api-key, or Authorization header",
        ),
        Refusal::KeyLength => plain("Invalid API key format", "API key format is invalid"),
        Refusal::InvalidKey(fault) => plain("Invalid API key", fault.message()),
        Refusal::Unavailable => {
            plain("Service temporarily unavailable", "Database temporarily unavailable")
        }
        Refusal::ClientNotAllowed { allowed, user_agent } => json!({
            "error": "Client not allowed",
            "message": "Your client is not authorized to use this API key",
            "allowedClients": allowed,
            "userAgent": user_agent,
        }),
        Refusal::ClaudeCodeOnly => json!({"error": {
            "type": "client_validation_error",
            "message": "This endpoint only accepts requests from Claude Code CLI",
        }}),
        Refusal::Concurrency { current, limit } => json!({
            "error": "Concurrency limit exceeded",
            "message": format!("Too many concurrent requests. Limit: {limit} concurrent requests"),
            "currentConcurrency": current,
            "concurrencyLimit": limit,
        }),
        Refusal::QueueOverloaded { .. }
        | Refusal::QueueFull { .. }
        | Refusal::QueueTimeout { .. } => queue(refusal),
        Refusal::QueueBackend => plain(
            "Service temporarily unavailable",
            "Failed to acquire concurrency slot due to internal error",
        ),
        Refusal::ClientGone => Value::Null,
        Refusal::Window { spent, reset_at_ms, remaining_minutes } => {
            window(*spent, *reset_at_ms, *remaining_minutes)
        }
        Refusal::DailyCost { cost, limit, reset_at_ms } => quota(
            &format!("已达到每日费用限制 (${})", js(*limit)),
            "daily_cost_limit_exceeded",
            *cost,
            *limit,
            Some(*reset_at_ms),
        ),
        Refusal::TotalCost { cost, limit } => quota(
            &format!("已达到总费用限制 (${})", js(*limit)),
            "total_cost_limit_exceeded",
            *cost,
            *limit,
            None,
        ),
        Refusal::WeeklyCost { cost, limit, reset_at_ms } => quota(
            &format!("已达到 Claude 模型周费用限制 (${})", js(*limit)),
            "weekly_opus_cost_limit_exceeded",
            *cost,
            *limit,
            Some(*reset_at_ms),
        ),
        Refusal::Permission { family, service } => permission(*family, *service),
        Refusal::Model { family, model } => model_refused(*family, model),
        Refusal::Internal => {
            plain("Authentication error", "Internal server error during authentication")
        }
    }
}

fn plain(error: &str, message: &str) -> Value {
    json!({"error": error, "message": message})
}

fn queue(refusal: &Refusal) -> Value {
    match refusal {
        Refusal::QueueOverloaded { limit, waiting, most, estimate_ms, timeout_ms } => json!({
            "error": "Queue overloaded",
            "message": format!(
                "Queue is overloaded. Estimated wait time ({}ms) exceeds threshold. Limit: {limit} \
                 concurrent requests, queue: {waiting}/{}. Please retry later.",
                js(*estimate_ms),
                js(*most),
            ),
            "currentConcurrency": limit,
            "concurrencyLimit": limit,
            "queueCount": waiting,
            "maxQueueSize": number(*most),
            "estimatedWaitMs": number(*estimate_ms),
            "timeoutMs": number(*timeout_ms),
            "queueTimeoutMs": number(*timeout_ms),
            "retryAfterSeconds": OVERLOAD_RETRY_S,
        }),
        Refusal::QueueFull { limit, waiting, most, timeout_ms } => json!({
            "error": "Concurrency queue full",
            "message": format!(
                "Too many requests waiting in queue. Limit: {limit} concurrent requests, queue: \
                 {waiting}/{}, timeout: {}s",
                js(*most),
                seconds(*timeout_ms),
            ),
            "currentConcurrency": limit,
            "concurrencyLimit": limit,
            "queueCount": waiting,
            "maxQueueSize": number(*most),
            "queueTimeoutMs": number(*timeout_ms),
            "retryAfterSeconds": seconds(*timeout_ms),
        }),
        Refusal::QueueTimeout { limit, most, timeout_ms, waited_ms } => json!({
            "error": "Queue timeout",
            "message": format!(
                "Request timed out waiting for concurrency slot. Limit: {limit} concurrent requests, \
                 maxQueue: {}, Queue timeout: {}s, waited: {waited_ms}ms",
                js(*most),
                seconds(*timeout_ms),
            ),
            "currentConcurrency": limit,
            "concurrencyLimit": limit,
            "maxQueueSize": number(*most),
            "queueTimeoutMs": number(*timeout_ms),
            "waitTimeMs": waited_ms,
            "retryAfterSeconds": timeout_retry_s(*timeout_ms),
        }),
        _ => Value::Null,
    }
}

fn window(spent: Spent, reset_at_ms: i64, remaining_minutes: i64) -> Value {
    let reset_at = iso(reset_at_ms);
    let message = |what: String| format!("已达到{what}，将在 {remaining_minutes} 分钟后重置");
    match spent {
        Spent::Requests { count, limit } => json!({
            "error": "Rate limit exceeded",
            "message": message(format!("请求次数限制 ({limit} 次)")),
            "currentRequests": count,
            "requestLimit": limit,
            "resetAt": reset_at,
            "remainingMinutes": remaining_minutes,
        }),
        Spent::Tokens { count, limit } => json!({
            "error": "Rate limit exceeded",
            "message": message(format!(" Token 使用限制 ({limit} tokens)")),
            "currentTokens": count,
            "tokenLimit": limit,
            "resetAt": reset_at,
            "remainingMinutes": remaining_minutes,
        }),
        Spent::Cost { cost, limit } => json!({
            "error": "Rate limit exceeded",
            "message": message(format!("费用限制 (${})", js(limit))),
            "currentCost": number(cost),
            "costLimit": number(limit),
            "resetAt": reset_at,
            "remainingMinutes": remaining_minutes,
        }),
    }
}

fn quota(message: &str, code: &str, cost: f64, limit: f64, reset_at_ms: Option<i64>) -> Value {
    let mut body = json!({
        "error": {"type": "insufficient_quota", "message": message, "code": code},
        "currentCost": number(cost),
        "costLimit": number(limit),
    });
    if let (Some(fields), Some(at)) = (body.as_object_mut(), reset_at_ms) {
        fields.insert("resetAt".into(), iso(at).into());
    }
    body
}

fn permission(family: RouteFamily, service: Service) -> Value {
    let title = service.title();
    let english = format!("This API key does not have permission to access {title}");
    match family {
        RouteFamily::Messages => json!({"error": {
            "type": "permission_error",
            "message": format!("此 API Key 无权访问 {title} 服务"),
        }}),
        RouteFamily::CountTokens => {
            json!({"error": {"type": "permission_error", "message": english}})
        }
        RouteFamily::Gemini => json!({"error": {"message": english, "type": "permission_denied"}}),
        RouteFamily::Droid => {
            json!({"error": "permission_denied", "message": "此 API Key 未启用 Droid 权限"})
        }
        RouteFamily::OpenAi | RouteFamily::OpenAiGemini | RouteFamily::Azure => json!({"error": {
            "message": english,
            "type": "permission_denied",
            "code": "permission_denied",
        }}),
    }
}

fn model_refused(family: RouteFamily, model: &str) -> Value {
    match family {
        RouteFamily::Messages => {
            json!({"error": {"type": "forbidden", "message": "暂无该模型访问权限"}})
        }
        _ => json!({"error": {
            "message": format!("Model {model} is not allowed for this API key"),
            "type": "invalid_request_error",
            "code": "model_not_allowed",
        }}),
    }
}
