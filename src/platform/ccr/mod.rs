//! CCR: Claude Code Router providers, chosen by the model's `ccr,` prefix
//! (`contract/anthropic.md §5.2`).
//!
//! The body passes unchanged but for the model, which loses its prefix and is mapped; of the client's
//! headers only a few pass.

mod reply;

#[cfg(test)]
mod tests;

use super::provider::{self, Account, BuildError, Built, Call};
use crate::wire::{body::RequestBody, model::strip_vendor};

pub use reply::connect_failure;

const DEFAULT_USER_AGENT: &str = "claude-relay-service/1.0.0";

/// Headers of a client that reach the provider.
const PASSED: [&str; 3] =
    ["accept-language", "anthropic-beta", "anthropic-dangerous-direct-browser-access"];

/// The model that the provider is asked for: without its prefix, then mapped.
pub fn target_model(account: &Account, body: &RequestBody) -> String {
    let asked = body.model().unwrap_or_default();
    account.map_model(strip_vendor(&asked).1).to_owned()
}

/// Builds the upstream request. The account's User-Agent wins over the client's.
///
/// # Errors
/// When the account's URL is none.
pub fn build(call: &Call<'_>) -> Result<Built, BuildError> {
    let url = call.account.url(call.path)?;
    let model = target_model(call.account, call.body);
    let body = provider::with_model(call.body, &model);
    let client = call.headers.get("user-agent").filter(|agent| !agent.is_empty());
    let agent = call.account.agent().or(client).unwrap_or(DEFAULT_USER_AGENT);
    let mut headers = provider::first_headers(agent);
    for (name, value) in call.headers.iter() {
        if PASSED.iter().any(|passed| name.eq_ignore_ascii_case(passed)) {
            headers.set(name, value);
        }
    }
    Ok(Built { request: provider::request(call, url, headers, body), model: Some(model) })
}
