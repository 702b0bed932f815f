//! Providers that speak Anthropic's format and are reached with an API key: what console and CCR
//! accounts share (`contract/anthropic.md §5.1, §5.2`).
//!
//! Knows neither which headers of a client pass nor what becomes of its model name; those differ.

use bytes::Bytes;
use thiserror::Error;
use url::Url;

use super::BuiltRequest;
use crate::{
    domain::{HeaderList, Secret},
    wire::{body::RequestBody, json::Tree},
};

/// `anthropic-version` of clients that name none.
pub(super) const API_VERSION: &str = "2023-06-01";
const MESSAGES: &str = "/v1/messages";

/// What of an account's record shapes its requests.
#[derive(Clone, Debug)]
pub struct Account {
    /// `apiUrl`
    pub api_url: String,
    /// `apiKey`, decrypted.
    pub api_key: Secret,
    /// `userAgent`, when set.
    pub user_agent: Option<String>,
    /// `supportedModels` as requested name to provider's name, in record order; empty for the array
    /// form and for "all models".
    pub models: Vec<(String, String)>,
}

/// Everything a request is built from.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// The client's body.
    pub body: &'a RequestBody,
    /// The client's headers.
    pub headers: &'a HeaderList,
    /// The chosen account.
    pub account: &'a Account,
    /// Path instead of `/v1/messages`, such as `/v1/messages/count_tokens`; plain replies only.
    pub path: Option<&'a str>,
    /// `anthropic-beta` that replaces the client's; set by the OpenAI-compatible routes.
    pub beta: Option<&'a str>,
    /// Whether the connection is kept afterwards; through a proxy usually not.
    pub keep_alive: bool,
}

/// Why a request could not be built.
#[derive(Clone, Debug, Error)]
pub enum BuildError {
    /// The account's `apiUrl` is no URL. The text is what the legacy HTTP library says.
    #[error("Invalid URL")]
    Url,
}

/// A built request.
#[derive(Clone, Debug)]
pub struct Built {
    /// What to send.
    pub request: BuiltRequest,
    /// The model the provider is asked for; also what usage falls back to.
    pub model: Option<String>,
}

impl Account {
    /// The provider's name for a model: exact key, then ignoring case, else the name itself.
    pub fn map_model<'a>(&'a self, model: &'a str) -> &'a str {
        let exact = self.models.iter().rev().find(|(name, to)| name == model && !to.is_empty());
        let lower = model.to_lowercase();
        let loose = || self.models.iter().find(|(name, _)| name.to_lowercase() == lower);
        exact.or_else(loose).map_or(model, |(_, to)| to)
    }

    pub(super) fn url(&self, path: Option<&str>) -> Result<Url, BuildError> {
        let base = self.api_url.strip_suffix('/').unwrap_or(&self.api_url);
        let url = match path {
            Some(path) => format!("{}{path}", base.strip_suffix(MESSAGES).unwrap_or(base)),
            None if base.ends_with(MESSAGES) => base.to_owned(),
            None => format!("{base}{MESSAGES}"),
        };
        let mut url = Url::parse(&url).ok().filter(Url::has_host).ok_or(BuildError::Url)?;
        url.set_fragment(None);
        Ok(url)
    }

    /// The account's own User-Agent.
    pub(super) fn agent(&self) -> Option<&str> {
        self.user_agent.as_deref().filter(|agent| !agent.is_empty())
    }
}

/// The client's body with another model; the name keeps its place.
pub(super) fn with_model(body: &RequestBody, model: &str) -> Bytes {
    let mut tree = Tree::Raw(body.root());
    tree.set("model", Tree::string(model));
    let mut out = Vec::with_capacity(body.bytes().len() + 64);
    tree.write(&mut out);
    out.into()
}

/// The complete request of these own headers, as the legacy service's HTTP library spells and orders
/// what it adds, behind credentials and betas.
pub(super) fn request(call: &Call<'_>, url: Url, own: HeaderList, body: Bytes) -> BuiltRequest {
    let mut headers = own;
    let key = call.account.api_key.expose();
    if key.starts_with("sk-ant-") {
        headers.push("x-api-key", key);
    } else {
        headers.push("Authorization", format!("Bearer {key}"));
    }
    if let Some(beta) = call.beta {
        headers.set("anthropic-beta", beta);
    }
    BuiltRequest::of_library(url, headers, body, call.keep_alive)
}

/// The headers that every request to a provider starts with.
pub(super) fn first_headers(agent: &str) -> HeaderList {
    let mut headers = HeaderList::new();
    headers.push("Accept", "application/json, text/plain, */*");
    headers.push("Content-Type", "application/json");
    headers.push("anthropic-version", API_VERSION);
    headers.push("User-Agent", agent);
    headers
}
