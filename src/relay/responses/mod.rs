//! Responses requests on provider accounts (`contract/openai-azure-droid.md §4`).
//!
//! Unlike a ChatGPT account's, a provider's exchange ends with its client.

mod plain;
mod refusal;
mod stream;

use std::sync::Arc;

use serde_json::json;

use super::{
    Call, Relay, Reply,
    choose::Chosen,
    official::sent,
    openai::{Asked, thrown},
    settle::{Served, Terms},
};
use crate::{
    accounts::ResponsesReady,
    domain::TokenUsage,
    platform::openai_responses as responses,
    relay::plain::served_by,
    upstream::{SendError, SendErrorKind, UpstreamResponse},
    wire::{
        anthropic::sanitize::SafeError,
        openai::{session, usage::Counts},
    },
};

/// A provider account at work for a request.
pub(super) struct Seated {
    chosen: Chosen,
    ready: ResponsesReady,
    asked: Asked,
    /// What mappings are dropped under: only `session_id` names a conversation here.
    session: Option<String>,
    /// Whether events are wanted.
    stream: bool,
}

impl Relay {
    /// Relays a request to a provider account.
    pub(super) async fn provider(
        self: &Arc<Self>,
        mut call: Call,
        chosen: Chosen,
        ready: ResponsesReady,
        asked: Asked,
    ) -> Reply {
        let root = call.incoming.body.root();
        let session = match session::of_provider(&call.incoming.headers, root) {
            Ok(session) => session.as_deref().map(session::hash),
            Err(odd) => return thrown(SafeError::of_message(&odd.to_string())),
        };
        let stream = root.get_truthy("stream").is_some();
        let seated = Seated { chosen, ready, asked, session, stream };
        let response = match self.to_provider(&call, &seated).await {
            Ok(response) => response,
            Err(error) => return self.provider_broken(&seated, &self.named(error)).await,
        };
        if !call.config.detail_capture {
            call.forget_body();
        }
        match (response.status, stream) {
            (429, _) => self.provider_limited(&call, &seated, response).await,
            (400.., _) => self.provider_refused(&call, &seated, response).await,
            (_, true) => {
                self.accounts.responses_answered(seated.chosen.entry()).await;
                self.provider_events(call, seated, response)
            }
            (_, false) => self.provider_plain(&call, &seated, response).await,
        }
    }

    /// One exchange, up to the answer's head.
    async fn to_provider(
        &self,
        call: &Call,
        seated: &Seated,
    ) -> Result<UpstreamResponse, SendError> {
        let (record, proxy) = (&seated.ready.record, &seated.ready.proxy);
        let account = responses::Account {
            base: record.get("baseApi"),
            key: &seated.ready.api_key,
            agent: record.get("userAgent"),
            keep_alive: proxy.is_none() || self.settings.proxy_keep_alive,
        };
        let incoming = &call.incoming;
        let built = responses::build(
            &account,
            &responses::Call {
                body: incoming.body.bytes(),
                headers: &incoming.headers,
                path: seated.asked.ask.path(),
            },
        );
        let built = built.map_err(|no_url| {
            SendError::new(SendErrorKind::Invalid, no_url.to_string())
                .with_code(Some("ERR_INVALID_URL"))
        })?;
        let request = self.to_send(built, proxy.clone());
        let answered = self.with_client(call, self.sender.send(request)).await;
        call.trail.note("send", sent(&answered));
        answered
    }

    /// Work that is given up when the client leaves.
    async fn with_client<T>(
        &self,
        call: &Call,
        work: impl Future<Output = Result<T, SendError>>,
    ) -> Result<T, SendError> {
        tokio::select! {
            done = work => done,
            () = call.incoming.gone.cancelled() => {
                Err(SendError::new(SendErrorKind::Network, "canceled"))
            }
        }
    }

    /// The exchange broke.
    async fn provider_broken(&self, seated: &Seated, error: &SendError) -> Reply {
        if matches!(error.code, Some("ECONNREFUSED" | "ETIMEDOUT")) {
            self.accounts.responses_broken(seated.chosen.entry()).await;
        }
        let error = json!({
            "message": "Internal server error",
            "type": "internal_error",
            "details": error.message,
        });
        Reply::json(500, &json!({ "error": error }))
    }

    /// Books what a provider told. The window of the key is not charged (legacy quirk).
    async fn book_provider(
        &self,
        call: &Call,
        seated: &Seated,
        status: u16,
        model: Option<String>,
        counts: &Counts,
    ) {
        let (account_id, kind) = served_by(&seated.chosen);
        let stream = seated.stream;
        let served = Served { call, account_id: &account_id, kind, status, stream };
        let model = model.or_else(|| seated.asked.model.clone());
        let model = model.unwrap_or_else(|| super::openai::UNNAMED_MODEL.to_owned());
        let tokens = TokenUsage { model: Some(model), ..counts.tokens.clone() };
        let terms = Terms { window: false, ..Terms::simple(seated.asked.service_tier.as_deref()) };
        let booked = self.book_as(&served, &tokens, terms).await;
        let total = counts.total as f64;
        self.accounts.responses_used(seated.chosen.entry(), total, booked.real_cost);
    }
}
