//! `POST /v1/messages` after admission (contract/anthropic.md §1.3, in its order).

use std::sync::Arc;

use compat::{pool::Kind, store::StoreError};
use serde_json::json;

use super::{
    Call, End, Relay, Reply,
    choose::{ChoiceError, Chosen},
    failure::Failure,
};
use crate::{
    domain::HeaderList,
    keys::{RouteFamily, Service, check_model, check_permission},
    schedule::Prefetched,
    wire::{anthropic::warmup, body::Messages},
};

impl Relay {
    /// Answers an admitted messages request. The call's slot is held until the answer is complete.
    pub async fn messages(
        self: &Arc<Self>,
        call: Call,
        prefetched: Result<Prefetched, StoreError>,
    ) -> Reply {
        if let Some(refusal) = refuse(&call, Service::Claude) {
            return refusal;
        }
        let mut call = call;
        let stream = call.incoming.body.stream();
        let headers = if stream { Reply::stream_headers() } else { HeaderList::new() };
        let mut prefetched = Some(prefetched);
        let mut retried = false;
        loop {
            let outcome = match self.choose(&call, prefetched.take()).await {
                Ok(chosen) => self.relay_to(call, chosen, stream).await,
                Err(error) => Err((call, error)),
            };
            let (back, error) = match outcome {
                Ok(reply) => return reply,
                Err(error) => error,
            };
            call = back;
            match error {
                ChoiceError::Answer(mut reply) => {
                    if stream {
                        reply.headers = merged(&headers, &reply.headers);
                    }
                    return reply;
                }
                ChoiceError::Failure(Failure::ConsoleFull) if !retried => {
                    retried = true;
                    self.forget_session(&call).await;
                }
                ChoiceError::Failure(failure) => {
                    if matches!(failure, Failure::Internal(_)) {
                        call.trail.ends(End::Fault);
                    }
                    log_failure(&call, &failure);
                    return failure.into_reply(headers, &self.now_iso());
                }
            }
        }
    }

    /// Answers a request that its path sends to Gemini accounts. None are served, which the client
    /// hears as the legacy service words it.
    pub fn messages_for_gemini(&self, call: &Call) -> Reply {
        refuse(call, Service::Gemini).unwrap_or_else(|| no_gemini(call))
    }

    /// As [`Relay::messages_for_gemini`], for counting tokens.
    pub fn count_tokens_for_gemini(&self, call: &Call) -> Reply {
        match check_permission(&call.key, RouteFamily::CountTokens, Service::Gemini) {
            Ok(()) => no_gemini(call),
            Err(rejection) => Reply::json(rejection.status(), &rejection.body()),
        }
    }

    /// Relays a call to the account chosen for it.
    pub(super) async fn relay_to(
        self: &Arc<Self>,
        call: Call,
        chosen: Chosen,
        stream: bool,
    ) -> Result<Reply, (Call, ChoiceError)> {
        let body = &call.incoming.body;
        if call.chat.is_none() && chosen.intercepts_warmup() && warmup::is_warmup(body.root()) {
            return Ok(self.warmup_reply(call, stream));
        }
        match (chosen.kind(), stream) {
            (Kind::Official, false) => self.official_plain(call, chosen).await,
            (Kind::Official, true) => self.official_stream(call, chosen).await,
            (Kind::Console, false) => self.console_plain(call, chosen).await,
            (Kind::Console, true) => self.console_stream(call, chosen).await,
            (Kind::Ccr, false) => self.ccr_plain(call, chosen).await,
            (Kind::Ccr, true) => self.ccr_stream(call, chosen).await,
            (Kind::Bedrock, false) => self.bedrock_plain(call, chosen).await,
            (Kind::Bedrock, true) => self.bedrock_stream(call, chosen).await,
            (kind @ (Kind::OpenAi | Kind::OpenAiResponses | Kind::Azure), _) => {
                let text = format!("a {} account was chosen for a Claude request", kind.as_str());
                Err((call, Failure::Internal(text).into()))
            }
        }
    }
}

/// Refusals that come before an account is chosen.
fn refuse(call: &Call, service: Service) -> Option<Reply> {
    if let Err(rejection) = check_permission(&call.key, RouteFamily::Messages, service) {
        return Some(Reply::json(rejection.status(), &rejection.body()));
    }
    let invalid = |message: &str| {
        Some(Reply::json(400, &json!({ "error": "Invalid request", "message": message })))
    };
    match call.incoming.body.messages() {
        Messages::NotAnArray => {
            return invalid("Missing or invalid field: messages (must be an array)");
        }
        Messages::Empty => return invalid("Messages array cannot be empty"),
        Messages::Some(_) => {}
    }
    let model = call.incoming.body.model().unwrap_or_default();
    check_model(&call.key, RouteFamily::Messages, &model)
        .err()
        .map(|rejection| Reply::json(rejection.status(), &rejection.body()))
}

fn no_gemini(call: &Call) -> Reply {
    let message = match call.incoming.body.model().filter(|model| !model.is_empty()) {
        Some(model) => format!("No available Gemini accounts support the requested model: {model}"),
        None => "No available Gemini accounts".to_owned(),
    };
    let error = json!({ "type": "api_error", "message": message });
    Reply::json(503, &json!({ "type": "error", "error": error }))
}

/// `base` with `over`'s headers set on top.
pub(super) fn merged(base: &HeaderList, over: &HeaderList) -> HeaderList {
    let mut headers = base.clone();
    for (name, value) in over.iter() {
        headers.set(name, value);
    }
    headers
}

/// Says in the log what became of a call.
pub(super) fn log_failure(call: &Call, failure: &Failure) {
    tracing::error!(
        request_id = %call.incoming.request_id,
        key = %call.key.id,
        failure = failure.label(),
        "relay failed: {failure}"
    );
}
