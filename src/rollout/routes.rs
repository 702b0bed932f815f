//! The routes that crs owns, as data: whatever stands here it serves as Node does, whatever does not
//! goes to Node. `tests/it/rollout.rs` holds the table against what the router really serves.

use http::Method;

use crate::domain::Dialect;

/// What a request must show before it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// An API key.
    Key,
    /// Nothing; such routes are about the service that answers, and so Node's until `primary`.
    Open,
}

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnedRoute {
    /// What operators call it; the same under every prefix.
    pub name: &'static str,
    /// `GET` (which answers `HEAD` too) or `POST`.
    pub method: &'static str,
    /// Canonical path; a segment in braces stands for any.
    pub path: &'static str,
    /// Whose accounts serve it.
    pub platform: &'static str,
    /// Whose else, where the model that the body names decides.
    pub by_model: &'static [&'static str],
    /// How errors look.
    pub dialect: Dialect,
    /// Who may ask.
    pub access: Access,
}

const fn keyed(name: &'static str, method: &'static str, path: &'static str) -> OwnedRoute {
    let (platform, dialect) = ("claude", Dialect::Anthropic);
    OwnedRoute { name, method, path, platform, by_model: &[], dialect, access: Access::Key }
}

const fn chat(name: &'static str, method: &'static str, path: &'static str) -> OwnedRoute {
    let (platform, dialect) = ("claude", Dialect::OpenAiChat);
    OwnedRoute { name, method, path, platform, by_model: &[], dialect, access: Access::Key }
}

const fn unified(name: &'static str, method: &'static str, path: &'static str) -> OwnedRoute {
    OwnedRoute { by_model: &["openai"], ..chat(name, method, path) }
}

const fn openai(name: &'static str, method: &'static str, path: &'static str) -> OwnedRoute {
    let (platform, dialect) = ("openai", Dialect::OpenAiResponses);
    OwnedRoute { name, method, path, platform, by_model: &[], dialect, access: Access::Key }
}

const fn azure(name: &'static str, method: &'static str, path: &'static str) -> OwnedRoute {
    let (platform, dialect) = ("azure", Dialect::OpenAiChat);
    OwnedRoute { name, method, path, platform, by_model: &[], dialect, access: Access::Key }
}

const fn open(name: &'static str, method: &'static str, path: &'static str) -> OwnedRoute {
    let (platform, dialect) = ("service", Dialect::Anthropic);
    OwnedRoute { name, method, path, platform, by_model: &[], dialect, access: Access::Open }
}

/// All of them. Messages under the two Gemini prefixes are Node's: crs finds no account there. So are chat
/// requests for Gemini's models; they are told by their bodies, and handed on (`api::relay::chat`).
pub const ROUTES: [OwnedRoute; 59] = [
    keyed("messages", "POST", "/api/v1/messages"),
    keyed("messages", "POST", "/api/claude/v1/messages"),
    keyed("messages", "POST", "/claude/v1/messages"),
    keyed("messages", "POST", "/claude/claude/v1/messages"),
    keyed("count_tokens", "POST", "/api/v1/messages/count_tokens"),
    keyed("count_tokens", "POST", "/claude/v1/messages/count_tokens"),
    keyed("models", "GET", "/api/v1/models"),
    keyed("models", "GET", "/claude/v1/models"),
    keyed("models", "GET", "/antigravity/api/v1/models"),
    keyed("models", "GET", "/gemini-cli/api/v1/models"),
    keyed("key-info", "GET", "/api/v1/key-info"),
    keyed("key-info", "GET", "/claude/v1/key-info"),
    keyed("key-info", "GET", "/antigravity/api/v1/key-info"),
    keyed("key-info", "GET", "/gemini-cli/api/v1/key-info"),
    keyed("usage", "GET", "/api/v1/usage"),
    keyed("usage", "GET", "/claude/v1/usage"),
    keyed("usage", "GET", "/antigravity/api/v1/usage"),
    keyed("usage", "GET", "/gemini-cli/api/v1/usage"),
    keyed("me", "GET", "/api/v1/me"),
    keyed("me", "GET", "/claude/v1/me"),
    keyed("me", "GET", "/antigravity/api/v1/me"),
    keyed("me", "GET", "/gemini-cli/api/v1/me"),
    keyed("organization-usage", "GET", "/api/v1/organizations/{org_id}/usage"),
    keyed("organization-usage", "GET", "/claude/v1/organizations/{org_id}/usage"),
    keyed("organization-usage", "GET", "/antigravity/api/v1/organizations/{org_id}/usage"),
    keyed("organization-usage", "GET", "/gemini-cli/api/v1/organizations/{org_id}/usage"),
    unified("chat", "POST", "/api/v1/chat/completions"),
    unified("chat", "POST", "/openai/v1/chat/completions"),
    chat("chat", "POST", "/openai/claude/v1/chat/completions"),
    unified("completions", "POST", "/api/v1/completions"),
    unified("completions", "POST", "/openai/v1/completions"),
    chat("completions", "POST", "/openai/claude/v1/completions"),
    chat("models", "GET", "/openai/claude/v1/models"),
    chat("models", "GET", "/openai/claude/v1/models/{model}"),
    openai("responses", "POST", "/openai/responses"),
    openai("responses", "POST", "/openai/v1/responses"),
    openai("responses-compact", "POST", "/openai/responses/compact"),
    openai("responses-compact", "POST", "/openai/v1/responses/compact"),
    openai("images", "POST", "/openai/images/generations"),
    openai("images", "POST", "/openai/v1/images/generations"),
    openai("usage", "GET", "/openai/usage"),
    openai("key-info", "GET", "/openai/key-info"),
    azure("chat", "POST", "/azure/chat/completions"),
    azure("responses", "POST", "/azure/responses"),
    azure("embeddings", "POST", "/azure/embeddings"),
    azure("models", "GET", "/azure/models"),
    azure("usage", "GET", "/azure/usage"),
    open("health", "GET", "/health"),
    open("health", "GET", "/api/health"),
    open("health", "GET", "/claude/health"),
    open("health", "GET", "/antigravity/api/health"),
    open("health", "GET", "/gemini-cli/api/health"),
    open("health", "GET", "/azure/health"),
    open("metrics", "GET", "/metrics"),
    open("metrics", "GET", "/metrics/prometheus"),
    open("event-logging", "POST", "/api/api/event_logging/batch"),
    open("event-logging", "POST", "/claude/api/event_logging/batch"),
    open("event-logging", "POST", "/antigravity/api/api/event_logging/batch"),
    open("event-logging", "POST", "/gemini-cli/api/api/event_logging/batch"),
];

impl OwnedRoute {
    /// The route as it is for a request whose model is another platform's.
    pub fn on(&self, platform: &str) -> Self {
        let other = self.by_model.iter().find(|other| **other == platform);
        Self { platform: other.copied().unwrap_or(self.platform), ..*self }
    }

    /// The route as it may be, for any model.
    pub fn readings(&self) -> impl Iterator<Item = Self> {
        std::iter::once(*self).chain(self.by_model.iter().map(|other| self.on(other)))
    }
}

/// The route of a request; `path` in the canonical spelling (`api::middleware::path::canonical`).
pub fn route(method: &Method, path: &str) -> Option<&'static OwnedRoute> {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    ROUTES.iter().find(|route| route.method == method && matches(route.path, path))
}

fn matches(pattern: &str, path: &str) -> bool {
    if !pattern.contains('{') {
        return pattern == path;
    }
    let (mut want, mut have) = (pattern.split('/'), path.split('/'));
    loop {
        match (want.next(), have.next()) {
            (None, None) => return true,
            (Some(want), Some(have)) if want == have => {}
            (Some(want), Some(have)) if want.starts_with('{') && !have.is_empty() => {}
            _ => return false,
        }
    }
}
