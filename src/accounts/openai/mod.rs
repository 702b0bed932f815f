//! Accounts of the OpenAI family, ready to send with (contract/openai-azure-droid.md §2.2, §3, §4).

mod exchange;
pub(super) mod oauth;

use std::sync::Arc;

use compat::{
    account_state::openai,
    pool::{Entry, Kind},
};
use thiserror::Error;

use super::{AccountError, Accounts, RefreshError, proxy, refresh::When};
use crate::domain::{ProxyConfig, Secret};

/// A ChatGPT account, ready to send with.
#[derive(Clone, Debug)]
pub struct OpenAiReady {
    /// Its record.
    pub record: Arc<Entry>,
    /// Access token.
    pub access_token: Secret,
    /// `chatgpt-account-id`: the vendor's id of the account, else of its user, else our own.
    pub account_header: String,
    /// Outbound proxy.
    pub proxy: Option<ProxyConfig>,
}

/// A provider's account, ready to send with.
#[derive(Clone, Debug)]
pub struct ResponsesReady {
    /// Its record: `baseApi`, `userAgent`, `dailyQuota` and the rest.
    pub record: Arc<Entry>,
    /// API key.
    pub api_key: Secret,
    /// Outbound proxy.
    pub proxy: Option<ProxyConfig>,
}

/// Why such an account cannot be used after all. `Display` gives the legacy service's message.
#[derive(Clone, Debug, Error)]
pub enum OpenAiUnready {
    /// No access token is stored.
    #[error("OpenAI account {0} has no valid accessToken")]
    NoToken(String),
    /// The token has run out and was not refreshed.
    #[error("Token expired and refresh failed: {0}")]
    Refresh(RefreshError),
    /// The token has run out for good.
    #[error("Token expired and no refresh token available for account {0}")]
    NoRefreshToken(String),
    /// What is stored for a token decrypts to nothing.
    #[error("Failed to decrypt OpenAI accessToken")]
    Unreadable,
    /// No key is stored, or none that can be read.
    #[error("OpenAI-Responses account {0} has no valid apiKey")]
    NoKey(String),
}

impl Accounts {
    /// A token that has not run out, and everything else to send with a ChatGPT account.
    ///
    /// # Errors
    /// When there is no usable token.
    pub async fn openai_ready(&self, entry: &Arc<Entry>) -> Result<OpenAiReady, AccountError> {
        let entry = self.current(entry);
        if entry.get("accessToken").is_empty() {
            return Err(OpenAiUnready::NoToken(entry.id.to_string()).into());
        }
        let access_token = if openai::token_expired(&entry, self.now_ms()) {
            if self.decrypt(&entry, "refreshToken").is_empty() {
                let name = shown_name(&entry).to_owned();
                return Err(OpenAiUnready::NoRefreshToken(name).into());
            }
            let refreshed = self.refreshed_token(&entry, When::Stale).await;
            refreshed.map_err(OpenAiUnready::Refresh)?
        } else {
            self.open(&entry, "accessToken")
        };
        let entry = self.current(&entry);
        if access_token.is_empty() {
            return Err(OpenAiUnready::Unreadable.into());
        }
        let names = [entry.get("accountId"), entry.get("chatgptUserId"), &*entry.id];
        let header = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        Ok(OpenAiReady {
            access_token,
            account_header: header.to_owned(),
            proxy: proxy::of(&entry),
            record: entry,
        })
    }

    /// Exchanges the token of a ChatGPT account though it may still be good: selection asks for it when the
    /// plan has ended.
    ///
    /// # Errors
    /// Why there is no new token.
    pub async fn openai_refreshed(&self, entry: &Arc<Entry>) -> Result<Secret, RefreshError> {
        self.refreshed_token(entry, When::Now).await
    }

    /// Key and proxy of a provider's account.
    ///
    /// # Errors
    /// When there is no usable key.
    pub fn responses_ready(&self, entry: &Arc<Entry>) -> Result<ResponsesReady, AccountError> {
        let entry = self.current(entry);
        let api_key = self.open(&entry, "apiKey");
        if entry.kind != Kind::OpenAiResponses || api_key.is_empty() {
            return Err(OpenAiUnready::NoKey(entry.id.to_string()).into());
        }
        Ok(ResponsesReady { api_key, proxy: proxy::of(&entry), record: entry })
    }
}

/// A missing name reads as JavaScript prints it.
fn shown_name(entry: &Entry) -> &str {
    match entry.fields.get("name") {
        Some(name) => name,
        None => "undefined",
    }
}
