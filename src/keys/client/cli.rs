//! The command-line clients of Gemini, Codex and Droid, known by their user agents.

use super::ClientRequest;

/// Gemini CLI: any user agent on `/gemini`, its own where content is generated.
pub(super) fn is_gemini(request: &ClientRequest<'_>) -> bool {
    request.original_url.starts_with("/gemini")
        && (!request.original_url.contains("generateContent") || {
            let version = after_name(request.header("user-agent"), "GeminiCLI/");
            version.is_some_and(|version| {
                is_version_char(version.strip_prefix(['v', 'V']).unwrap_or(version))
            })
        })
}

/// Codex: its user agent. The legacy service's stricter checks look at a path that never matches, so
/// they do not count.
pub(super) fn is_codex(request: &ClientRequest<'_>) -> bool {
    ["codex_vscode/", "codex_cli_rs/", "codex_exec/"]
        .iter()
        .any(|name| after_name(request.header("user-agent"), name).is_some_and(is_version_char))
}

/// Droid: `factory-cli/N.N.N` anywhere in the user agent, or the header `x-factory-client`.
pub(super) fn is_droid(request: &ClientRequest<'_>) -> bool {
    let agent = request.header("user-agent").to_ascii_lowercase();
    let in_agent = agent
        .match_indices("factory-cli/")
        .any(|(at, name)| starts_with_version(&agent[at + name.len()..]));
    let client = request.header("x-factory-client").to_lowercase();
    in_agent || client.contains("droid") || client.contains("factory-cli")
}

/// What follows `name` (case-insensitive) at the start of `text`.
pub(super) fn after_name<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.get(..name.len())
        .filter(|start| start.eq_ignore_ascii_case(name))
        .map(|_| &text[name.len()..])
}

/// Whether `text` starts with `N.N.N`.
pub(super) fn starts_with_version(text: &str) -> bool {
    let mut rest = text;
    for part in 0..3 {
        if part > 0 {
            let Some(after_dot) = rest.strip_prefix('.') else { return false };
            rest = after_dot;
        }
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        if after.len() == rest.len() {
            return false;
        }
        rest = after;
    }
    true
}

fn is_version_char(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || c == '.')
}
