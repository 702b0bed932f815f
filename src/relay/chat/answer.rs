//! Answers that are not streamed, and failures, in the form of chat completions.

use compat::keys::AccountKind;
use serde_json::{Value, json};

use super::super::{
    Call, Relay, Reply, ReplyBody, failure::Failure, plain::PlainReply, settle::Served,
};
use crate::{
    domain::{AccountId, HeaderList},
    keys::Service,
    wire::{
        anthropic::{sanitize::SafeError, usage_of_chat_reply},
        convert::anthropic_to_chat,
        json::Doc,
    },
};

impl Relay {
    /// A vendor's whole answer for a client of this dialect, after its usage is booked. No header and no
    /// status of success but 200 comes through.
    pub(in crate::relay) async fn hand_on_chat(
        &self,
        call: &Call,
        client: &super::ChatClient,
        account: (&AccountId, AccountKind),
        plain: PlainReply,
    ) -> Reply {
        let Ok(doc) = Doc::parse_deep(plain.body.clone()) else {
            return error(502, "Invalid response from Claude API", "api_error", "invalid_response");
        };
        let unreadable = || internal(HeaderList::new(), SafeError::of_message(""));
        if plain.status >= 400 {
            return match anthropic_to_chat::error(doc.root()) {
                Ok(json) => reply(plain.status, json),
                Err(_) => unreadable(),
            };
        }
        let created_s = self.clock.now_ms().div_euclid(1000);
        let Ok(json) = client.naming.answer(doc.root(), created_s) else { return unreadable() };
        let model = call.incoming.body.model();
        if let Some(usage) = usage_of_chat_reply(doc.root(), model.as_deref()) {
            let (account_id, kind) = account;
            let served = Served { call, account_id, kind, status: 200, stream: false };
            self.book(&served, &usage).await;
        }
        reply(200, json)
    }
}

fn reply(status: u16, json: bytes::Bytes) -> Reply {
    Reply { status, headers: HeaderList::new(), body: ReplyBody::Json(json) }
}

/// A failed attempt. `headers` are those set before it.
pub(super) fn of_failure(failure: &Failure, headers: HeaderList) -> Reply {
    match failure {
        Failure::ClientGone => Reply::written(499, headers, ""),
        Failure::Send { code, text, .. } => internal(headers, SafeError::of_error(text, *code)),
        other => internal(headers, SafeError::of_message(&other.to_string())),
    }
}

/// A failure in the words of its code; the status is 500 whatever the code says.
pub(super) fn internal(headers: HeaderList, told: SafeError) -> Reply {
    Reply::json_with(500, headers, &body(told.message, "server_error", "internal_error"))
}

/// The key's own account is limited.
pub(super) fn limited(message: &str) -> Reply {
    Reply::json(403, &json!({ "error": "upstream_rate_limited", "message": message }))
}

/// The model belongs to a platform that is not served here.
pub(super) fn not_served(service: Service) -> Reply {
    let message = format!("Models of {} are not served yet", service.title());
    error(503, &message, "server_error", "not_served")
}

/// A vendor's failure of which there is only a text.
pub(in crate::relay) fn vendor_error(status: u16, message: &str) -> Reply {
    error(status, message, "api_error", "unknown_error")
}

/// An error of these words.
pub(super) fn error(status: u16, message: &str, kind: &str, code: &str) -> Reply {
    Reply::json(status, &body(message, kind, code))
}

fn body(message: &str, kind: &str, code: &str) -> Value {
    json!({ "error": { "message": message, "type": kind, "code": code } })
}
