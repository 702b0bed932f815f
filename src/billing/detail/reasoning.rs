//! Which reasoning effort a request asked for, and which field said so.

use compat::number;
use serde_json::Value;

/// Display text and source field; the dialects are tried in the order OpenAI, Anthropic, Gemini.
pub(in crate::billing) fn reasoning(body: &Value) -> Option<(String, String)> {
    let found = openai(body).or_else(|| anthropic(body)).or_else(|| gemini(body));
    found.map(|(display, source)| (display, source.to_owned()))
}

type Found = Option<(String, &'static str)>;

fn openai(body: &Value) -> Found {
    let nested = text(&body["reasoning"]["effort"]).map(|effort| (effort, "reasoning.effort"));
    nested.or_else(|| text(&body["reasoning_effort"]).map(|effort| (effort, "reasoning_effort")))
}

fn anthropic(body: &Value) -> Found {
    if let Some(effort) = text(&body["output_config"]["effort"]) {
        return Some((effort, "output_config.effort"));
    }
    let thinking = &body["thinking"];
    if *thinking == Value::Bool(true) {
        return Some(("enabled".into(), "thinking"));
    }
    if let Some(display) = text(thinking) {
        return Some((display, "thinking"));
    }
    if !thinking.is_object() {
        return None;
    }
    let kind = text(&thinking["type"]);
    let enabled = thinking["enabled"].as_bool();
    let budget = integer(&thinking["budget_tokens"]).map(|n| format!("budget:{n}"));
    if matches!(kind.as_deref(), Some("disabled" | "none")) || enabled == Some(false) {
        return Some(("none".into(), "thinking"));
    }
    match (kind, enabled == Some(true), budget) {
        (Some(kind), _, Some(budget)) => {
            Some((format!("{kind} / {budget}"), "thinking.type,thinking.budget_tokens"))
        }
        (Some(kind), _, None) => Some((kind, "thinking.type")),
        (None, true, Some(budget)) => {
            Some((format!("enabled / {budget}"), "thinking.enabled,thinking.budget_tokens"))
        }
        (None, true, None) => Some(("enabled".into(), "thinking.enabled")),
        (None, false, Some(budget)) => Some((budget, "thinking.budget_tokens")),
        (None, false, None) => None,
    }
}

fn gemini(body: &Value) -> Found {
    const BUDGET: &str = "generationConfig.thinkingConfig.thinkingBudget";
    let config = &body["generationConfig"]["thinkingConfig"];
    if !config.is_object() {
        return None;
    }
    let level = &config["thinkingLevel"];
    let empty = level.is_null() || *level == Value::Bool(false) || *level == "";
    let level = if empty { &config["thinking_level"] } else { level };
    if let Some(level) = text(level) {
        return Some((level, "generationConfig.thinkingConfig.thinkingLevel"));
    }
    let budget = match &config["thinkingBudget"] {
        Value::Null => &config["thinking_budget"],
        budget => budget,
    };
    match integer(budget).as_deref() {
        Some("-1") => return Some(("dynamic".into(), BUDGET)),
        Some("0") => return Some(("none".into(), BUDGET)),
        Some(budget) => return Some((format!("budget:{budget}"), BUDGET)),
        None => {}
    }
    let off = |name: &str| config[name] == Value::Bool(false);
    (off("includeThoughts") || off("include_thoughts"))
        .then(|| ("none".into(), "generationConfig.thinkingConfig.includeThoughts"))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A number or number text without its fraction, as JavaScript prints it.
fn integer(value: &Value) -> Option<String> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) if !text.is_empty() => match text.trim() {
            "" => 0.0,
            text => text.parse::<f64>().ok()?,
        },
        Value::Bool(yes) => f64::from(u8::from(*yes)),
        _ => return None,
    };
    number.is_finite().then(|| number::js(number.trunc()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!({"reasoning":{"effort":" high "},"thinking":true}), Some(("high", "reasoning.effort")))]
    #[case(json!({"reasoning":"x","reasoning_effort":"low"}), Some(("low", "reasoning_effort")))]
    #[case(json!({"output_config":{"effort":"max"}}), Some(("max", "output_config.effort")))]
    #[case(json!({"thinking":{"type":"enabled","budget_tokens":1024.7}}),
           Some(("enabled / budget:1024", "thinking.type,thinking.budget_tokens")))]
    #[case(json!({"thinking":{"type":"adaptive"}}), Some(("adaptive", "thinking.type")))]
    #[case(json!({"thinking":{"enabled":false,"type":"enabled"}}), Some(("none", "thinking")))]
    #[case(json!({"thinking":{"budget_tokens":"5"}}), Some(("budget:5", "thinking.budget_tokens")))]
    #[case(json!({"generationConfig":{"thinkingConfig":{"thinkingBudget":-1}}}),
           Some(("dynamic", "generationConfig.thinkingConfig.thinkingBudget")))]
    #[case(json!({"generationConfig":{"thinkingConfig":{"include_thoughts":false}}}),
           Some(("none", "generationConfig.thinkingConfig.includeThoughts")))]
    #[case(json!({"model":"m"}), None)]
    #[case(json!([1]), None)]
    fn effort_is_found(#[case] body: Value, #[case] expected: Option<(&str, &str)>) {
        let found = reasoning(&body);
        assert_eq!(found.as_ref().map(|(d, s)| (d.as_str(), s.as_str())), expected);
    }
}
