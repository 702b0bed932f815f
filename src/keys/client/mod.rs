//! Which client programs may use a key (contract/auth-limits-usage.md §1.5.1, §1.5.2, §2).

mod claude_code;
mod cli;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use compat::relay_config::RelayConfig;
use serde_json::Value;

use super::{ApiKeySnapshot, Refusal};
use crate::domain::HeaderList;

pub use claude_code::{ClaudeCodeRules, is_claude_code};

/// The parts of a body that tell Claude Code from others.
pub trait ClientBody: Sync {
    /// `model`, when it is a text.
    fn model(&self) -> Option<Cow<'_, str>>;
    /// `text` of each entry of `system`, empty where it is no text; `None` when `system` is no array.
    fn system_texts(&self) -> Option<Vec<Cow<'_, str>>>;
    /// `metadata.user_id`, when it is a text.
    fn user_id(&self) -> Option<Cow<'_, str>>;
}

/// What is known of the client: headers as the service sees them after the browser rewrite.
#[derive(Clone, Copy)]
pub struct ClientRequest<'a> {
    /// Headers, values as text.
    pub headers: &'a HeaderList,
    /// Path and query as the client sent them.
    pub original_url: &'a str,
    /// The body.
    pub body: &'a dyn ClientBody,
}

impl ClientBody for Value {
    fn model(&self) -> Option<Cow<'_, str>> {
        self.get("model").and_then(Value::as_str).map(Cow::Borrowed)
    }

    fn system_texts(&self) -> Option<Vec<Cow<'_, str>>> {
        let entries = self.get("system")?.as_array()?.iter();
        let texts =
            entries.map(|entry| entry.get("text").and_then(Value::as_str).unwrap_or_default());
        Some(texts.map(Cow::Borrowed).collect())
    }

    fn user_id(&self) -> Option<Cow<'_, str>> {
        self.pointer("/metadata/user_id").and_then(Value::as_str).map(Cow::Borrowed)
    }
}

impl ClientRequest<'_> {
    /// Path as the client spelled it, without the query.
    fn path(&self) -> &str {
        self.original_url.split('?').next().unwrap_or_default()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_default()
    }
}

/// Runs the client checks of one request.
pub(super) fn check(
    rules: &ClaudeCodeRules,
    key: &ApiKeySnapshot,
    request: &ClientRequest<'_>,
    config: &RelayConfig,
) -> Result<(), Refusal> {
    if is_token_count(request.original_url) {
        return Ok(());
    }
    if key.restricts_clients() {
        let allowed = &key.record.allowed_clients;
        if !allowed.iter().any(|client| is_client(rules, client, request)) {
            return Err(Refusal::ClientNotAllowed {
                allowed: allowed.clone(),
                user_agent: request.header("user-agent").to_owned(),
            });
        }
    }
    let claude_code_only = config.claude_code_only || key.is_claude_code_only();
    if claude_code_only
        && is_claude_messages(request.original_url)
        && !claude_code::is_claude_code(rules, request)
    {
        return Err(Refusal::ClaudeCodeOnly);
    }
    Ok(())
}

/// Whether the request only counts tokens; such requests skip client checks and concurrency, but not
/// the window and cost limits. The forced-vendor routes are not among them (legacy quirk).
pub fn is_token_count(original_url: &str) -> bool {
    let path = original_url.split('?').next().unwrap_or_default().to_lowercase();
    let mut collapsed = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !collapsed.ends_with('/') {
            collapsed.push(c);
        }
    }
    let path = if collapsed.len() > 1 {
        collapsed.strip_suffix('/').unwrap_or(&collapsed)
    } else {
        &collapsed
    };
    let prefix = path.strip_suffix("/v1/messages/count_tokens");
    matches!(prefix, Some("" | "/api" | "/claude"))
}

fn is_claude_messages(original_url: &str) -> bool {
    let url = original_url.to_lowercase();
    url.contains("/v1/messages") && (url.starts_with("/api") || url.starts_with("/claude"))
}

/// Whether the request comes from the client with this id, on a path that client may use. Unknown ids
/// never match.
fn is_client(rules: &ClaudeCodeRules, id: &str, request: &ClientRequest<'_>) -> bool {
    let url = request.original_url.to_lowercase();
    let path_allowed = allowed_paths(id).iter().any(|prefix| url.starts_with(prefix));
    path_allowed
        && match id {
            "claude_code" => claude_code::is_claude_code(rules, request),
            "gemini_cli" => cli::is_gemini(request),
            "codex_cli" => cli::is_codex(request),
            "droid_cli" => cli::is_droid(request),
            _ => false,
        }
}

/// Path prefixes, in lower case, that a client may use.
fn allowed_paths(id: &str) -> &'static [&'static str] {
    match id {
        "claude_code" => &[
            "/api/v1/messages",
            "/api/v1/models",
            "/api/v1/me",
            "/api/v1/usage",
            "/api/v1/key-info",
            "/api/v1/organizations",
            "/claude/v1/messages",
            "/claude/v1/models",
            "/antigravity/api/",
            "/gemini-cli/api/",
            "/api/event_logging",
            "/v1/messages",
            "/v1/models",
            "/v1/me",
            "/v1/usage",
            "/v1/key-info",
            "/v1/organizations",
        ],
        "gemini_cli" => &["/gemini/"],
        "codex_cli" => &["/openai/responses", "/openai/v1/responses", "/azure/"],
        "droid_cli" => &["/droid/"],
        _ => &[],
    }
}
