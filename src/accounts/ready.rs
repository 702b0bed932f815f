//! What it takes to send a request with an account.

use std::{sync::Arc, time::Duration};

use compat::{
    account_state::official,
    number,
    pool::{Entry, Kind, Snapshot},
    record::ModelMap,
};
use serde_json::Value;
use thiserror::Error;

use super::{
    Accounts, OpenAiUnready, RefreshError,
    events::{CLAUDE, Event},
    proxy,
    refresh::When,
};
use crate::{
    domain::{HeaderList, ProxyConfig, Secret},
    error::{Retry, Source},
    platform::claude_official,
    wire::anthropic::user_id::account_uuid_of,
};

/// An official account, ready to send with.
#[derive(Clone, Debug)]
pub struct OfficialReady {
    /// Its record.
    pub record: Arc<Entry>,
    /// What the request is built from, token included.
    pub account: claude_official::Account,
    /// Outbound proxy.
    pub proxy: Option<ProxyConfig>,
    /// Claude Code headers captured for it; `None` stands for the built-in ones.
    pub captured: Option<HeaderList>,
    /// The unified User-Agent, if the account uses it and one is known.
    pub unified_user_agent: Option<String>,
}

/// A console or CCR account, ready to send with.
#[derive(Clone, Debug)]
pub struct ProviderReady {
    /// Its record: `apiUrl`, `userAgent` and the rest.
    pub record: Arc<Entry>,
    /// API key.
    pub api_key: Secret,
    /// Models and their names at the provider.
    pub models: ModelMap,
    /// Outbound proxy.
    pub proxy: Option<ProxyConfig>,
}

/// Why an account cannot be used after all. `Display` gives the legacy service's message.
#[derive(Clone, Debug, Error)]
pub enum AccountError {
    /// Switched off since it was chosen.
    #[error("Account is disabled")]
    Disabled,
    /// No access token is stored.
    #[error("No access token available")]
    NoToken,
    /// The token has run out and could not be refreshed.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// What its proxy is cannot be read. It is not asked directly: that would show the operator's address.
    #[error("The account's proxy settings cannot be read")]
    Proxy,
    /// The account has no provider of its own.
    #[error("Claude Console Claude account not found")]
    NoProvider,
    /// What the vendor of an OpenAI account needs to know is not stored.
    #[error(transparent)]
    OpenAi(#[from] OpenAiUnready),
}

impl AccountError {
    /// Where the fault lies.
    pub fn source_of_fault(&self) -> Source {
        match self {
            Self::Refresh(RefreshError::Upstream(_) | RefreshError::Refused(_)) => Source::Upstream,
            _ => Source::Internal,
        }
    }

    /// The legacy service gives up.
    pub fn retry(&self) -> Retry {
        Retry::No
    }
}

/// Whether warm-up requests to this account are answered here.
///
/// Legacy quirk: both kinds are compared with the text `true`, and console records keep that text.
pub fn intercepts_warmup(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::Official | Kind::Console) && entry.is("interceptWarmup")
}

impl Accounts {
    /// A valid token and everything else to send with an official account. Counts as a use: the last
    /// use and the session window are written, unless the token had to be refreshed.
    /// `client_agent` is the client's User-Agent.
    ///
    /// # Errors
    /// When there is no usable token.
    pub async fn official_ready(
        &self,
        entry: &Arc<Entry>,
        snapshot: &Snapshot,
        client_agent: Option<&str>,
    ) -> Result<OfficialReady, AccountError> {
        let entry = self.current(entry);
        let token = self.token(&entry).await?;
        let entry = self.current(&entry);
        let unified_user_agent = if entry.is("useUnifiedUserAgent") {
            self.unified_agent(client_agent, snapshot.user_agent.as_deref()).await
        } else {
            None
        };
        let unified_client_id = Some(entry.get("unifiedClientId"))
            .filter(|id| entry.is("useUnifiedClientId") && !id.is_empty());
        Ok(OfficialReady {
            account: claude_official::Account {
                id: entry.id.to_string(),
                account_uuid: account_uuid_of(entry.get("extInfo")),
                unified_client_id: unified_client_id.map(str::to_owned),
                access_token: token,
            },
            proxy: proxy::of(&entry),
            captured: entry.captured_headers.as_deref().and_then(captured),
            unified_user_agent,
            record: entry,
        })
    }

    /// Claude Code's headers as remembered for an account, or the built-in ones.
    pub fn claude_code_headers(&self, entry: &Arc<Entry>) -> HeaderList {
        let entry = self.current(entry);
        let stored = entry.captured_headers.as_deref().and_then(captured);
        stored.unwrap_or_else(claude_official::client::default_headers)
    }

    /// Key, models and proxy of a console or CCR account.
    ///
    /// # Errors
    /// When it is of another kind, or its proxy cannot be read.
    pub fn provider_ready(&self, entry: &Arc<Entry>) -> Result<ProviderReady, AccountError> {
        let entry = self.current(entry);
        match entry.kind {
            Kind::Console | Kind::Ccr if !entry.proxy_readable() => Err(AccountError::Proxy),
            Kind::Console | Kind::Ccr => Ok(ProviderReady {
                api_key: self.open(&entry, "apiKey"),
                models: ModelMap::parse(entry.get("supportedModels")),
                proxy: proxy::of(&entry),
                record: entry,
            }),
            _ => Err(AccountError::NoProvider),
        }
    }

    /// A token that is good for at least a minute, or the stored one when no refresh succeeds.
    pub(super) async fn token(&self, entry: &Arc<Entry>) -> Result<Secret, AccountError> {
        if !entry.active() {
            return Err(AccountError::Disabled);
        }
        if expires_soon(entry, self.now_ms()) {
            return match self.refreshed_token(entry, When::Stale).await {
                Ok(token) => Ok(token),
                Err(error) => {
                    // It may be a long-lived token entered by hand.
                    let stored = self.open(entry, "accessToken");
                    if stored.is_empty() { Err(error.into()) } else { Ok(stored) }
                }
            };
        }
        let token = self.open(entry, "accessToken");
        if token.is_empty() {
            return Err(AccountError::NoToken);
        }
        let change = official::used(entry, self.now_ms(), &self.0.rules.zone);
        self.0.ports.writes.send(self.patch(entry, &change.patch)).await;
        if change.notable {
            let reason = "进入新的5小时窗口，已自动恢复调度";
            self.report(entry, Event::new(CLAUDE, "resumed", "CLAUDE_5H_LIMIT_RESUMED", reason));
        }
        Ok(token)
    }
}

/// Tokens are refreshed this long before their end.
const EARLY: Duration = Duration::from_secs(60);

/// Whether the access token has to be refreshed. A missing or unreadable end counts as past.
pub(super) fn expires_soon(entry: &Entry, now_ms: i64) -> bool {
    let early_ms = i64::try_from(EARLY.as_millis()).unwrap_or(0);
    match number::parse_int(entry.get("expiresAt")) {
        None | Some(0) => true,
        Some(end_ms) => now_ms >= end_ms - early_ms,
    }
}

/// Header names and values of a stored capture, in stored order.
fn captured(stored: &str) -> Option<HeaderList> {
    let stored: Value = serde_json::from_str(stored).ok()?;
    let headers = stored.get("headers")?.as_object()?;
    Some(
        headers
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect(),
    )
}
