//! Thin handlers of the relay routes: from what arrived to a call, from a reply to a response.

pub mod azure;
pub mod chat;
pub mod claude;
pub mod openai;

use std::sync::Arc;

use axum::{body::Body, http::Response};

use super::{
    middleware::{Arrival, Fault, KeyLabel, Unserved},
    render,
};
use crate::{
    keys,
    relay::{Admission, End, Incoming, Relay, Reply},
};

impl From<Arrival> for Incoming {
    fn from(arrival: Arrival) -> Self {
        Self {
            credential: keys::present(&arrival.headers, arrival.query_key.as_deref()),
            request_id: arrival.request_id,
            received_ms: arrival.received_ms,
            method: arrival.method,
            original_url: arrival.original_url,
            headers: arrival.headers,
            body: arrival.body,
            may_decline: arrival.may_decline,
            gone: arrival.gone,
        }
    }
}

/// Runs `work` as a relay task, so that it ends by itself whatever happens to the connection, and
/// renders its outcome. A panic becomes the client's 500.
pub fn run<F>(relay: &Arc<Relay>, work: F) -> impl Future<Output = Response<Body>> + Send + use<F>
where
    F: Future<Output = Response<Body>> + Send + 'static,
{
    // In a box: a call's state is ten kilobytes, which spawning copies from layer to layer.
    let task = relay.tasks.spawn(Box::pin(work));
    let relay = Arc::clone(relay);
    async move {
        match task.await {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(%error, "a relay task failed");
                let body = serde_json::json!({
                    "error": "Relay service error",
                    "message": "An unexpected error occurred",
                    "timestamp": relay.now_iso(),
                });
                let mut response = render::reply(Reply::json(500, &body));
                response.extensions_mut().insert(Fault);
                response
            }
        }
    }
}

/// Answers an admitted call; what ended for reasons of our own is marked, so that somebody else may
/// answer in our place if there is one (`may_decline`).
async fn admitted<F>(
    admission: Admission,
    may_decline: bool,
    answer: impl FnOnce(Admission) -> F,
) -> Response<Body>
where
    F: Future<Output = Reply>,
{
    let call = &admission.call;
    let label = KeyLabel(format!("{} ({})", call.key.record.name, call.key.id));
    let added = call.admitted.headers.clone();
    let trail = call.trail.clone();
    let mut response = render::reply(answer(admission).await);
    // Streams set their own `Connection`, overwriting what the queue asked for (legacy quirk).
    render::add_missing(&mut response, &added);
    response.extensions_mut().insert(label);
    match trail.end() {
        Some(End::NotServed) if may_decline => {
            response.extensions_mut().insert(Unserved);
        }
        Some(End::NotServed | End::Fault) => {
            response.extensions_mut().insert(Fault);
        }
        None => {}
    }
    response
}

/// Somebody else serves this.
fn declined() -> Response<Body> {
    let body = serde_json::json!({ "error": "service_unavailable", "message": "Not served here" });
    let mut response = render::reply(Reply::json(503, &body));
    response.extensions_mut().insert(Unserved);
    response
}
