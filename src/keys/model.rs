//! Model names, as far as limits and restrictions read them.

/// The model without the vendor prefix `ccr,`, trimmed.
pub(super) fn effective(model: &str) -> &str {
    let model = js::trim(model);
    match model.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case("ccr,") => js::trim(&model[4..]),
        _ => model,
    }
}

/// Whether the weekly Claude limit counts this model (contract/auth-limits-usage.md §1.5.4). `fable`
/// without `claude-` does not (legacy quirk).
pub fn is_claude_family(model: &str) -> bool {
    let model = effective(model).to_lowercase();
    ["claude-", "opus", "sonnet", "haiku"].iter().any(|word| model.contains(word))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("claude-sonnet-4", true)]
    #[case("us.anthropic.claude-3", true)]
    #[case("CCR, Opus-latest", true)]
    #[case("ccr,gemini-2.5-pro", false)]
    #[case("fable-5", false)]
    #[case("claude", false)]
    #[case("", false)]
    fn claude_family(#[case] model: &str, #[case] expected: bool) {
        assert_eq!(is_claude_family(model), expected);
    }

    #[test]
    fn vendor_prefix() {
        assert_eq!(effective(" ccr, claude-3,x "), "claude-3,x");
        assert_eq!(effective("ccr"), "ccr");
    }
}
