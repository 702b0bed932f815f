//! Models as `/openai/claude` tells of them, which is not what it serves: any model may be asked for.

use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use serde_json::{Value, json};

use crate::{
    api::middleware::answer,
    keys::{ApiKeySnapshot, RouteFamily, Service, check_permission, may_list_model},
};

/// The models that are listed.
const LISTED: [&str; 2] = ["claude-opus-4-20250514", "claude-sonnet-4-20250514"];
/// When models that have a price are said to be made, Unix seconds.
const CREATED_S: i64 = 1_736_726_400;

/// The list, less what the key may not use.
pub fn chat_models(key: &ApiKeySnapshot) -> Response<Body> {
    if let Some(refusal) = refusal(key) {
        return refusal;
    }
    let shown = LISTED.iter().filter(|id| may_list_model(key, RouteFamily::OpenAi, id));
    let data: Vec<Value> = shown
        .map(|id| {
            json!({ "id": id, "object": "model", "created": CREATED_S, "owned_by": "anthropic" })
        })
        .collect();
    answer::json(StatusCode::OK, &json!({ "object": "list", "data": data }))
}

/// One model. `made_s`: when it is said to be made, if it has no price.
pub fn chat_model(key: &ApiKeySnapshot, id: &str, made_s: Option<i64>) -> Response<Body> {
    if let Some(refusal) = refusal(key) {
        return refusal;
    }
    if !may_list_model(key, RouteFamily::OpenAi, id) {
        let error = json!({
            "message": format!("Model '{id}' not found"),
            "type": "invalid_request_error",
            "code": "model_not_found",
        });
        return answer::json(StatusCode::NOT_FOUND, &json!({ "error": error }));
    }
    let model = json!({
        "id": id,
        "object": "model",
        "created": made_s.unwrap_or(CREATED_S),
        "owned_by": "anthropic",
        "permission": [],
        "root": id,
        "parent": null,
    });
    answer::json(StatusCode::OK, &model)
}

fn refusal(key: &ApiKeySnapshot) -> Option<Response<Body>> {
    let rejection = check_permission(key, RouteFamily::OpenAi, Service::Claude).err()?;
    let status = StatusCode::from_u16(rejection.status()).unwrap_or(StatusCode::FORBIDDEN);
    Some(answer::json(status, &rejection.body()))
}
