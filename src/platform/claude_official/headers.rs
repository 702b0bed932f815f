//! The upstream request's headers (`contract/anthropic.md §3.3`), in the order and spelling in which
//! the legacy service puts them on the wire.

use super::{Call, client};
use crate::{
    domain::HeaderList,
    wire::{
        anthropic::headers::{fold, forwardable},
        json,
    },
};

const DEFAULT_USER_AGENT: &str = "claude-cli/1.0.119 (external, cli)";

/// Fewest of the stainless headers that make a fingerprint.
const MIN_FINGERPRINT: usize = 4;

/// Stainless headers and their spelling towards the vendor.
const STAINLESS: [(&str, &str); 8] = [
    ("x-stainless-retry-count", "X-Stainless-Retry-Count"),
    ("x-stainless-timeout", "X-Stainless-Timeout"),
    ("x-stainless-lang", "X-Stainless-Lang"),
    ("x-stainless-package-version", "X-Stainless-Package-Version"),
    ("x-stainless-os", "X-Stainless-OS"),
    ("x-stainless-arch", "X-Stainless-Arch"),
    ("x-stainless-runtime", "X-Stainless-Runtime"),
    ("x-stainless-runtime-version", "X-Stainless-Runtime-Version"),
];

const BETAS_HAIKU: [&str; 2] = ["oauth-2025-04-20", "interleaved-thinking-2025-05-14"];
const BETAS: [&str; 4] = [
    "claude-code-20250219",
    "oauth-2025-04-20",
    "interleaved-thinking-2025-05-14",
    "fine-grained-tool-streaming-2025-05-14",
];

/// Composes the headers for a body of `content_length` bytes; also gives the fingerprint to store.
pub(super) fn compose(call: &Call<'_>, content_length: usize) -> (HeaderList, Option<String>) {
    let mut own = Ordered(forwardable(call.headers).iter().map(owned).collect());
    if !call.from_claude_code {
        match call.captured {
            Some(captured) => captured.iter().for_each(|(name, value)| own.set(name, value)),
            None => client::default_headers().iter().for_each(|(name, value)| own.set(name, value)),
        }
    }
    let fingerprint = own.recase_stainless();

    let mut headers = Ordered(vec![]);
    headers.set("host", "api.anthropic.com");
    headers.set("connection", "keep-alive");
    headers.set("content-type", "application/json");
    headers.set("content-length", &content_length.to_string());
    headers.set("accept-encoding", "identity");
    headers.set("authorization", &format!("Bearer {}", call.account.access_token.expose()));
    headers.set("anthropic-version", call.api_version);
    own.0.iter().for_each(|(name, value)| headers.set(name, value));
    headers.set("accept-encoding", "identity");

    let agent = headers.take("user-agent");
    let agent = call.unified_user_agent.map(str::to_owned).filter(|a| !a.is_empty()).or(agent);
    let accept = headers.take("accept");
    headers.set("User-Agent", agent.as_deref().unwrap_or(DEFAULT_USER_AGENT));
    headers.set("Accept", accept.as_deref().unwrap_or("application/json"));
    let model = call.body.model().unwrap_or_default();
    let client = fold(call.headers);
    headers.set("anthropic-beta", &betas(&model, client.get("anthropic-beta")));
    (headers.0.into_iter().collect(), fingerprint)
}

/// Value of `anthropic-beta`: the model's base set, then what the client asks for.
fn betas(model: &str, client: Option<&str>) -> String {
    let haiku = model.to_lowercase().contains("haiku");
    let mut betas: Vec<&str> = if haiku { BETAS_HAIKU.to_vec() } else { BETAS.to_vec() };
    for beta in client.unwrap_or_default().split(',').map(js::trim) {
        if !beta.is_empty() && !betas.contains(&beta) {
            betas.push(beta);
        }
    }
    betas.join(",")
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Headers as a JavaScript object holds them: names are case-sensitive, setting keeps the place.
struct Ordered(Vec<(String, String)>);

impl Ordered {
    fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(n, _)| n == name) {
            Some(slot) => slot.1 = value.to_owned(),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Removes a header; an empty value counts as none.
    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(n, _)| n == name)?;
        Some(self.0.remove(at).1).filter(|value| !value.is_empty())
    }

    /// Moves the stainless headers to the end in their proper spelling, if there are enough of them,
    /// and returns them as JSON.
    fn recase_stainless(&mut self) -> Option<String> {
        let found: Vec<_> = STAINLESS
            .iter()
            .filter_map(|(lower, spelled)| {
                let mut all = self.0.iter().rev();
                let (_, value) =
                    all.find(|(n, v)| n.eq_ignore_ascii_case(lower) && !js::trim(v).is_empty())?;
                Some((*lower, *spelled, value.clone()))
            })
            .collect();
        if found.len() < MIN_FINGERPRINT {
            return None;
        }
        let mut fingerprint = Vec::new();
        for (lower, spelled, value) in found {
            self.0.retain(|(name, _)| !name.eq_ignore_ascii_case(lower));
            fingerprint.push(if fingerprint.is_empty() { b'{' } else { b',' });
            json::encode(lower, &mut fingerprint);
            fingerprint.push(b':');
            json::encode(&value, &mut fingerprint);
            self.0.push((spelled.to_owned(), value));
        }
        fingerprint.push(b'}');
        Some(String::from_utf8_lossy(&fingerprint).into_owned())
    }
}
