//! `/openai/v1/images/generations`: pictures drawn by a tool of the Codex backend
//! (`contract/openai-azure-droid.md §3.1`).

use bytes::Bytes;
use compat::store::StoreError;
use futures_util::StreamExt;
use serde_json::json;

use super::{Relay, Seat, collected, stream::AFTER_CLIENT_BYTES};
use crate::{
    accounts::OpenAiReady,
    domain::{HeaderList, TokenUsage},
    keys::{RouteFamily, Service, check_permission},
    platform::openai_codex::{self as codex, ImageAsk, SCHEDULED_MODEL},
    relay::{
        Call, Incoming, Reply, ReplyBody,
        choose::Chosen,
        plain::served_by,
        settle::{Served, Terms},
    },
    schedule::Prefetched,
    upstream::{SendError, UpstreamResponse},
    wire::{
        anthropic::sanitize::SafeError,
        json::Doc,
        openai::{image::ImageTap, session},
        sse::LineSplitter,
    },
};

/// Longest line that is looked at: a picture is one line.
const LINE_LIMIT: usize = AFTER_CLIENT_BYTES;

/// A ChatGPT account that draws.
struct Drawing {
    chosen: Chosen,
    ask: ImageAsk,
    session: Option<String>,
}

/// What an images request's conversation is kept under.
pub fn image_session(incoming: &Incoming) -> Option<String> {
    let named = session::of_provider(&incoming.headers, incoming.body.root()).ok().flatten();
    named.as_deref().map(session::hash)
}

impl Relay {
    /// Answers an admitted images request.
    pub async fn images(&self, call: Call, prefetched: Result<Prefetched, StoreError>) -> Reply {
        if let Err(rejection) = check_permission(&call.key, RouteFamily::OpenAi, Service::OpenAi) {
            return Reply::json(rejection.status(), &rejection.body());
        }
        let incoming = &call.incoming;
        let ask = match ImageAsk::read(incoming.body.root()) {
            Ok(ask) => ask,
            Err(refusal) => return error(400, &refusal.to_string(), "invalid_request_error"),
        };
        let session = match session::of_provider(&incoming.headers, incoming.body.root()) {
            Ok(session) => session.as_deref().map(session::hash),
            Err(odd) => return safe(500, SafeError::of_message(&odd.to_string()), "api_error"),
        };
        let seat =
            self.seat_openai(&call, Some(prefetched), session.clone(), Some(SCHEDULED_MODEL)).await;
        match seat {
            Ok(Seat::Codex(chosen, ready)) => {
                self.draw(&call, Drawing { chosen, ask, session }, &ready).await
            }
            Ok(Seat::Provider(..)) => {
                let text = "images bridge requires an OpenAI OAuth (Codex) account";
                error(400, text, "invalid_request_error")
            }
            Err(refused) => error(refused.status, refused.message, "api_error"),
        }
    }

    async fn draw(&self, call: &Call, drawing: Drawing, ready: &OpenAiReady) -> Reply {
        let built = codex::build_image(&self.codex_account(ready), &drawing.ask);
        let response = match self.to_codex(call, ready, built).await {
            Ok(response) => response,
            Err(failed) => {
                let failed = self.named(failed);
                let told = SafeError::of_error(&failed.message, failed.code);
                return safe(500, told, "api_error");
            }
        };
        if !(200..300).contains(&response.status) {
            return self.not_drawn(call, &drawing, response).await;
        }
        self.accounts.openai_ok(drawing.chosen.entry());
        let mut tap = ImageTap::default();
        if let Err(failed) = self.watch(call, response, &mut tap).await {
            let told = SafeError::of_error(&failed.message, failed.code);
            return safe(502, told, "upstream_error");
        }
        let created_s = self.clock.now_ms().div_euclid(1000);
        let (status, reply) = match tap.answer(created_s) {
            Some(pictures) => (200, told(200, pictures)),
            None => (502, error(502, "no image produced by upstream", "upstream_error")),
        };
        if let Some(counts) = tap.counts() {
            let model = tap.model().unwrap_or(&drawing.ask.model).to_owned();
            let tokens = TokenUsage { model: Some(model), ..counts.tokens.clone() };
            let (account_id, kind) = served_by(&drawing.chosen);
            let served = Served { call, account_id: &account_id, kind, status, stream: false };
            self.book_as(&served, &tokens, Terms::simple(None)).await;
        }
        reply
    }

    /// Reads the stream to its end, also without its client.
    async fn watch(
        &self,
        call: &Call,
        response: UpstreamResponse,
        tap: &mut ImageTap,
    ) -> Result<(), SendError> {
        let mut body = response.body;
        let mut lines = LineSplitter::new(LINE_LIMIT);
        call.while_connected(self.unless_cut(async {
            while let Some(chunk) = body.next().await {
                lines.push(chunk?).iter().for_each(|line| tap.line(line));
            }
            Ok(())
        }))
        .await
    }

    async fn not_drawn(&self, call: &Call, drawing: &Drawing, response: UpstreamResponse) -> Reply {
        let status = response.status;
        let (raw, _) = call.while_connected(collected(response.body)).await;
        let read = Doc::parse_deep(raw.clone()).unwrap_or_default();
        let entry = drawing.chosen.entry();
        let session = drawing.session.as_deref();
        match status {
            429 => {
                let (resets_in_s, json) = codex::limit(codex::Refused::Stream(raw));
                self.accounts.openai_limited(entry, resets_in_s, session).await;
                told(429, json)
            }
            401 | 402 => {
                let reason = codex::image_reason(status, read.root());
                self.accounts.openai_unauthorized(entry, &reason, session).await;
                match read.root().truthy() {
                    true => told(status, super::super::plain::rewritten(&read)),
                    false => Reply::json(
                        status,
                        &json!({ "error": {
                            "message": "Authentication failed",
                            "type": "unauthorized",
                            "code": "unauthorized",
                        } }),
                    ),
                }
            }
            _ if read.root().get_truthy("error").is_some() => {
                told(status, super::super::plain::rewritten(&read))
            }
            _ => {
                let text = String::from_utf8_lossy(&raw);
                let own = format!("upstream error {status}");
                let text = if text.is_empty() { &own } else { &*text };
                safe(status, SafeError::of_message(text), "upstream_error")
            }
        }
    }
}

fn told(status: u16, json: Bytes) -> Reply {
    Reply { status, headers: HeaderList::new(), body: ReplyBody::Json(json) }
}

fn safe(status: u16, safe: SafeError, kind: &str) -> Reply {
    error(status, safe.message, kind)
}

fn error(status: u16, message: &str, kind: &str) -> Reply {
    Reply::json(status, &json!({ "error": { "message": message, "type": kind } }))
}
