//! What a key may know of itself under `/openai` (contract/openai-azure-droid.md §1).

use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use serde_json::{Value, json};

use super::{FactError, Facts};
use crate::{api::middleware::answer, keys::ApiKeySnapshot};

/// `GET /openai/usage`
pub async fn openai_usage(facts: &dyn Facts, key: &ApiKeySnapshot) -> Response<Body> {
    let usage = match facts.usage(key.id.as_str()).await {
        Ok(usage) => usage,
        Err(error) => return unread(&error, "Failed to retrieve usage statistics"),
    };
    let count = |period: &str, name: &str| {
        usage.get(period).and_then(|period| period.get(name)).cloned().unwrap_or_else(|| 0.into())
    };
    let body = json!({
        "object": "usage",
        "total_tokens": count("total", "tokens"),
        "total_requests": count("total", "requests"),
        "daily_tokens": count("daily", "tokens"),
        "daily_requests": count("daily", "requests"),
        "monthly_tokens": count("monthly", "tokens"),
        "monthly_requests": count("monthly", "requests"),
    });
    answer::json(StatusCode::OK, &body)
}

/// `GET /openai/key-info`
pub async fn openai_key_info(facts: &dyn Facts, key: &ApiKeySnapshot) -> Response<Body> {
    let usage = match facts.usage(key.id.as_str()).await {
        Ok(usage) => usage,
        Err(error) => return unread(&error, "Failed to retrieve API key information"),
    };
    let record = &key.record;
    let period = |name: &str| usage.get(name).cloned().unwrap_or_else(|| json!({}));
    let used = usage.pointer("/total/tokens").and_then(Value::as_i64).unwrap_or(0);
    let limit = record.token_limit;
    let body = json!({
        "id": record.id,
        "name": record.name,
        "permissions": record.permissions.services(),
        "token_limit": limit,
        "tokens_used": used,
        "tokens_remaining": limit.filter(|limit| *limit > 0).map(|limit| (limit - used).max(0)),
        "rate_limit": { "window": record.rate_limit_window, "requests": record.rate_limit_requests },
        "usage": {
            "total": period("total"),
            "daily": period("daily"),
            "monthly": period("monthly"),
        },
    });
    answer::json(StatusCode::OK, &body)
}

fn unread(error: &FactError, message: &str) -> Response<Body> {
    tracing::error!(%error, "Usage of a key could not be read");
    let body = json!({ "error": { "message": message, "type": "api_error" } });
    answer::json(StatusCode::INTERNAL_SERVER_ERROR, &body)
}
