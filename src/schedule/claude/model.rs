//! Which account serves which model.

use compat::{
    pool::{Entry, Kind},
    record::ModelMap,
};
use serde_json::Value;

use super::{Exclusion, Model, SelectError};

/// The requested model without its vendor prefix, and whether the prefix was `ccr`.
pub(super) fn split_vendor<'a>(model: Model<'a>) -> (Model<'a>, bool) {
    let Model::Name(name) = model else { return (model, false) };
    let trimmed = name.trim();
    match trimmed.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case("ccr,") => match trimmed[4..].trim() {
            "" => (Model::Unspecified, true),
            base => (Model::Name(base), true),
        },
        _ => (model, false),
    }
}

/// Whether the account serves the model.
pub(super) fn check(entry: &Entry, model: Model<'_>) -> Result<Option<Exclusion>, SelectError> {
    let served = match (entry.kind, model) {
        (_, Model::Unspecified) => true,
        (Kind::Official, Model::Name(model)) => official(entry, model),
        (Kind::Official, Model::NotText(_)) => {
            return Err(SelectError::ModelType("requestedModel.startsWith is not a function"));
        }
        (Kind::Bedrock | Kind::OpenAi | Kind::OpenAiResponses | Kind::Azure, _) => true,
        (Kind::Console | Kind::Ccr, model) => {
            match (ModelMap::parse(entry.get("supportedModels")), model) {
                (ModelMap::Unreadable(_), _) => return Ok(Some(Exclusion::Unreadable)),
                (ModelMap::All, _) => true,
                (map, Model::Name(model)) => map.mapped(model).is_some(),
                (ModelMap::List(_), _) => false,
                (ModelMap::Map(_), _) => {
                    return Err(SelectError::ModelType(
                        "requestedModel.toLowerCase is not a function",
                    ));
                }
            }
        }
    };
    Ok((!served).then_some(Exclusion::Model))
}

/// Official accounts serve Claude models; Opus depends on the plan: none on free, from 4.5 on Pro.
fn official(entry: &Entry, model: &str) -> bool {
    if !["claude", "sonnet", "opus", "haiku"].iter().any(|family| model.contains(family)) {
        return false;
    }
    if !model.to_lowercase().contains("opus") {
        return true;
    }
    let Ok(plan) = serde_json::from_str::<Value>(entry.get("subscriptionInfo")) else {
        return true;
    };
    let is = |field: &str| plan.get(field) == Some(&Value::Bool(true));
    let kind = plan.get("accountType").and_then(Value::as_str);
    if kind == Some("free") {
        return false;
    }
    let pro = is("hasClaudePro") && !is("hasClaudeMax") || kind == Some("claude_pro");
    !pro || is_opus_45_or_newer(model)
}

/// Whether an Opus name means 4.5 or newer. Names that tell no version count as old; so does any
/// suffix behind a minor version other than a date (`claude-opus-4-5[1m]`).
pub(super) fn is_opus_45_or_newer(model: &str) -> bool {
    let model = model.to_lowercase();
    if !model.contains("opus") {
        return false;
    }
    if model.contains("opus-latest") || model.contains("opus_latest") {
        return true;
    }
    let version = version_before_opus(&model)
        .or_else(|| dotted_version(&model))
        .or_else(|| hyphened_version(&model));
    version.is_some_and(|(major, minor)| major > 4 || (major == 4 && minor >= 5))
}

/// `claude-3-opus`, `claude-3.5-opus`.
fn version_before_opus(model: &str) -> Option<(u64, u64)> {
    model.match_indices("claude").find_map(|(at, name)| {
        let rest = separator(&model[at + name.len()..], &['-', ' '])?;
        let (major, rest) = number(rest)?;
        let with_minor =
            separator(rest, &['.', '-']).and_then(number).filter(|(_, rest)| ends_in_opus(rest));
        match with_minor {
            Some((minor, _)) => Some((major, minor)),
            None => ends_in_opus(rest).then_some((major, 0)),
        }
    })
}

/// `opus-4.5`, `opus4.5`.
fn dotted_version(model: &str) -> Option<(u64, u64)> {
    model.match_indices("opus").find_map(|(at, name)| {
        let rest = &model[at + name.len()..];
        let (major, rest) = number(separator(rest, &['-', ' ']).unwrap_or(rest))?;
        let (minor, _) = number(rest.strip_prefix('.')?)?;
        Some((major, minor))
    })
}

/// `opus-4`, `opus-4-5`, `opus-4-5-20251101`, `opus-4-20250514`.
fn hyphened_version(model: &str) -> Option<(u64, u64)> {
    let rest = &model[model.find("opus")? + 4..];
    let (major, rest) = number(separator(rest, &['-', ' '])?)?;
    let minor = separator(rest, &['-', ' ']).and_then(|rest| {
        let (minor, after) = number(rest)?;
        let short = rest.len() - after.len() <= 2;
        (short && (after.is_empty() || starts_with_date(after))).then_some(minor)
    });
    Some((major, minor.unwrap_or(0)))
}

fn separator<'a>(text: &'a str, allowed: &[char]) -> Option<&'a str> {
    text.strip_prefix(allowed)
}

fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].parse().unwrap_or(u64::MAX), &text[end..]))
}

fn ends_in_opus(rest: &str) -> bool {
    separator(rest, &['-', ' ']).is_some_and(|rest| rest.starts_with("opus"))
}

fn starts_with_date(rest: &str) -> bool {
    separator(rest, &['-', ' '])
        .is_some_and(|rest| rest.len() >= 8 && rest.bytes().take(8).all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("claude-opus-4-5-20251101", true)]
    #[case("claude-opus-4-5", true)]
    #[case("claude-opus-4.5", true)]
    #[case("claude-opus-4-10-20270101", true)]
    #[case("claude-opus-5", true)]
    #[case("claude-opus-4", false)]
    #[case("claude-opus-4-1-20250805", false)]
    #[case("claude-opus-4-20250514", false)]
    #[case("claude-3-opus-20240229", false)]
    #[case("claude-3.5-opus", false)]
    #[case("claude-4-5-opus", true)]
    #[case("claude-opus-latest", true)]
    #[case("claude-opus-4-5[1m]", false)]
    #[case("claude-opus-4-6-thinking", false)]
    #[case("opus", false)]
    #[case("claude-sonnet-4-5", false)]
    fn opus_versions(#[case] model: &str, #[case] newer: bool) {
        assert_eq!(is_opus_45_or_newer(model), newer);
    }

    #[test]
    fn only_the_ccr_prefix_is_a_vendor() {
        assert_eq!(split_vendor(Model::Name(" CCR, glm,4 ")), (Model::Name("glm,4"), true));
        assert_eq!(split_vendor(Model::Name("openai,gpt-5")), (Model::Name("openai,gpt-5"), false));
        assert_eq!(split_vendor(Model::Name("ccr,")), (Model::Unspecified, true));
    }
}
