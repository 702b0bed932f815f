//! Responses and pictures under `/openai`, and what a key may know of itself there.

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, http::Response};

use super::{admitted, claude::with_key, run};
use crate::{
    api::{middleware::Arrival, render, service},
    app::AppState,
    relay::{Admission, Family, Incoming, Relay, ResponsesAsk, image_session},
};

/// `POST /openai/responses` and its other paths.
pub async fn responses(
    State(app): State<AppState>,
    Extension(arrival): Extension<Arrival>,
) -> Response<Body> {
    let relay = Arc::clone(&app.relay);
    run(&app.relay, serve(relay, arrival.into())).await
}

/// `POST /openai/images/generations`.
pub async fn images(
    State(app): State<AppState>,
    Extension(arrival): Extension<Arrival>,
) -> Response<Body> {
    let relay = Arc::clone(&app.relay);
    run(&app.relay, draw(relay, arrival.into())).await
}

/// `GET /openai/usage`
pub async fn usage(
    State(app): State<AppState>,
    Extension(arrival): Extension<Arrival>,
) -> Response<Body> {
    let relay = Arc::clone(&app.relay);
    with_key(relay, arrival, |key| async move { service::openai_usage(&*app, &key).await }).await
}

/// `GET /openai/key-info`
pub async fn key_info(
    State(app): State<AppState>,
    Extension(arrival): Extension<Arrival>,
) -> Response<Body> {
    let relay = Arc::clone(&app.relay);
    with_key(relay, arrival, |key| async move { service::openai_key_info(&*app, &key).await }).await
}

async fn serve(relay: Arc<Relay>, incoming: Incoming) -> Response<Body> {
    let ask = ResponsesAsk::client(&incoming.original_url);
    let session = ResponsesAsk::session_hash(&incoming);
    let may_decline = incoming.may_decline;
    match relay.admit(incoming, Family::OpenAi, session.as_deref()).await {
        Ok(admission) => {
            admitted(admission, may_decline, |Admission { call, prefetched }| async move {
                relay.responses(call, prefetched, ask).await
            })
            .await
        }
        Err(refusal) => render::rejection(&refusal),
    }
}

async fn draw(relay: Arc<Relay>, incoming: Incoming) -> Response<Body> {
    let session = image_session(&incoming);
    let may_decline = incoming.may_decline;
    match relay.admit(incoming, Family::OpenAi, session.as_deref()).await {
        Ok(admission) => {
            admitted(admission, may_decline, |Admission { call, prefetched }| async move {
                relay.images(call, prefetched).await
            })
            .await
        }
        Err(refusal) => render::rejection(&refusal),
    }
}
