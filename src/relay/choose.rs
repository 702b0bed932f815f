//! Phase *choose*: session binding and account.

use std::sync::Arc;

use compat::{
    keys::AccountKind,
    pool::{Entry, Family, Kind},
    store::StoreError,
};
use serde_json::json;

use super::{Call, Relay, Reply, failure::Failure};
use crate::{
    accounts::{
        intercepts_warmup,
        messages::{self, LimitEnd},
    },
    domain::{AccountId, HeaderList},
    schedule::{
        BindingCheck, KeyBindings, Model, Prefetched, SelectError, SelectRequest, Selection,
    },
    wire::{
        anthropic::{UserId, session_hash},
        json::Kind as Json,
    },
};

/// The account for a call.
pub(super) struct Chosen {
    /// How and which.
    pub(super) selection: Selection,
    /// The conversation, when it has a name.
    pub(super) session: Option<String>,
}

impl Chosen {
    pub(super) fn kind(&self) -> Kind {
        self.selection.kind()
    }

    pub(super) fn account_kind(&self) -> AccountKind {
        self.kind().account_kind()
    }

    pub(super) fn entry(&self) -> &Arc<Entry> {
        &self.selection.account
    }

    pub(super) fn id(&self) -> AccountId {
        self.selection.account_id()
    }

    /// Whether warm-up requests are answered without the vendor.
    pub(super) fn intercepts_warmup(&self) -> bool {
        intercepts_warmup(self.entry())
    }

    /// Whether the key names this very official account.
    pub(super) fn is_dedicated(&self, call: &Call) -> bool {
        self.kind() == Kind::Official
            && call.key.record.claude_account_id.as_deref() == Some(&*self.entry().id)
    }
}

/// No relay attempt came of a call.
pub(super) enum ChoiceError {
    /// The answer is settled.
    Answer(Reply),
    /// The catch-all decides.
    Failure(Failure),
}

impl From<Failure> for ChoiceError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Relay {
    /// Chooses an account for a messages request, honouring and making session bindings.
    pub(super) async fn choose(
        &self,
        call: &Call,
        prefetched: Option<Result<Prefetched, StoreError>>,
    ) -> Result<Chosen, ChoiceError> {
        let session_id = bound_session(call, call.config.session_binding);
        let check = match self.bindings.check(&call.config, session_id.as_deref()).await {
            Ok(check) => check,
            Err(error) => {
                tracing::warn!(%error, "session binding could not be checked");
                BindingCheck::Off
            }
        };
        if check != BindingCheck::Off {
            call.trail.note("choose", format!("session binding: {}", check.word()));
        }
        if let BindingCheck::Invalid(message) = &check {
            return Err(ChoiceError::Answer(binding_refusal(403, message)));
        }
        let chosen =
            self.select(call, &check, prefetched).await.map_err(|e| self.refused(call, e))?;
        if check == BindingCheck::New
            && chosen.kind() == Kind::Official
            && let Some(session_id) = &session_id
        {
            self.bindings.bind(&call.config, session_id, &chosen.entry().id).await;
        }
        Ok(chosen)
    }

    /// Selection alone, as count_tokens does it.
    pub(super) async fn select(
        &self,
        call: &Call,
        check: &BindingCheck,
        prefetched: Option<Result<Prefetched, StoreError>>,
    ) -> Result<Chosen, SelectError> {
        let record = &call.key.record;
        let session = session_hash(call.incoming.body.root());
        let value = call.incoming.body.root().get("model").filter(|value| value.truthy());
        let text = value.map(|value| value.to_js_text());
        let model = match (&value, &text) {
            (Some(value), Some(text)) if value.kind() == Json::String => Model::Name(text),
            (Some(_), Some(text)) => Model::NotText(text),
            _ => Model::Unspecified,
        };
        let request = SelectRequest {
            bindings: KeyBindings {
                claude: named(&record.claude_account_id),
                console: named(&record.claude_console_account_id),
                bedrock: named(&record.bedrock_account_id),
            },
            session_hash: session.as_deref(),
            model,
            forced: check.forced(),
        };
        let prefetched = match prefetched {
            Some(Ok(read)) => read,
            _ => self.scheduler.prefetch(Family::Claude, session.as_deref()).await?,
        };
        let mut considered = Vec::new();
        let outcome = self.scheduler.select(&request, prefetched, &mut considered).await;
        call.trail.chosen(session.as_deref(), &considered, &outcome);
        let selection = outcome?;
        Ok(Chosen { selection, session })
    }

    /// Forgets which account the conversation was with.
    pub(super) async fn forget_session(&self, call: &Call) {
        if let Some(session) = session_hash(call.incoming.body.root()) {
            self.scheduler.forget(Family::Claude, &session).await;
        }
    }

    fn refused(&self, call: &Call, error: SelectError) -> ChoiceError {
        match error {
            SelectError::SessionBinding { .. } => {
                ChoiceError::Answer(binding_refusal(403, call.config.binding_message()))
            }
            SelectError::DedicatedLimited { ends_at, .. } => {
                let end = LimitEnd::stored(ends_at.as_deref());
                let message = messages::account_limited(end, self.calendar);
                ChoiceError::Answer(dedicated_limited(call.incoming.body.stream(), &message))
            }
            SelectError::ConsoleFull => Failure::ConsoleFull.into(),
            SelectError::Store(error) => Failure::Internal(error.to_string()).into(),
            other => Failure::NoAccount(other.to_string()).into(),
        }
    }
}

fn named(field: &Option<String>) -> &str {
    field.as_deref().unwrap_or_default()
}

/// The refusal of a session that may not go on.
pub(super) fn binding_refusal(status: u16, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({ "error": { "type": "session_binding_error", "message": message } }),
    )
}

/// 403 for a key whose own account is limited. A streamed request gets bare JSON in chunks.
fn dedicated_limited(stream: bool, message: &str) -> Reply {
    let body = json!({ "error": "upstream_rate_limited", "message": message });
    if !stream {
        return Reply::json(403, &body);
    }
    let headers = HeaderList::from_iter([("Content-Type", "application/json")]);
    Reply::written(403, headers, body.to_string())
}

/// The client's own session id, if sessions are bound.
pub(super) fn bound_session(call: &Call, bound: bool) -> Option<String> {
    if !bound {
        return None;
    }
    let user_id = call.incoming.body.user_id()?;
    UserId::parse(&user_id).map(|id| id.session_id)
}
