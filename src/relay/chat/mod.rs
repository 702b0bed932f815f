//! Chat completions on accounts that serve Claude models (contract/anthropic.md §1.5), and on those that
//! serve OpenAI's (contract/openai-azure-droid.md §1.1).
//!
//! A request is converted once, before an account is chosen; from there on it is a Messages or Responses
//! call like any other, through the relay of whichever account was chosen. What the client is told is
//! converted where answers leave those relays. For Messages these are three places: whole answers (`answer`),
//! streams ([`ChatTap`]), failures (`answer`). Responses relays show their answers through a `shape`;
//! their failures have the dialect's form already.

mod answer;
mod ask;
mod shape;
mod tap;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use compat::store::StoreError;

use super::{
    Call, End, Relay, Reply, ResponsesAsk, choose::ChoiceError, failure::Failure,
    official::random_base36,
};
use crate::{
    accounts::messages::{self, LimitEnd},
    domain::HeaderList,
    keys::{RouteFamily, Service, check_model, check_permission},
    relay::RequestBody,
    schedule::{BindingCheck, Prefetched, SelectError},
    wire::convert::{ConvertError, anthropic_to_chat::Naming, dropped},
};

pub(super) use answer::vendor_error;
pub use ask::{ChatAsk, ChatRoute, platform_of};
use ask::{ForResponses, Outcome};
use shape::ChatShape;
pub(super) use tap::ChatTap;

/// Random digits in the id of an answer.
const ID_DIGITS: usize = 24;

/// What is kept of a client that speaks this dialect while its request is a Messages call.
#[derive(Debug)]
pub struct ChatClient {
    /// How answers name themselves.
    naming: Naming,
    /// The body that request details show; only kept when they are captured.
    pub(super) body: Option<Arc<RequestBody>>,
    /// `anthropic-beta` of the client, which counts in the price and goes no further.
    pub(super) beta: Option<String>,
}

impl Relay {
    /// Answers an admitted chat request.
    pub async fn chat(
        self: &Arc<Self>,
        call: Call,
        prefetched: Result<Prefetched, StoreError>,
        ask: ChatAsk,
    ) -> Reply {
        let ChatAsk { body, route, outcome } = ask;
        let service = match outcome {
            Outcome::Refused(refusal) => return refusal.reply(),
            Outcome::Other(service) => service,
            Outcome::Claude(_) => Service::Claude,
            Outcome::OpenAi(_) => Service::OpenAi,
        };
        if let Err(rejection) = check_permission(&call.key, RouteFamily::OpenAi, service) {
            return Reply::json(rejection.status(), &rejection.body());
        }
        match outcome {
            Outcome::Claude(Ok(converted)) => {
                self.converted(call, prefetched, &body, converted).await
            }
            Outcome::Claude(Err(error)) => {
                unconverted(&call, error);
                answer::internal(HeaderList::new(), error.told())
            }
            Outcome::OpenAi(Ok(converted)) => {
                self.chat_responses(call, prefetched, &body, converted).await
            }
            Outcome::OpenAi(Err(error)) => {
                unconverted(&call, error);
                answer::error(500, route.fault(), "server_error", "internal_error")
            }
            Outcome::Other(_) | Outcome::Refused(_) => {
                call.trail.ends(End::NotServed);
                answer::not_served(service)
            }
        }
    }

    async fn chat_responses(
        self: &Arc<Self>,
        mut call: Call,
        prefetched: Result<Prefetched, StoreError>,
        body: &RequestBody,
        converted: ForResponses,
    ) -> Reply {
        call.trail.note("build", ask::said(dropped::CHAT_TO_RESPONSES, body));
        call.incoming.body = converted.body;
        let shape = Arc::new(ChatShape::new(converted.naming, self.clock.clone()));
        let ask = ResponsesAsk::unified(&call.incoming.original_url, shape);
        self.responses(call, prefetched, ask).await
    }

    async fn converted(
        self: &Arc<Self>,
        mut call: Call,
        prefetched: Result<Prefetched, StoreError>,
        body: &Arc<RequestBody>,
        converted: Arc<RequestBody>,
    ) -> Reply {
        let model = body.model().unwrap_or_default();
        if let Err(rejection) = check_model(&call.key, RouteFamily::OpenAi, &model) {
            return Reply::json(rejection.status(), &rejection.body());
        }
        let stream = converted.root().get_truthy("stream").is_some();
        let id = format!("chatcmpl-{}", random_base36(ID_DIGITS));
        let beta = call.incoming.headers.get("anthropic-beta").filter(|beta| !beta.is_empty());
        call.chat = Some(ChatClient {
            naming: Naming::new(id, body.root().get("model")),
            body: call.config.detail_capture.then(|| Arc::clone(body)),
            beta: beta.map(str::to_owned),
        });
        call.trail.note("build", ask::said(dropped::CHAT_REQUEST, body));
        call.incoming.body = converted;
        let chosen = match self.select(&call, &BindingCheck::Off, Some(prefetched)).await {
            Ok(chosen) => chosen,
            Err(SelectError::DedicatedLimited { ends_at, .. }) => {
                let end = LimitEnd::stored(ends_at.as_deref());
                return answer::limited(&messages::account_limited(end, self.calendar));
            }
            Err(error) => {
                let failure = match error {
                    SelectError::ConsoleFull => Failure::ConsoleFull,
                    SelectError::Store(error) => Failure::Internal(error.to_string()),
                    other => Failure::NoAccount(other.to_string()),
                };
                return failed(&call, failure, HeaderList::new());
            }
        };
        // Whoever asks, the vendor is shown Claude Code's headers.
        call.incoming.headers = self.accounts.claude_code_headers(chosen.entry());
        let mut reply = match self.relay_to(call, chosen, stream).await {
            Ok(reply) | Err((_, ChoiceError::Answer(reply))) => reply,
            Err((call, ChoiceError::Failure(failure))) => {
                let headers = if stream { Reply::stream_headers() } else { HeaderList::new() };
                failed(&call, failure, headers)
            }
        };
        if stream {
            reply.headers.remove("Access-Control-Allow-Origin");
        }
        reply
    }
}

fn unconverted(call: &Call, error: ConvertError) {
    call.trail.note("build", format!("not converted: {error}"));
    tracing::warn!(
        request_id = %call.incoming.request_id,
        key = %call.key.id,
        "chat request could not be converted: {error}"
    );
}

fn failed(call: &Call, failure: Failure, headers: HeaderList) -> Reply {
    if matches!(failure, Failure::Internal(_)) {
        call.trail.ends(End::Fault);
    }
    super::messages::log_failure(call, &failure);
    answer::of_failure(&failure, headers)
}
