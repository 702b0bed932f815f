//! Claude Console: Anthropic-compatible providers reached with an API key
//! (`contract/anthropic.md §5.1`).
//!
//! The body passes unchanged but for a mapped model name; headers are those of the client that may
//! pass, over a few defaults.

mod reply;

#[cfg(test)]
mod tests;

use super::provider::{self, BuildError, Built, Call};
use crate::wire::anthropic::headers::forwardable;

pub use reply::{stream_failure, stream_interrupted};

const DEFAULT_USER_AGENT: &str = "claude-cli/2.0.52 (external, cli)";

/// Builds the upstream request. A client's own User-Agent wins over the account's.
///
/// # Errors
/// When the account's URL is none.
pub fn build(call: &Call<'_>) -> Result<Built, BuildError> {
    let url = call.account.url(call.path)?;
    let model = call.body.model().map(|model| model.into_owned());
    let mapped = model.as_deref().map(|model| call.account.map_model(model).to_owned());
    let body = if mapped == model {
        call.body.bytes().clone()
    } else {
        provider::with_model(call.body, mapped.as_deref().unwrap_or_default())
    };
    let mut headers = provider::first_headers(call.account.agent().unwrap_or(DEFAULT_USER_AGENT));
    forwardable(call.headers).iter().for_each(|(name, value)| headers.set(name, value));
    Ok(Built { request: provider::request(call, url, headers, body), model: mapped })
}
