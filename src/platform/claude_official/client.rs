//! Is it Claude Code, and what can be learned from its headers.

use crate::{
    domain::HeaderList,
    wire::{
        anthropic::{headers::fold, prompt_similarity},
        body::RequestBody,
    },
};

/// Headers that are remembered of Claude Code, with the values used until some are remembered
/// (`contract/anthropic.md §3.4`).
const REMEMBERED: [(&str, &str); 13] = [
    ("x-stainless-retry-count", "0"),
    ("x-stainless-timeout", "60"),
    ("x-stainless-lang", "js"),
    ("x-stainless-package-version", "0.55.1"),
    ("x-stainless-os", "Windows"),
    ("x-stainless-arch", "x64"),
    ("x-stainless-runtime", "node"),
    ("x-stainless-runtime-version", "v20.19.2"),
    ("anthropic-dangerous-direct-browser-access", "true"),
    ("x-app", "cli"),
    ("user-agent", "claude-cli/1.0.57 (external, cli)"),
    ("accept-language", "*"),
    ("sec-fetch-mode", "cors"),
];

/// Whether the request comes from Claude Code: by its User-Agent and by its system prompt, which must
/// match a template completely (the legacy service asks for a score of 1 here, not for its usual
/// threshold).
pub fn is_claude_code(body: &RequestBody, headers: &HeaderList) -> bool {
    has_agent_name(headers.get("user-agent").unwrap_or_default()) && has_system_prompt(body)
}

/// The system half of [`is_claude_code`]; all that test connections ask for.
pub fn has_system_prompt(body: &RequestBody) -> bool {
    let model = body.model().is_some_and(|model| !model.is_empty());
    let Some(system) = body.system().filter(|system| model && system.is_array()) else {
        return false;
    };
    system.elements().any(|block| {
        let text = block.get_str("text").unwrap_or_default();
        prompt_similarity::reaches(&text, 1.0)
    })
}

/// The built-in headers, for accounts that none were captured for.
pub fn default_headers() -> HeaderList {
    REMEMBERED.into_iter().collect()
}

/// Headers to remember for the account after a success, and their version, if the User-Agent is one
/// that is remembered. The caller has already asked [`is_claude_code`] (streams) or
/// [`has_system_prompt`] (plain replies).
pub fn capture(headers: &HeaderList) -> Option<(HeaderList, String)> {
    let client = fold(headers);
    let agent = client.get("user-agent").filter(|agent| has_numbered_name(agent))?;
    let version = version_of(agent)?.to_owned();
    let kept = REMEMBERED.iter().filter_map(|(name, _)| {
        client.get(name).filter(|value| !value.is_empty()).map(|value| (*name, value))
    });
    Some((kept.collect(), version))
}

/// Whether captured headers replace the stored ones: only a strictly higher version does.
/// `stored_agent` is the stored `user-agent`.
pub fn capture_is_newer(version: &str, stored_agent: Option<&str>) -> bool {
    let Some(stored) = stored_agent.and_then(version_of) else { return false };
    compare(version, stored, js_number) == std::cmp::Ordering::Greater
}

/// What becomes of the unified User-Agent when a client comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnifiedAgent {
    /// Not from Claude Code: nothing is written.
    Keep,
    /// Store the client's value with a new lifetime.
    Store,
    /// Only renew the lifetime of the stored value.
    Renew,
}

/// Lifetime of the unified User-Agent, in seconds.
pub const UNIFIED_AGENT_TTL_S: u64 = 90_000;

/// Decides on the unified User-Agent (`claude_code_user_agent:daily`).
pub fn unified_agent(client: Option<&str>, stored: Option<&str>) -> UnifiedAgent {
    let Some(client) = client.filter(|agent| has_numbered_name(agent)) else {
        return UnifiedAgent::Keep;
    };
    let Some(stored) = stored.filter(|agent| !agent.is_empty()) else { return UnifiedAgent::Store };
    let newer = match (version_of(client), version_of(stored)) {
        (Some(ours), Some(theirs)) => compare(ours, theirs, js_parse_int).is_gt(),
        _ => true,
    };
    if newer { UnifiedAgent::Store } else { UnifiedAgent::Renew }
}

/// `^claude-cli/\S+\s+\(`
pub(super) fn has_agent_name(agent: &str) -> bool {
    after_name(agent).is_some_and(|rest| {
        let end = rest.find(js::is_space).unwrap_or(rest.len());
        end > 0 && opens_paren(rest.get(end..).unwrap_or_default())
    })
}

/// `^claude-cli/[\d.]+\s+\(`
fn has_numbered_name(agent: &str) -> bool {
    after_name(agent).is_some_and(|rest| {
        let tail = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        tail.len() < rest.len() && opens_paren(tail)
    })
}

fn after_name(agent: &str) -> Option<&str> {
    const NAME: &str = "claude-cli/";
    agent.get(..NAME.len()).filter(|head| head.eq_ignore_ascii_case(NAME))?;
    agent.get(NAME.len()..)
}

fn opens_paren(text: &str) -> bool {
    let rest = text.trim_start_matches(js::is_space);
    rest.len() < text.len() && rest.starts_with('(')
}

/// Digits and dots after `claude-cli/` (anywhere), with the letters that follow them.
fn version_of(agent: &str) -> Option<&str> {
    let lower = agent.to_ascii_lowercase();
    lower.match_indices("claude-cli/").find_map(|(at, name)| {
        let rest = agent.get(at + name.len()..)?;
        let number = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let letters = rest.bytes().skip(number);
        let tail = letters.take_while(|b| b.is_ascii_alphanumeric() || *b == b'-').count();
        (number > 0).then(|| rest.get(..number + tail)).flatten()
    })
}

fn compare(ours: &str, theirs: &str, part: fn(&str) -> f64) -> std::cmp::Ordering {
    let parts = |version: &str| version.split('.').map(part).collect::<Vec<_>>();
    let (ours, theirs) = (parts(ours), parts(theirs));
    for i in 0..ours.len().max(theirs.len()) {
        let at = |parts: &[f64]| parts.get(i).copied().unwrap_or(0.0);
        // Parts that are no numbers compare as neither larger nor smaller.
        match at(&ours).partial_cmp(&at(&theirs)) {
            Some(std::cmp::Ordering::Equal) | None => {}
            Some(order) => return order,
        }
    }
    std::cmp::Ordering::Equal
}

/// `Number(part) || 0`
fn js_number(part: &str) -> f64 {
    js::parse_number(part).unwrap_or(0.0)
}

/// `parseInt(part || 0, 10)`
fn js_parse_int(part: &str) -> f64 {
    if part.is_empty() {
        return 0.0;
    }
    let digits = part.bytes().take_while(u8::is_ascii_digit).count();
    part.get(..digits).and_then(|digits| digits.parse().ok()).unwrap_or(f64::NAN)
}
