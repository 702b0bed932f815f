//! `/azure`: chat completions, responses and embeddings of Azure accounts.

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, http::Response};

use super::{admitted, run};
use crate::{
    api::{middleware::Arrival, render},
    app::AppState,
    relay::{AZURE_SESSION_HEADER, Admission, AzureEndpoint, Family, Incoming, Relay},
};

/// `POST /azure/chat/completions`.
pub async fn chat(state: State<AppState>, arrival: Extension<Arrival>) -> Response<Body> {
    answer(state, arrival, AzureEndpoint::Chat).await
}

/// `POST /azure/responses`.
pub async fn responses(state: State<AppState>, arrival: Extension<Arrival>) -> Response<Body> {
    answer(state, arrival, AzureEndpoint::Responses).await
}

/// `POST /azure/embeddings`.
pub async fn embeddings(state: State<AppState>, arrival: Extension<Arrival>) -> Response<Body> {
    answer(state, arrival, AzureEndpoint::Embeddings).await
}

async fn answer(
    State(app): State<AppState>,
    Extension(arrival): Extension<Arrival>,
    endpoint: AzureEndpoint,
) -> Response<Body> {
    let relay = Arc::clone(&app.relay);
    run(&app.relay, serve(relay, arrival.into(), endpoint)).await
}

async fn serve(relay: Arc<Relay>, incoming: Incoming, endpoint: AzureEndpoint) -> Response<Body> {
    let may_decline = incoming.may_decline;
    let session = incoming.headers.get(AZURE_SESSION_HEADER).filter(|name| !name.is_empty());
    let session = session.map(str::to_owned);
    match relay.admit(incoming, Family::Azure, session.as_deref()).await {
        Ok(admission) => {
            admitted(admission, may_decline, |Admission { call, prefetched }| async move {
                relay.azure(call, prefetched, endpoint).await
            })
            .await
        }
        Err(refusal) => render::rejection(&refusal),
    }
}
