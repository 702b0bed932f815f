//! Chat completions and completions in OpenAI's dialect: `/openai/claude` for Claude's models, and the
//! unified routes, which take every platform's.

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, http::Response};

use super::{admitted, claude::with_key, declined, run};
use crate::{
    api::{
        middleware::{Arrival, path},
        render, service,
    },
    app::AppState,
    relay::{Admission, ChatAsk, ChatRoute, Incoming, Relay},
};

/// `POST …/v1/chat/completions`, the model deciding on the platform.
pub async fn unified(state: State<AppState>, arrival: Extension<Arrival>) -> Response<Body> {
    answer(state, arrival, ChatRoute { unified: true, prompt: false }).await
}

/// `POST …/v1/completions`, the model deciding on the platform.
pub async fn unified_prompt(state: State<AppState>, arrival: Extension<Arrival>) -> Response<Body> {
    answer(state, arrival, ChatRoute { unified: true, prompt: true }).await
}

/// `POST /openai/claude/v1/chat/completions`.
pub async fn claude(state: State<AppState>, arrival: Extension<Arrival>) -> Response<Body> {
    answer(state, arrival, ChatRoute { unified: false, prompt: false }).await
}

/// `POST /openai/claude/v1/completions`.
pub async fn claude_prompt(state: State<AppState>, arrival: Extension<Arrival>) -> Response<Body> {
    answer(state, arrival, ChatRoute { unified: false, prompt: true }).await
}

/// `GET /openai/claude/v1/models`.
pub async fn models(
    State(app): State<AppState>,
    Extension(arrival): Extension<Arrival>,
) -> Response<Body> {
    let relay = Arc::clone(&app.relay);
    with_key(relay, arrival, |key| async move { service::chat_models(&key) }).await
}

/// `GET /openai/claude/v1/models/{model}`: any name is one.
pub async fn model(
    State(app): State<AppState>,
    Extension(arrival): Extension<Arrival>,
) -> Response<Body> {
    let relay = Arc::clone(&app.relay);
    let name = path::last_segment(&arrival.original_url);
    let now_s = arrival.received_ms.div_euclid(1000);
    with_key(Arc::clone(&relay), arrival, move |key| async move {
        let priced = relay.billing.prices().find(&name).is_some();
        service::chat_model(&key, &name, (!priced).then_some(now_s))
    })
    .await
}

async fn answer(
    State(app): State<AppState>,
    Extension(arrival): Extension<Arrival>,
    route: ChatRoute,
) -> Response<Body> {
    let relay = Arc::clone(&app.relay);
    run(&app.relay, serve(relay, arrival.into(), route)).await
}

async fn serve(relay: Arc<Relay>, incoming: Incoming, route: ChatRoute) -> Response<Body> {
    let ask = ChatAsk::read(&incoming.body, route);
    if incoming.may_decline && ask.is_elsewhere() {
        // Before anything is counted: Node serves these accounts.
        return declined();
    }
    let session = ask.session_hash(&incoming.headers);
    let may_decline = incoming.may_decline;
    match relay.admit(incoming, ask.family(), session.as_deref()).await {
        Ok(admission) => {
            admitted(admission, may_decline, |Admission { call, prefetched }| async move {
                relay.chat(call, prefetched, ask).await
            })
            .await
        }
        Err(refusal) => render::rejection(&refusal),
    }
}
