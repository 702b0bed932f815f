//! `/v1/messages` and `/v1/messages/count_tokens` under every prefix.

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, http::Response};

use super::{admitted, run};
use crate::{
    api::{middleware::Arrival, render},
    app::AppState,
    keys::ApiKeySnapshot,
    relay::{Admission, Family, Incoming, Relay, session_hash},
};

/// Which of the two routes.
#[derive(Clone, Copy)]
enum Route {
    Messages,
    CountTokens,
    GeminiMessages,
    GeminiCountTokens,
}

/// `POST …/v1/messages`.
pub async fn messages(
    State(app): State<AppState>,
    Extension(arrival): Extension<Arrival>,
) -> Response<Body> {
    let relay = Arc::clone(&app.relay);
    run(&app.relay, serve(relay, arrival.into(), Route::Messages)).await
}

/// `POST …/v1/messages/count_tokens`.
pub async fn count_tokens(
    State(app): State<AppState>,
    Extension(arrival): Extension<Arrival>,
) -> Response<Body> {
    let relay = Arc::clone(&app.relay);
    run(&app.relay, serve(relay, arrival.into(), Route::CountTokens)).await
}

/// `POST …/v1/messages` under a prefix that stands for Gemini accounts.
pub async fn gemini_messages(
    State(app): State<AppState>,
    Extension(arrival): Extension<Arrival>,
) -> Response<Body> {
    let relay = Arc::clone(&app.relay);
    run(&app.relay, serve(relay, arrival.into(), Route::GeminiMessages)).await
}

/// `POST …/v1/messages/count_tokens` under such a prefix.
pub async fn gemini_count_tokens(
    State(app): State<AppState>,
    Extension(arrival): Extension<Arrival>,
) -> Response<Body> {
    let relay = Arc::clone(&app.relay);
    run(&app.relay, serve(relay, arrival.into(), Route::GeminiCountTokens)).await
}

/// Answers a question about the key that asks, after full admission: such questions count against the
/// key's window and slots as any request does.
pub async fn with_key<F>(
    relay: Arc<Relay>,
    arrival: Arrival,
    answer: impl FnOnce(Arc<ApiKeySnapshot>) -> F + Send + 'static,
) -> Response<Body>
where
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let incoming = Incoming::from(arrival);
    let work = {
        let relay = Arc::clone(&relay);
        async move {
            match relay.admit(incoming, Family::Claude, None).await {
                Ok(admission) => {
                    let mut response = answer(Arc::clone(&admission.call.key)).await;
                    render::add_missing(&mut response, &admission.call.admitted.headers);
                    response
                }
                Err(refusal) => render::rejection(&refusal),
            }
        }
    };
    run(&relay, work).await
}

async fn serve(relay: Arc<Relay>, incoming: Incoming, route: Route) -> Response<Body> {
    let may_decline = incoming.may_decline;
    let session = session_hash(incoming.body.root());
    let admission = match relay.admit(incoming, Family::Claude, session.as_deref()).await {
        Ok(admission) => admission,
        Err(refusal) => return render::rejection(&refusal),
    };
    admitted(admission, may_decline, |Admission { call, prefetched }| async move {
        match route {
            Route::Messages => relay.messages(call, prefetched).await,
            Route::CountTokens => relay.count_tokens(call, prefetched).await,
            Route::GeminiMessages => relay.messages_for_gemini(&call),
            Route::GeminiCountTokens => relay.count_tokens_for_gemini(&call),
        }
    })
    .await
}
