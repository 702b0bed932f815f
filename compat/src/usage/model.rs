//! Model names as counters spell them.

/// Name under which a model is counted: Bedrock names lose region, vendor and version, others lose a
/// version or `:latest` ending. Case is kept (contract/redis.md §d).
pub fn normalized(model: &str) -> String {
    if model.is_empty() || model == "unknown" {
        return model.to_owned();
    }
    if model.contains(".anthropic.") || model.contains(".claude") {
        let name = without_region(model).replacen("anthropic.", "", 1);
        return without_version(&name).to_owned();
    }
    let bare = without_version(model);
    if bare.len() == model.len() {
        return model.strip_suffix(":latest").unwrap_or(model).to_owned();
    }
    bare.to_owned()
}

/// Whether a model belongs to the Claude family, whose cost counts towards the weekly limit
/// (`isClaudeFamilyModel`). A `ccr,` prefix is ignored; `fable` without `claude-` is not included.
pub fn is_claude_family(model: &str) -> bool {
    let name = model.trim().to_lowercase();
    let name = name.strip_prefix("ccr,").map_or(name.as_str(), str::trim);
    ["claude-", "opus", "sonnet", "haiku"].iter().any(|mark| name.contains(mark))
}

/// Drops `[a-z0-9-]+.` from the front.
fn without_region(model: &str) -> &str {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match model.split_once('.') {
        Some((region, rest)) if !region.is_empty() && region.chars().all(is_part) => rest,
        _ => model,
    }
}

/// Drops `-v{digits}:{digits}` from the end.
fn without_version(model: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let Some((name, version)) = model.rsplit_once("-v") else { return model };
    match version.split_once(':') {
        Some((major, minor)) if is_number(major) && is_number(minor) => name,
        _ => model,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("us.anthropic.claude-sonnet-4-20250514-v1:0", "claude-sonnet-4-20250514")]
    #[case("anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku-20240307")]
    #[case("us-east-1.anthropic.claude-x", "claude-x")]
    #[case("EU.anthropic.claude-x-v2:10", "EU.claude-x")]
    #[case("gpt-5:latest", "gpt-5")]
    #[case("gpt-5-v2:1", "gpt-5")]
    #[case("gpt-5-v2:1:latest", "gpt-5-v2:1")]
    #[case("ccr,claude-3", "ccr,claude-3")]
    #[case("x[1m]", "x[1m]")]
    #[case("unknown", "unknown")]
    #[case("", "")]
    fn names_are_normalised(#[case] model: &str, #[case] name: &str) {
        assert_eq!(normalized(model), name);
    }

    #[rstest]
    #[case("claude-sonnet-4", true)]
    #[case("us.anthropic.claude-x", true)]
    #[case("CCR, Opus-next", true)]
    #[case("fable-1", false)]
    #[case("gpt-5", false)]
    #[case("", false)]
    fn the_claude_family_is_known(#[case] model: &str, #[case] yes: bool) {
        assert_eq!(is_claude_family(model), yes);
    }
}
