//! Plain answers of the Codex backend.

use serde_json::json;

use super::{
    Relay, Unasked,
    codex::{Seated, broken, passed},
    shape,
};
use crate::{
    domain::TokenUsage,
    relay::{
        Call, Reply, ReplyBody,
        plain::served_by,
        settle::{Served, Terms},
    },
    upstream::UpstreamResponse,
    wire::{
        json::Kind,
        openai::{
            data,
            events::Rules,
            usage::{self, Reading},
        },
    },
};

/// Model that is booked when nobody names one.
pub(in crate::relay) const UNNAMED_MODEL: &str = "gpt-4";

impl Relay {
    /// Books an answer and hands it on.
    pub(super) async fn codex_plain(
        &self,
        call: &Call,
        seated: &Seated,
        response: UpstreamResponse,
    ) -> Reply {
        let status = response.status;
        let body = match self.whole(call, response.body).await {
            Ok(body) => body,
            Err(error) => return broken(&error),
        };
        if matches!(status, 200 | 201) {
            self.codex_taken(seated).await;
        }
        let headers = passed(&[("Content-Type", "application/json")], &response.headers);
        let mut answer = data::as_data(body.clone());
        let unasked = Unasked::read(&seated.asked.ask, status, Rules::Codex, (&body, &answer));
        let gathered = unasked.is_some();
        if let Some(unasked) = unasked {
            if let Some(limit) = unasked.limit {
                self.codex_told_limit(seated, limit).await;
            }
            match unasked.answer {
                Ok(told) => answer = told,
                Err(refusal) => return refusal,
            }
        }
        let root = answer.root();
        if root.kind() == Kind::Null {
            let error = json!({ "error": { "message": "Failed to process response" } });
            return Reply::json_with(500, headers, &error);
        }
        // What the backend itself wraps in an event is not booked (legacy quirk).
        let booked = root.get("response").filter(|_| gathered).unwrap_or(root);
        if let Some(told) = booked.get_truthy("usage") {
            let model = booked.get_truthy("model").map(|model| model.to_js_text().into_owned());
            let tokens = TokenUsage {
                model: model.or_else(|| seated.booked_model()),
                ..usage::read(told, Reading::CODEX).tokens
            };
            self.book_codex(call, seated, status, &tokens).await;
        }
        let body = shape::whole(&seated.asked.ask, status, &answer);
        Reply { status, headers, body: ReplyBody::Json(body) }
    }

    /// The backend took the request: a limit is over, and instructions are genuine.
    pub(super) async fn codex_taken(&self, seated: &Seated) {
        self.accounts.openai_ok(seated.chosen.entry());
        if let Some(text) = &seated.genuine {
            self.instructions.learn(text, self.clock.now_ms()).await;
        }
    }

    /// Books what a ChatGPT account was charged.
    pub(super) async fn book_codex(
        &self,
        call: &Call,
        seated: &Seated,
        status: u16,
        tokens: &TokenUsage,
    ) {
        let (account_id, kind) = served_by(&seated.chosen);
        let stream = seated.stream;
        let served = Served { call, account_id: &account_id, kind, status, stream };
        let terms = Terms::simple(seated.asked.service_tier.as_deref());
        self.book_as(&served, tokens, terms).await;
    }
}

impl Seated {
    /// The model that is booked when the answer names none.
    pub(super) fn booked_model(&self) -> Option<String> {
        let asked = self.asked.model.as_deref();
        let asked = asked.map(crate::wire::openai::adapt::codex_model);
        Some(asked.unwrap_or(UNNAMED_MODEL).to_owned())
    }
}
