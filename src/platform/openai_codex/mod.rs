//! ChatGPT accounts, on the backend of Codex (`contract/openai-azure-droid.md §3`).
//!
//! Of a client's headers three pass; everything else that the backend is shown is set here, but for the
//! instructions, which are none of this service's.

mod client;
mod image;
mod reply;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use client::{is_codex, is_genuine};
pub use image::{ImageAsk, ImageRefusal, SCHEDULED_MODEL};
pub use reply::{Refused, image_reason, limit, unauthorized};

use super::{BuiltRequest, LIBRARY_AGENT};
use crate::domain::{HeaderList, Secret};

const HOST: &str = "chatgpt.com";
const RESPONSES: &str = "https://chatgpt.com/backend-api/codex/responses";
const COMPACT: &str = "https://chatgpt.com/backend-api/codex/responses/compact";
/// Headers of a client that reach the backend.
const PASSED: [&str; 3] = ["version", "openai-beta", "session_id"];

/// What of an account shapes its requests.
#[derive(Clone, Debug)]
pub struct Account<'a> {
    /// Access token.
    pub token: &'a Secret,
    /// `chatgpt-account-id`.
    pub account_id: &'a str,
    /// Whether the connection is kept afterwards; through a proxy usually not.
    pub keep_alive: bool,
}

/// A client's request.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Its body, as the backend gets it.
    pub body: &'a Bytes,
    /// Its headers.
    pub headers: &'a HeaderList,
    /// Whether a conversation is to be compacted.
    pub compact: bool,
    /// Whether events are wanted.
    pub stream: bool,
}

/// Builds the backend's request.
pub fn build(account: &Account<'_>, call: &Call<'_>) -> BuiltRequest {
    let accept = if call.stream { "text/event-stream" } else { "application/json" };
    let mut headers = first_headers(accept);
    for name in PASSED {
        if let Some(value) = call.headers.get(name) {
            headers.push(name, value);
        }
    }
    credentials(&mut headers, account);
    headers.push("User-Agent", LIBRARY_AGENT);
    let url = if call.compact { COMPACT } else { RESPONSES };
    finished(url, headers, call.body.clone(), account)
}

/// Builds the request that has pictures drawn; no client header takes part.
pub fn build_image(account: &Account<'_>, ask: &ImageAsk) -> BuiltRequest {
    let mut headers = first_headers("text/event-stream");
    credentials(&mut headers, account);
    for (name, value) in image::CLIENT {
        headers.push(name, value);
    }
    finished(RESPONSES, headers, ask.to_body(), account)
}

fn first_headers(accept: &str) -> HeaderList {
    [("Accept", accept), ("Content-Type", "application/json")].into_iter().collect()
}

fn credentials(headers: &mut HeaderList, account: &Account<'_>) {
    headers.push("authorization", format!("Bearer {}", account.token.expose()));
    headers.push("chatgpt-account-id", account.account_id);
    headers.push("host", HOST);
}

fn finished(
    url: &str,
    mut headers: HeaderList,
    body: Bytes,
    account: &Account<'_>,
) -> BuiltRequest {
    headers.push("Content-Length", body.len().to_string());
    headers.push("Accept-Encoding", "gzip, compress, deflate, br");
    headers.push("Connection", if account.keep_alive { "keep-alive" } else { "close" });
    BuiltRequest { url: url.to_owned(), headers, body }
}
