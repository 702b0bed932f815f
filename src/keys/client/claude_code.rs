//! Is this really Claude Code?

use std::fmt;

use super::{
    ClientBody, ClientRequest,
    cli::{after_name, starts_with_version},
};

/// A question about a text.
type TextRule = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// What the check needs to know of Claude's wire format, handed in so that this module stays free of it.
pub struct ClaudeCodeRules {
    /// `CLAUDE_CODE_MIN_SYSTEM_PROMPT_MATCHES`: how many system entries must match; 0 means all.
    pub min_prompt_matches: usize,
    /// Whether a system text resembles a known Claude Code prompt closely enough
    /// (`SYSTEM_PROMPT_THRESHOLD`).
    pub prompt_matches: TextRule,
    /// Whether a text is a valid `metadata.user_id`.
    pub user_id_is_valid: TextRule,
}

impl fmt::Debug for ClaudeCodeRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaudeCodeRules")
            .field("min_prompt_matches", &self.min_prompt_matches)
            .finish_non_exhaustive()
    }
}

/// Whether the request comes from Claude Code. Off the messages routes its user agent suffices; on them
/// the body and headers must look the part too (contract/auth-limits-usage.md §2). A path in other case
/// is routed alike but is none of them here (legacy quirk).
pub fn is_claude_code(rules: &ClaudeCodeRules, request: &ClientRequest<'_>) -> bool {
    if !after_name(request.header("user-agent"), "claude-cli/").is_some_and(starts_with_version) {
        return false;
    }
    if !request.path().contains("messages") {
        return true;
    }
    let present = |name| !js::trim(request.header(name)).is_empty();
    ["x-app", "anthropic-beta", "anthropic-version"].into_iter().all(present)
        && request.body.user_id().is_some_and(|id| !id.is_empty() && (rules.user_id_is_valid)(&id))
        && has_known_prompt(rules, request.body)
}

fn has_known_prompt(rules: &ClaudeCodeRules, body: &dyn ClientBody) -> bool {
    if body.model().is_none_or(|model| model.is_empty()) {
        return false;
    }
    let Some(texts) = body.system_texts() else { return false };
    if rules.min_prompt_matches == 0 {
        // An empty list passes (legacy quirk).
        return texts.iter().all(|text| (rules.prompt_matches)(text));
    }
    let mut found = 0;
    texts.iter().any(|text| {
        found += usize::from((rules.prompt_matches)(text));
        found >= rules.min_prompt_matches
    })
}
