//! `POST /v1/messages/count_tokens` after admission (contract/anthropic.md §1.4).

use compat::{pool::Kind, store::StoreError};
use serde_json::{Value, json};

use super::{
    Call, Relay, Reply, ReplyBody,
    choose::{Chosen, binding_refusal, bound_session},
    failure::{Failure, console_full_body},
    plain::{PlainReply, rewritten},
};
use crate::{
    keys::{RouteFamily, Service, check_permission},
    platform::claude_official,
    schedule::{BindingCheck, Prefetched, SelectError},
    wire::{
        anthropic::{is_old_session, sanitize},
        json::Doc,
    },
};

/// Path of the endpoint at console providers.
const CONSOLE_PATH: &str = "/v1/messages/count_tokens";

impl Relay {
    /// Counts tokens. Nothing is booked.
    pub async fn count_tokens(
        &self,
        call: Call,
        prefetched: Result<Prefetched, StoreError>,
    ) -> Reply {
        if let Err(rejection) =
            check_permission(&call.key, RouteFamily::CountTokens, Service::Claude)
        {
            return Reply::json(rejection.status(), &rejection.body());
        }
        if let Some(refusal) = self.refuse_session(&call).await {
            return refusal;
        }
        let mut prefetched = Some(prefetched);
        for last_try in [false, true] {
            let tried = match self.select(&call, &BindingCheck::Off, prefetched.take()).await {
                Ok(chosen) => self.count_with(&call, &chosen).await,
                Err(SelectError::ConsoleFull) => Err(Failure::ConsoleFull),
                Err(error) => Err(Failure::NoAccount(error.to_string())),
            };
            match tried {
                Ok(reply) => return reply,
                Err(Failure::ConsoleFull) if !last_try => self.forget_session(&call).await,
                Err(Failure::ConsoleFull) => return Reply::json(503, &console_full_body()),
                Err(Failure::ClientGone) => {
                    return Reply {
                        body: ReplyBody::Raw(bytes::Bytes::new()),
                        ..Reply::json(499, &Value::Null)
                    };
                }
                Err(failure) => {
                    tracing::error!(request_id = %call.incoming.request_id, "count_tokens failed: {failure}");
                    break;
                }
            }
        }
        let body =
            json!({ "error": { "type": "server_error", "message": "Failed to count tokens" } });
        Reply::json(500, &body)
    }

    /// Refuses sessions that are bound to a broken account, and new ones that look used.
    async fn refuse_session(&self, call: &Call) -> Option<Reply> {
        let session_id = bound_session(call, call.config.session_binding_for_counting);
        let check = self.bindings.check(&call.config, session_id.as_deref()).await;
        match check {
            Ok(BindingCheck::Invalid(message)) => Some(binding_refusal(400, &message)),
            Ok(BindingCheck::New) if is_old_session(call.incoming.body.root()) => {
                Some(binding_refusal(400, call.config.binding_message()))
            }
            _ => None,
        }
    }

    async fn count_with(&self, call: &Call, chosen: &Chosen) -> Result<Reply, Failure> {
        let unsupported = |name: &str| {
            let message = format!("Token counting is not supported for {name} accounts");
            Ok(Reply::json(
                501,
                &json!({ "error": { "type": "not_supported", "message": message } }),
            ))
        };
        let plain = match chosen.kind() {
            Kind::Ccr => return unsupported("CCR"),
            Kind::Bedrock => return unsupported("Bedrock"),
            // None of these is ever chosen for a Claude request.
            kind @ (Kind::OpenAi | Kind::OpenAiResponses | Kind::Azure) => {
                return unsupported(kind.as_str());
            }
            Kind::Official => {
                self.official_reply(call, chosen, claude_official::Endpoint::CountTokens).await?
            }
            Kind::Console => {
                if chosen.entry().get("countTokensUnavailable") == "true" {
                    return Ok(no_count());
                }
                let plain = self.console_reply(call, chosen, Some(CONSOLE_PATH)).await?;
                if plain.status == 404 {
                    self.accounts.console_count_tokens_missing(chosen.entry()).await;
                    return Ok(no_count());
                }
                plain
            }
        };
        Ok(answer(plain))
    }
}

/// What clients get from accounts that cannot count.
fn no_count() -> Reply {
    Reply::json(200, &json!({ "input_tokens": 0 }))
}

fn answer(plain: PlainReply) -> Reply {
    let headers = plain.passed_headers();
    let status = plain.status;
    if !(200..300).contains(&status)
        && let Some(text) = sanitize::sanitize_count_body(&plain.body)
    {
        return Reply { status, headers, body: ReplyBody::Json(text.into()) };
    }
    let body = match Doc::parse_deep(plain.body.clone()) {
        Ok(doc) => ReplyBody::Json(rewritten(&doc)),
        Err(_) => ReplyBody::Text(plain.body),
    };
    Reply { status, headers, body }
}
