//! The official relay: what plain and streamed calls share.
//!
//! The legacy service lets its official relay choose an account a second time; the net effect is that
//! of one choice, which is made here once.

mod plain;
mod stream;

pub(super) use stream::RESTARTING;

use compat::{number::parse_int, pool::Family};
use rand::Rng;
use serde_json::json;
use uuid::Uuid;

use super::{Call, Relay, Reply, choose::Chosen, failure::Failure, plain::PlainReply};
use crate::{
    accounts::{
        ClientView, OfficialReady, OfficialReply,
        messages::{self, LimitEnd},
    },
    keys::{MessageTurn, TurnError},
    platform::claude_official::{
        self as official, Built, Endpoint, ToolNaming,
        outcome::{Asked, is_background_helper},
    },
    upstream::{SendError, UpstreamResponse},
};

/// Retries of a 403, with a pause before each.
const FORBIDDEN_RETRIES: u32 = 2;
/// Random digits at the end of tool names on the second try.
const TOOL_SUFFIX: usize = 6;

/// An account that is ready, and a call that may be built for it.
pub(super) struct Prepared {
    pub(super) ready: OfficialReady,
    pub(super) from_claude_code: bool,
    pub(super) dedicated: bool,
    session_id: String,
    suffix: String,
}

impl Relay {
    /// Waits for the account's turn, if user messages are serialised.
    pub(super) async fn turn(
        &self,
        call: &Call,
        account_id: &str,
        forced: bool,
    ) -> Result<Option<MessageTurn>, TurnError> {
        if !is_user_message(call) {
            return Ok(None);
        }
        self.queue.turn(account_id, &call.config.user_message_queue, forced).await
    }

    /// Keeps the client's fingerprint, if the request carries one.
    async fn note_fingerprint(&self, prepared: &Prepared, built: &Built) {
        if let Some(fingerprint) = &built.fingerprint {
            let account_id = &prepared.ready.account.id;
            self.accounts.remember_fingerprint(account_id, fingerprint.clone()).await;
        }
    }

    async fn prepare(&self, call: &Call, chosen: &Chosen) -> Result<Prepared, Failure> {
        let incoming = &call.incoming;
        let snapshot = self
            .pools
            .of(Family::Claude)
            .current()
            .ok_or_else(|| Failure::Internal("accounts are not read yet".to_owned()))?;
        let ready = self
            .accounts
            .official_ready(chosen.entry(), &snapshot, incoming.headers.get("user-agent"))
            .await
            .map_err(|error| Failure::Account(error.to_string()))?;
        Ok(Prepared {
            ready,
            from_claude_code: official::client::is_claude_code(&incoming.body, &incoming.headers),
            dedicated: chosen.is_dedicated(call),
            session_id: Uuid::new_v4().to_string(),
            suffix: random_base36(TOOL_SUFFIX),
        })
    }

    /// Builds the vendor's request. `suffixed`: tool names get a random ending, after the vendor
    /// refused the first form.
    fn build(&self, call: &Call, prepared: &Prepared, endpoint: Endpoint, suffixed: bool) -> Built {
        let ready = &prepared.ready;
        let built = official::build(&official::Call {
            body: &call.incoming.body,
            headers: &call.incoming.headers,
            account: &ready.account,
            endpoint,
            from_claude_code: prepared.from_claude_code,
            captured: ready.captured.as_ref(),
            unified_user_agent: ready.unified_user_agent.as_deref(),
            api_version: &self.settings.api_version,
            system_prompt: None,
            fresh_session_id: &prepared.session_id,
            naming: if suffixed {
                ToolNaming::Suffixed(&prepared.suffix)
            } else {
                ToolNaming::Pascal
            },
        });
        let client = if prepared.from_claude_code { "Claude Code" } else { "another client" };
        let rules = if built.rules.is_empty() {
            "body unchanged".to_owned()
        } else {
            built.rules.join("; ")
        };
        call.trail.note("build", format!("from {client}; {rules}"));
        built
    }

    /// One exchange with the vendor, up to the reply's head.
    async fn exchange(
        &self,
        call: &Call,
        prepared: &Prepared,
        built: &Built,
    ) -> Result<UpstreamResponse, SendError> {
        let request = self.to_send(built.request.clone(), prepared.ready.proxy.clone());
        let answered = self.sender.send_past(request).await;
        call.trail.note("send", sent(&answered));
        answered
    }

    /// As [`Relay::exchange`], with the retries of a 403 on the same account; `retries` counts them.
    async fn exchange_with_retries(
        &self,
        call: &Call,
        prepared: &Prepared,
        built: &Built,
        retries: &mut u32,
    ) -> Result<UpstreamResponse, SendError> {
        loop {
            let response = self.exchange(call, prepared, built).await?;
            if response.status != 403 || *retries == FORBIDDEN_RETRIES {
                return Ok(response);
            }
            *retries += 1;
            tracing::warn!(account = %prepared.ready.account.id, retries, "403: trying again");
            drop(response);
            tokio::time::sleep(self.settings.forbidden_pause).await;
        }
    }
}

/// An exchange, in words.
pub(super) fn sent(answered: &Result<UpstreamResponse, SendError>) -> String {
    match answered {
        Ok(response) => format!("the vendor answered {}", response.status),
        Err(error) => format!("no answer: {error}"),
    }
}

/// The answer when no turn came, to a plain call.
pub(super) fn queue_refusal(error: TurnError) -> PlainReply {
    let mut refusal = PlainReply::json(error.status(), &error.body());
    let (name, value) = error.header();
    refusal.headers.push(name, value);
    refusal
}

/// The answer when no turn came, to a streamed call.
pub(super) fn queue_refusal_stream(error: TurnError) -> Reply {
    let mut headers = Reply::stream_headers();
    let (name, value) = error.header();
    headers.push(name, value);
    let frame = format!("event: error\ndata: {}\n\ndata: [DONE]\n\n", error.body());
    Reply::written(error.status(), headers, frame)
}

impl Relay {
    /// Carries a reply over to the account's state; tells what the client gets in its place, if not
    /// the reply itself.
    async fn settle_official(
        &self,
        call: &Call,
        chosen: &Chosen,
        prepared: &Prepared,
        plain: &PlainReply,
        ending: Ending,
    ) -> Option<Refusal> {
        let incoming = &call.incoming;
        let stream = ending != Ending::Plain;
        let model = incoming.body.model();
        let is_claude_code = if stream {
            prepared.from_claude_code
        } else {
            official::client::has_system_prompt(&incoming.body)
        };
        let asked = Asked { body: incoming.body.root(), headers: &incoming.headers };
        let reply = OfficialReply {
            status: plain.status,
            headers: &plain.headers,
            error_body: &plain.body,
            stream,
            limit_in_stream: ending == Ending::Limited,
            model: model.as_deref(),
            session_hash: chosen.session.as_deref(),
            dedicated: prepared.dedicated,
            background_helper: is_background_helper(asked),
            claude_code_headers: is_claude_code.then_some(&incoming.headers),
        };
        let (error, message) = match self.accounts.settle_official(chosen.entry(), &reply).await {
            ClientView::AsIs => return None,
            ClientView::AccountLimited { reset_s } => (
                "upstream_rate_limited",
                messages::account_limited(LimitEnd::header(Some(reset_s)), self.calendar),
            ),
            ClientView::OpusLimited { reset_s } => (
                "opus_weekly_limit",
                messages::opus_limited(LimitEnd::header(reset_s), self.calendar),
            ),
        };
        Some(Refusal { status: 403, body: json!({ "error": error, "message": message }) })
    }
}

/// How a reply was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Whole, for a plain call.
    Plain,
    /// Whole, or as a stream to its end.
    Stream,
    /// As a stream that held an error about the account's rate limit.
    Limited,
}

/// What the client of a limited dedicated account gets.
struct Refusal {
    status: u16,
    body: serde_json::Value,
}

/// Whether user messages to the account are serialised whatever the settings say.
fn is_serial(chosen: &Chosen) -> bool {
    parse_int(chosen.entry().get("maxConcurrency")).is_some_and(|most| most > 0)
}

/// Whether the last message is a user's own.
fn is_user_message(call: &Call) -> bool {
    let root = call.incoming.body.root();
    let Some(last) = root.get("messages").and_then(|messages| messages.elements().last()) else {
        return false;
    };
    let role = last.get_str("role");
    let content = last.get("content").filter(|content| content.is_array());
    let kinds =
        content.iter().flat_map(|content| content.elements()).filter_map(|b| b.get_str("type"));
    crate::keys::is_user_message(role.as_deref(), kinds)
}

/// So many random base-36 digits.
pub(super) fn random_base36(length: usize) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut rng = rand::rng();
    (0..length).map(|_| char::from(DIGITS[rng.random_range(0..DIGITS.len())])).collect()
}
