//! Every path of the service. Paths arrive in the one spelling that this table knows
//! (`middleware::path`).

use std::sync::Arc;

use axum::{
    Extension, Router,
    routing::{get, post},
};

use super::{
    admin::crs::{self, CrsAdmin},
    middleware::Arrival,
    relay::{azure, chat, claude, openai},
    service::{self, AzureEndpoint, KeyEndpoint, KeyHolder, PREFIXES, ServiceState},
};
use crate::app::AppState;

/// All routes; without `admin` none of those below `/admin/crs/`.
pub fn router(app: AppState, state: ServiceState, admin: Option<CrsAdmin>) -> Router {
    let mut router = Router::new();
    for prefix in PREFIXES {
        let (messages, count_tokens) = match prefix {
            "/api" | "/claude" => (post(claude::messages), post(claude::count_tokens)),
            _ => (post(claude::gemini_messages), post(claude::gemini_count_tokens)),
        };
        router = router
            .route(&format!("{prefix}/v1/messages"), messages.clone())
            .route(&format!("{prefix}/claude/v1/messages"), messages)
            .route(&format!("{prefix}/v1/messages/count_tokens"), count_tokens);
        for endpoint in KeyEndpoint::ALL {
            let state = state.clone();
            let answer = move |axum::extract::State(app): axum::extract::State<AppState>,
                               Extension(arrival): Extension<Arrival>| {
                let (relay, state) = (Arc::clone(&app.relay), state.clone());
                async move {
                    claude::with_key(relay, arrival, move |key| async move {
                        endpoint.answer(&state, KeyHolder { key: &key, prefix }).await
                    })
                    .await
                }
            };
            router = router.route(&format!("{prefix}{}", endpoint.path()), get(answer));
        }
    }
    for prefix in ["/api", "/openai"] {
        router = router
            .route(&format!("{prefix}/v1/chat/completions"), post(chat::unified))
            .route(&format!("{prefix}/v1/completions"), post(chat::unified_prompt));
    }
    for path in ["/openai/responses", "/openai/v1/responses"] {
        router = router
            .route(path, post(openai::responses))
            .route(&format!("{path}/compact"), post(openai::responses));
    }
    for endpoint in AzureEndpoint::ALL {
        let state = state.clone();
        let answer = move |axum::extract::State(app): axum::extract::State<AppState>,
                           Extension(arrival): Extension<Arrival>| {
            let (relay, state) = (Arc::clone(&app.relay), state.clone());
            claude::with_key(relay, arrival, move |key| async move {
                endpoint.answer(&state, &key).await
            })
        };
        router = router.route(&format!("/azure{}", endpoint.path()), get(answer));
    }
    router
        .route("/openai/images/generations", post(openai::images))
        .route("/openai/v1/images/generations", post(openai::images))
        .route("/openai/usage", get(openai::usage))
        .route("/openai/key-info", get(openai::key_info))
        .route("/azure/chat/completions", post(azure::chat))
        .route("/azure/responses", post(azure::responses))
        .route("/azure/embeddings", post(azure::embeddings))
        .route("/openai/claude/v1/chat/completions", post(chat::claude))
        .route("/openai/claude/v1/completions", post(chat::claude_prompt))
        .route("/openai/claude/v1/models", get(chat::models))
        .route("/openai/claude/v1/models/{model}", get(chat::model))
        .with_state(app)
        .merge(service::open_routes(state))
        .merge(admin.map_or_else(Router::new, crs::routes))
        .fallback(service::not_found)
        .method_not_allowed_fallback(service::not_found)
}
