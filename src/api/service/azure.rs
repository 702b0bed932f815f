//! What `/azure` tells about itself (`contract/openai-azure-droid.md §1`).

use axum::{
    body::Body,
    extract::State,
    http::{Response, StatusCode},
};
use serde_json::{Value, json};

use super::ServiceState;
use crate::{api::middleware::answer, keys::ApiKeySnapshot};

/// Models that are listed; no account is asked.
const MODELS: [&str; 12] = [
    "gpt-4",
    "gpt-4-turbo",
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-5",
    "gpt-5-mini",
    "gpt-35-turbo",
    "gpt-35-turbo-16k",
    "codex-mini",
    "text-embedding-ada-002",
    "text-embedding-3-small",
    "text-embedding-3-large",
];

/// Endpoints that answer about an admitted key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AzureEndpoint {
    /// `GET /azure/models`.
    Models,
    /// `GET /azure/usage`.
    Usage,
}

impl AzureEndpoint {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Models, Self::Usage];

    /// Path below `/azure`; the method is `GET`.
    pub fn path(self) -> &'static str {
        match self {
            Self::Models => "/models",
            Self::Usage => "/usage",
        }
    }

    /// The answer, after admission.
    pub async fn answer(self, state: &ServiceState, key: &ApiKeySnapshot) -> Response<Body> {
        match self {
            Self::Models => answer::json(StatusCode::OK, &models(state.facts.now_ms())),
            Self::Usage => match state.facts.usage(key.id.as_str()).await {
                Ok(usage) => {
                    answer::json(StatusCode::OK, &json!({ "object": "usage", "data": usage }))
                }
                Err(message) => {
                    tracing::error!(error = %message, "Usage of a key could not be read");
                    let error = json!({ "message": "Failed to fetch usage data" });
                    answer::json(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "error": error }))
                }
            },
        }
    }
}

/// `created` is in milliseconds, as the legacy service has it.
fn models(now_ms: i64) -> Value {
    let shown = |model: &str| {
        json!({
            "id": format!("azure/{model}"),
            "object": "model",
            "created": now_ms,
            "owned_by": "azure-openai",
        })
    };
    json!({ "object": "list", "data": MODELS.iter().map(|model| shown(model)).collect::<Vec<_>>() })
}

/// `GET /azure/health`.
pub(super) async fn health(State(state): State<ServiceState>) -> Response<Body> {
    let body = json!({
        "status": "healthy",
        "service": "azure-openai-relay",
        "timestamp": state.now(),
    });
    answer::json(StatusCode::OK, &body)
}
