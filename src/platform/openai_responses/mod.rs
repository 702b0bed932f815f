//! Providers that speak OpenAI's Responses format and are reached with an API key
//! (`contract/openai-azure-droid.md §4`).
//!
//! The body passes as it is, and so do a client's headers but for those that are the connection's own, lead
//! to the client, or show its key.

mod reply;
#[cfg(test)]
mod tests;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use thiserror::Error;
use url::Url;

pub use reply::{error_of_stream, limit, limit_of_stream, unauthorized};

use super::{BuiltRequest, LIBRARY_AGENT};
use crate::domain::{HeaderList, Secret};

/// Headers of a client that no provider sees: the connection's own, credentials, and where it came from.
const KEPT_BACK: [&str; 29] = [
    "host",
    "content-length",
    "authorization",
    "x-api-key",
    "x-cr-api-key",
    "connection",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-extensions",
    "x-real-ip",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-accel-buffering",
    "cf-ray",
    "cf-connecting-ip",
    "cf-ipcountry",
    "cf-visitor",
    "cf-request-id",
    "cdn-loop",
    "true-client-ip",
    // The legacy service lets these pass. The first three may hold the client's key, the others say how its
    // own connection was framed.
    "x-goog-api-key",
    "api-key",
    "cookie",
    "transfer-encoding",
    "content-encoding",
    "expect",
];

/// What of an account shapes its requests.
#[derive(Clone, Debug)]
pub struct Account<'a> {
    /// `baseApi`
    pub base: &'a str,
    /// `apiKey`, decrypted.
    pub key: &'a Secret,
    /// `userAgent`, empty when unset.
    pub agent: &'a str,
    /// Whether the connection is kept afterwards; through a proxy usually not.
    pub keep_alive: bool,
}

/// A client's request.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Its body, as the provider gets it.
    pub body: &'a Bytes,
    /// Its headers.
    pub headers: &'a HeaderList,
    /// Its path below the mount, in its own spelling.
    pub path: &'a str,
}

/// The account's address cannot be asked; the texts are what the legacy HTTP library says.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NoUrl {
    /// It is no URL.
    #[error("Invalid URL")]
    Invalid,
    /// It is one of another kind.
    #[error("Unsupported protocol {0}:")]
    Protocol(String),
}

/// Builds the provider's request.
///
/// # Errors
/// When the account's address is no URL.
pub fn build(account: &Account<'_>, call: &Call<'_>) -> Result<BuiltRequest, NoUrl> {
    let mut url = url(account.base, call.path)?;
    let login = login(&mut url);
    let mut headers: HeaderList =
        [("Accept", "application/json, text/plain, */*"), ("Content-Type", "application/json")]
            .into_iter()
            .collect();
    let kept_back = |name: &str| KEPT_BACK.iter().any(|kept| name.eq_ignore_ascii_case(kept));
    for (name, value) in call.headers.iter().filter(|(name, _)| !kept_back(name)) {
        headers.set(name, value);
    }
    if login.is_none() {
        headers.set("Authorization", format!("Bearer {}", account.key.expose()));
    }
    headers.set("Content-Type", "application/json");
    if !account.agent.is_empty() {
        headers.set("User-Agent", account.agent);
    } else if call.headers.get("user-agent").is_none() {
        headers.push("User-Agent", LIBRARY_AGENT);
    }
    headers.push("Content-Length", call.body.len().to_string());
    if headers.get("accept-encoding").is_none() {
        headers.push("Accept-Encoding", "gzip, compress, deflate, br");
    }
    let host = url.host_str().unwrap_or_default();
    headers.push("Host", url.port().map_or(host.to_owned(), |port| format!("{host}:{port}")));
    if let Some(login) = login {
        headers.push("Authorization", login);
    }
    headers.push("Connection", if account.keep_alive { "keep-alive" } else { "close" });
    Ok(BuiltRequest { url: url.into(), headers, body: call.body.clone() })
}

/// Takes a login out of an address: the legacy HTTP library presents it in place of the account's key.
fn login(url: &mut Url) -> Option<String> {
    if url.username().is_empty() {
        return None;
    }
    let login = format!("{}:{}", url.username(), url.password().unwrap_or_default());
    // Fails only for addresses that cannot have a login.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    Some(format!("Basic {}", STANDARD.encode(login)))
}

/// The provider's address; a version that both parts name is named once.
fn url(base: &str, path: &str) -> Result<Url, NoUrl> {
    let doubled = base.ends_with("/v1") && path.starts_with("/v1/");
    let path = if doubled { path.get(3..).unwrap_or_default() } else { path };
    let mut url = Url::parse(&format!("{base}{path}")).map_err(|_| NoUrl::Invalid)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(NoUrl::Protocol(url.scheme().to_owned()));
    }
    url.set_fragment(None);
    Ok(url)
}
