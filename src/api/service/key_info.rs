//! Answers about the key that asks (contract/auth-limits-usage.md §10).

use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use serde_json::{Value, json};

use super::{ServiceState, models};
use crate::{
    api::middleware::answer,
    keys::{ApiKeySnapshot, RouteFamily, Service, check_permission, may_list_model},
};

/// Endpoints that answer about an admitted key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEndpoint {
    /// `GET /v1/models`.
    Models,
    /// `GET /v1/key-info`.
    KeyInfo,
    /// `GET /v1/usage`.
    Usage,
    /// `GET /v1/me`.
    Me,
    /// `GET /v1/organizations/{org_id}/usage`.
    OrganizationUsage,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct KeyHolder<'a> {
    /// The admitted key.
    pub key: &'a ApiKeySnapshot,
    /// One of [`super::PREFIXES`].
    pub prefix: &'a str,
}

impl KeyEndpoint {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Models, Self::KeyInfo, Self::Usage, Self::Me, Self::OrganizationUsage];

    /// Path below each of [`super::PREFIXES`]; the method is `GET`.
    pub fn path(self) -> &'static str {
        match self {
            Self::Models => "/v1/models",
            Self::KeyInfo => "/v1/key-info",
            Self::Usage => "/v1/usage",
            Self::Me => "/v1/me",
            Self::OrganizationUsage => "/v1/organizations/{org_id}/usage",
        }
    }

    /// The answer, after admission.
    pub async fn answer(self, state: &ServiceState, holder: KeyHolder<'_>) -> Response<Body> {
        let record = &holder.key.record;
        match self {
            Self::Models => list_models(state, holder),
            Self::Me => answer::json(
                StatusCode::OK,
                &json!({
                    "id": format!("user_{}", record.id),
                    "type": "user",
                    "display_name": if record.name.is_empty() { "API User" } else { &record.name },
                    "created_at": state.now(),
                }),
            ),
            Self::KeyInfo => self.with_usage(state, holder, |usage| {
                json!({
                    "keyInfo": {
                        "id": record.id,
                        "name": record.name,
                        "tokenLimit": record.token_limit,
                        "usage": usage,
                    },
                    "timestamp": state.now(),
                })
            })
            .await,
            Self::Usage => self.with_usage(state, holder, |usage| {
                json!({
                    "usage": usage,
                    "limits": { "tokens": record.token_limit, "requests": 0 },
                    "timestamp": state.now(),
                })
            })
            .await,
            // Legacy quirk: the usage read for it has no such total, so nothing is ever subtracted.
            Self::OrganizationUsage => self.with_usage(state, holder, |_| {
                json!({
                    "object": "usage",
                    "data": [{ "type": "credit_balance", "credit_balance": record.token_limit }],
                })
            })
            .await,
        }
    }

    async fn with_usage(
        self,
        state: &ServiceState,
        holder: KeyHolder<'_>,
        body: impl FnOnce(Value) -> Value,
    ) -> Response<Body> {
        match state.facts.usage(holder.key.id.as_str()).await {
            Ok(usage) => answer::json(StatusCode::OK, &body(usage)),
            Err(message) => {
                tracing::error!(error = %message, "Usage of a key could not be read");
                let error = match self {
                    Self::KeyInfo => "Failed to get key info",
                    Self::Usage => "Failed to get usage stats",
                    _ => "Failed to get usage info",
                };
                answer::json(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    &json!({ "error": error, "message": message }),
                )
            }
        }
    }
}

fn list_models(state: &ServiceState, holder: KeyHolder<'_>) -> Response<Body> {
    if holder.prefix == "/antigravity/api" {
        // The list of that vendor is its own; without an account of it there is none.
        let refused = check_permission(holder.key, RouteFamily::Messages, Service::Gemini).err();
        if let Some(rejection) = refused {
            let status = StatusCode::from_u16(rejection.status()).unwrap_or(StatusCode::FORBIDDEN);
            return answer::json(status, &rejection.body());
        }
        let body = json!({ "error": "No available Gemini OAuth accounts" });
        return answer::json(StatusCode::SERVICE_UNAVAILABLE, &body);
    }
    let shown = |model: &str| may_list_model(holder.key, RouteFamily::Messages, model);
    answer::json(StatusCode::OK, &models::list(state.facts.now_ms(), shown))
}
