//! Claude official: accounts with OAuth or a setup token (`contract/anthropic.md §3, §4`).
//!
//! Builds the request that `api.anthropic.com` gets and reads its answer. Requests that do not come
//! from Claude Code are given its looks: headers, system line, identity, tool names; the tool names are
//! changed back on the way to the client ([`ToolNames`]).

mod body;
pub mod client;
mod headers;
mod orphans;
pub mod outcome;
pub mod reply;
mod system;
mod tools;

#[cfg(test)]
mod tests;

use super::BuiltRequest;
use crate::{
    domain::{HeaderList, Secret},
    wire::body::RequestBody,
};

pub use system::SYSTEM_LINE;
pub use tools::{ToolNames, ToolNaming};

/// The vendor's host; redirection for tests happens in `upstream`.
const BASE: &str = "https://api.anthropic.com";

/// What of an account's record shapes its requests.
#[derive(Clone, Debug)]
pub struct Account {
    /// Record id; seeds the session id the upstream sees.
    pub id: String,
    /// `account_uuid` of the record's `extInfo`
    /// (`wire::anthropic::user_id::account_uuid_of`).
    pub account_uuid: Option<String>,
    /// `unifiedClientId`, when `useUnifiedClientId` is `true` and the id is not empty.
    pub unified_client_id: Option<String>,
    /// Access token.
    pub access_token: Secret,
}

/// Which of the vendor's endpoints is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/v1/messages`
    Messages,
    /// `/v1/messages/count_tokens`
    CountTokens,
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
    /// Endpoint to call.
    pub endpoint: Endpoint,
    /// Result of [`client::is_claude_code`] for this body and these headers.
    pub from_claude_code: bool,
    /// Headers captured for the account (`claude_code_headers:<id>`); `None` stands for the built-in
    /// ones. Only used when the request is not from Claude Code.
    pub captured: Option<&'a HeaderList>,
    /// The unified User-Agent, when the account uses it and one is known.
    pub unified_user_agent: Option<&'a str>,
    /// `CLAUDE_API_VERSION`, default `2023-06-01`.
    pub api_version: &'a str,
    /// Configured extra system prompt (`claude.systemPrompt`); absent in the shipped configuration.
    pub system_prompt: Option<&'a str>,
    /// A fresh random UUID, for requests that come without a user id.
    pub fresh_session_id: &'a str,
    /// How tool names are changed for clients other than Claude Code.
    pub naming: ToolNaming<'a>,
}

/// A built request and what must be remembered of it.
#[derive(Clone, Debug)]
pub struct Built {
    /// What to send.
    pub request: BuiltRequest,
    /// How to change tool names back; `None` when none was changed.
    pub tool_names: Option<ToolNames>,
    /// Rules that changed the body, in their order.
    pub rules: Vec<&'static str>,
    /// JSON for `fmt_claude_req:stainless_headers:<id>` (`SET NX`), when the request carries enough
    /// of these headers.
    pub fingerprint: Option<String>,
}

/// Builds the upstream request.
pub fn build(call: &Call<'_>) -> Built {
    let (body, tool_names, rules) = body::transform(call);
    let (headers, fingerprint) = headers::compose(call, body.len());
    let path = match call.endpoint {
        Endpoint::Messages => "/v1/messages",
        Endpoint::CountTokens => "/v1/messages/count_tokens",
    };
    let request = BuiltRequest { url: format!("{BASE}{path}?beta=true"), headers, body };
    Built { request, tool_names, rules, fingerprint }
}
