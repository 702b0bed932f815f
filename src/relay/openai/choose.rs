//! Phase *choose* for the OpenAI family: an account and what it takes to use it.

use std::sync::Arc;

use compat::{
    pool::{Entry, Family, Kind},
    store::StoreError,
};
use serde_json::json;

use crate::{
    accounts::{OpenAiReady, ResponsesReady},
    relay::{Call, End, Relay, Reply, choose::Chosen},
    schedule::{
        Considered, Prefetched, Selection,
        openai::{Ask, Refreshed, Refusal},
    },
    wire::anthropic::sanitize::SafeError,
};

/// Rounds of refreshes that a choice may ask for; accounts may be added meanwhile.
const ROUNDS: usize = 4;
/// What the client is answered with when an account cannot be used after all.
const FORBIDDEN: u16 = 403;

/// An account that can be sent with.
pub(in crate::relay) enum Seat {
    /// A ChatGPT account.
    Codex(Chosen, OpenAiReady),
    /// A provider's account.
    Provider(Chosen, ResponsesReady),
}

/// Why there is no seat: what the client may know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay) struct Refused {
    /// Status of the answer.
    pub(in crate::relay) status: u16,
    /// Text that names nobody.
    pub(in crate::relay) message: &'static str,
}

impl Refused {
    /// Of an error with this status and the legacy service's message, from which the text follows.
    fn new(status: u16, message: &str) -> Self {
        Self { status, message: SafeError::of_thrown(Some(status), message).message }
    }

    /// The answer of the responses routes.
    pub(in crate::relay) fn into_reply(self) -> Reply {
        Reply::json(self.status, &json!({ "error": { "message": self.message } }))
    }
}

impl Relay {
    /// An account for a call, with valid credentials. `session` is the hash of the conversation, `model`
    /// as accounts list it; both may differ from what `prefetched` was read for.
    pub(in crate::relay) async fn seat_openai(
        &self,
        call: &Call,
        prefetched: Option<Result<Prefetched, StoreError>>,
        session: Option<String>,
        model: Option<&str>,
    ) -> Result<Seat, Refused> {
        let mut considered = Vec::new();
        let outcome =
            self.select_openai(call, prefetched, session.as_deref(), model, &mut considered).await;
        call.trail.chosen(session.as_deref(), &considered, &outcome);
        let selection = outcome.map_err(|refusal| {
            if let Refusal::Store(_) = &refusal {
                call.trail.ends(End::Fault);
            }
            tracing::warn!(
                request_id = %call.incoming.request_id,
                key = %call.key.id,
                refusal = refusal.label(),
                "no account: {refusal}"
            );
            Refused::new(refusal.status(), &refusal.to_string())
        })?;
        let chosen = Chosen { selection, session };
        let entry = Arc::clone(chosen.entry());
        let ready = match chosen.kind() {
            Kind::OpenAiResponses => {
                self.accounts.responses_ready(&entry).map(|ready| Seat::Provider(chosen, ready))
            }
            _ => self.accounts.openai_ready(&entry).await.map(|ready| Seat::Codex(chosen, ready)),
        };
        ready.map_err(|error| {
            let text = error.to_string();
            call.trail.note("choose", format!("{} cannot be used: {text}", entry.id));
            tracing::warn!(request_id = %call.incoming.request_id, account = %entry.id, "{text}");
            Refused::new(FORBIDDEN, &text)
        })
    }

    async fn select_openai(
        &self,
        call: &Call,
        prefetched: Option<Result<Prefetched, StoreError>>,
        session: Option<&str>,
        model: Option<&str>,
        considered: &mut Vec<Considered>,
    ) -> Result<Selection, Refusal> {
        let binding = call.key.record.openai_account_id.as_deref().unwrap_or_default();
        let mut read = prefetched.and_then(Result::ok);
        let mut refreshed = Vec::new();
        for _ in 0..ROUNDS {
            let read = match read.take() {
                Some(read) => read,
                None => self.scheduler.prefetch(Family::OpenAi, session).await?,
            };
            let ask = Ask { binding, session, model, refreshed: &refreshed };
            match self.scheduler.select(&ask, read, considered).await {
                Err(Refusal::Refresh(stale)) => {
                    for account in stale {
                        refreshed.push(self.refresh_for_choice(account).await);
                    }
                }
                outcome => return outcome,
            }
        }
        Err(Refusal::None)
    }

    async fn refresh_for_choice(&self, account: Arc<Entry>) -> Refreshed {
        let outcome = self.accounts.openai_refreshed(&account).await;
        if let Err(error) = &outcome {
            tracing::warn!(account = %account.id, "token was not refreshed: {error}");
        }
        Refreshed { done: outcome.is_ok(), account }
    }
}
