//! Chat completions on accounts that serve Claude models (contract/anthropic.md §1.5).
//!
//! A request is converted once, before an account is chosen; from there on it is a Messages call like any
//! other, through the relay of whichever account was chosen. What the client is told is converted at
//! the three places where answers leave those relays: whole answers (`answer`), streams ([`ChatTap`]),
//! failures (`answer`).

mod answer;
mod ask;
mod tap;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use compat::store::StoreError;

use super::{
    Call, End, Relay, Reply, choose::ChoiceError, failure::Failure, official::random_base36,
};
use crate::{
    accounts::messages::{self, LimitEnd},
    domain::HeaderList,
    keys::{RouteFamily, Service, check_model, check_permission},
    relay::RequestBody,
    schedule::{BindingCheck, Prefetched, SelectError},
    wire::convert::{ConvertError, anthropic_to_chat::Naming},
};

pub(super) use answer::vendor_error;
pub use ask::{ChatAsk, ChatRoute};
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
        let ChatAsk { body, outcome } = ask;
        let service = match outcome {
            ask::Outcome::Refused(refusal) => return refusal.reply(),
            ask::Outcome::Other(service) => service,
            ask::Outcome::Claude(_) => Service::Claude,
        };
        if let Err(rejection) = check_permission(&call.key, RouteFamily::OpenAi, service) {
            return Reply::json(rejection.status(), &rejection.body());
        }
        let ask::Outcome::Claude(converted) = outcome else {
            call.trail.ends(End::NotServed);
            return answer::not_served(service);
        };
        match converted {
            Ok(converted) => self.converted(call, prefetched, &body, converted).await,
            Err(error) => unconverted(&call, error),
        }
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
        call.trail.note("build", ask::said(body));
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

fn unconverted(call: &Call, error: ConvertError) -> Reply {
    call.trail.note("build", format!("not converted: {error}"));
    tracing::warn!(
        request_id = %call.incoming.request_id,
        key = %call.key.id,
        "chat request could not be converted: {error}"
    );
    answer::internal(HeaderList::new(), error.told())
}

fn failed(call: &Call, failure: Failure, headers: HeaderList) -> Reply {
    if matches!(failure, Failure::Internal(_)) {
        call.trail.ends(End::Fault);
    }
    super::messages::log_failure(call, &failure);
    answer::of_failure(&failure, headers)
}
