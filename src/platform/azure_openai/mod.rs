//! Azure OpenAI: a resource with an API key and one deployment (`contract/openai-azure-droid.md §7`).
//!
//! The body passes unchanged but for the model; of the client's headers none pass.

mod reply;
mod tap;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use thiserror::Error;
use url::Url;

use super::BuiltRequest;
use crate::{
    domain::{HeaderList, Secret},
    wire::{
        body::RequestBody,
        json::{Kind, Tree},
    },
};

pub use reply::{Named, Usage, error_body, passed_headers, usage_of_reply, without_cached};
pub use tap::{Reading, UsageTap};

/// Deployment of accounts that name none.
const DEFAULT_DEPLOYMENT: &str = "default";
/// API version of accounts that name none.
const DEFAULT_VERSION: &str = "2024-02-01";
/// The same for responses.
const DEFAULT_RESPONSES_VERSION: &str = "2025-04-01-preview";
/// Model of requests that name none.
const DEFAULT_MODEL: &str = "gpt-4";
/// Vendor prefix that clients may write.
const PREFIX: &str = "azure/";

/// What a client asks of the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `chat/completions`
    Chat,
    /// `responses`
    Responses,
    /// `embeddings`
    Embeddings,
}

/// What of an account's record shapes its requests.
#[derive(Clone, Debug)]
pub struct Account {
    /// `azureEndpoint`
    pub endpoint: String,
    /// `deploymentName`
    pub deployment: String,
    /// `apiVersion`
    pub api_version: String,
    /// `apiKey`, decrypted; `None` when the record has no such field.
    pub api_key: Option<Secret>,
}

/// Everything a request is built from.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What is asked.
    pub endpoint: Endpoint,
    /// The client's body.
    pub body: &'a RequestBody,
    /// The chosen account.
    pub account: &'a Account,
    /// Whether the answer is read as it comes.
    pub stream: bool,
    /// Whether the connection is kept afterwards.
    pub keep_alive: bool,
}

/// Why a request could not be built. The texts are what clients are told.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BuildError {
    /// The account's endpoint makes no URL.
    #[error("Invalid URL")]
    Url,
    /// The account's endpoint is not reached by HTTP.
    #[error("Unsupported protocol {0}:")]
    Protocol(String),
    /// The model is no text.
    #[error("model.startsWith is not a function")]
    Model,
}

impl BuildError {
    /// The runtime's name of it.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Url => Some("ERR_INVALID_URL"),
            Self::Protocol(_) => Some("ERR_BAD_REQUEST"),
            Self::Model => None,
        }
    }
}

impl Endpoint {
    /// The part of the path that names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat/completions",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
        }
    }

    /// Whether a client that asks for a stream gets one.
    pub fn streams(self) -> bool {
        self != Self::Embeddings
    }
}

impl Account {
    fn deployment(&self) -> &str {
        if self.deployment.is_empty() { DEFAULT_DEPLOYMENT } else { &self.deployment }
    }

    fn url(&self, endpoint: Endpoint) -> Result<Url, BuildError> {
        let version = match endpoint {
            _ if !self.api_version.is_empty() => &self.api_version,
            Endpoint::Responses => DEFAULT_RESPONSES_VERSION,
            Endpoint::Chat | Endpoint::Embeddings => DEFAULT_VERSION,
        };
        let base = &self.endpoint;
        let name = endpoint.as_str();
        let url = match endpoint {
            Endpoint::Responses => format!("{base}/openai/{name}?api-version={version}"),
            Endpoint::Chat | Endpoint::Embeddings => format!(
                "{base}/openai/deployments/{}/{name}?api-version={version}",
                self.deployment()
            ),
        };
        let mut url = Url::parse(&url).map_err(|_| BuildError::Url)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BuildError::Protocol(url.scheme().to_owned()));
        }
        url.set_fragment(None);
        Ok(url)
    }
}

/// Builds the upstream request.
///
/// # Errors
/// When the account's endpoint is no URL, or the client's model no text.
pub fn build(call: &Call<'_>) -> Result<BuiltRequest, BuildError> {
    let url = call.account.url(call.endpoint);
    let body = body(call)?;
    let url = url?;
    let mut headers = HeaderList::new();
    headers.push("Accept", if call.stream { "text/event-stream" } else { "application/json" });
    headers.push("Content-Type", "application/json");
    if let Some(key) = &call.account.api_key {
        headers.push("api-key", key.expose());
    }
    Ok(BuiltRequest::of_library(url, headers, body, call.keep_alive))
}

/// The client's body with the model that the vendor is asked for.
fn body(call: &Call<'_>) -> Result<Bytes, BuildError> {
    let asked = call.body.root().get_truthy("model");
    let model = match (call.endpoint, asked) {
        (Endpoint::Responses, _) => call.account.deployment().to_owned(),
        (_, None) => DEFAULT_MODEL.to_owned(),
        (_, Some(asked)) => {
            let asked = asked.as_str().ok_or(BuildError::Model)?;
            match asked.strip_prefix(PREFIX) {
                Some(rest) => rest.to_owned(),
                // Nothing changes, so the bytes stay as they are.
                None => return Ok(call.body.bytes().clone()),
            }
        }
    };
    let root = call.body.root();
    let mut tree = match root.kind() {
        // An array becomes an object of its places.
        Kind::Array => Tree::Object(
            root.elements()
                .enumerate()
                .map(|(place, value)| (format!("\"{place}\"").into_bytes(), Tree::Raw(value)))
                .collect(),
        ),
        _ => Tree::Raw(root),
    };
    tree.set("model", Tree::string(&model));
    let mut out = Vec::with_capacity(call.body.bytes().len() + 64);
    tree.write(&mut out);
    Ok(out.into())
}
