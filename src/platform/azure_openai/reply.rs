//! What an answer costs, and what of it reaches the client.

use crate::{
    domain::{HeaderList, TokenUsage},
    wire::json::Value,
};

/// Headers of an answer that reach the client.
const PASSED: [&str; 3] =
    ["x-request-id", "x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens"];

/// Headers for the client, out of the vendor's.
pub fn passed_headers(answer: &HeaderList) -> HeaderList {
    let value = |name: &'static str| {
        let value = answer.get(name).filter(|value| !value.is_empty())?;
        Some((name, value.to_owned()))
    };
    PASSED.into_iter().filter_map(value).collect()
}

/// Body of every failure of ours.
pub fn error_body(message: &str, code: Option<&str>) -> serde_json::Value {
    serde_json::json!({ "error": {
        "message": message,
        "type": "azure_openai_error",
        "code": code.unwrap_or("unknown"),
    } })
}

/// Counts of a plain answer, of whatever status, or of one event. The document must be indexed at every
/// level (`Doc::parse_deep`).
///
/// Found at the top, in `response`, in the first object named `usage` at any depth, or in the last of
/// `choices`; the model is the one beside it.
pub fn usage_of_reply(answer: Value<'_>) -> Option<TokenUsage> {
    let model = |of: Option<Value<'_>>| of?.get_truthy("model").map(|model| text(model));
    let own_model = || model(Some(answer));
    let (usage, model) = if let Some(usage) = answer.get_truthy("usage") {
        (usage, own_model())
    } else if let Some((response, usage)) = answer
        .get_truthy("response")
        .and_then(|response| Some((response, response.get_truthy("usage")?)))
    {
        (usage, model(Some(response)).or_else(own_model))
    } else if let Some((parent, usage)) = nested(answer, 0) {
        (usage, model(Some(parent)).or_else(own_model))
    } else {
        let choice =
            answer.get("choices").filter(|choices| choices.is_array())?.elements().last()?;
        (choice.get_truthy("usage")?, own_model().or_else(|| model(Some(choice))))
    };
    Some(counts(usage, model))
}

/// Deeper answers are not looked through.
const MAX_DEPTH: usize = 256;

/// The first object named `usage`, and what it stands in.
fn nested(value: Value<'_>, depth: usize) -> Option<(Value<'_>, Value<'_>)> {
    if depth > MAX_DEPTH {
        return None;
    }
    let container = |value: &Value<'_>| value.is_object() || value.is_array();
    for (name, member) in value.members() {
        if !container(&member) {
            continue;
        }
        if name.is_str("usage") {
            return Some((value, member));
        }
        if let Some(found) = nested(member, depth + 1) {
            return Some(found);
        }
    }
    value.elements().filter(container).find_map(|element| nested(element, depth + 1))
}

fn counts(usage: Value<'_>, model: Option<String>) -> TokenUsage {
    let first = |names: [&str; 2]| {
        names.into_iter().find_map(|name| usage.get_truthy(name)).map_or(0, count)
    };
    let detail = |name: &str| {
        ["prompt_tokens_details", "input_tokens_details"]
            .into_iter()
            .find_map(|details| usage.get(details)?.get_truthy(name))
            .map_or(0, count)
    };
    TokenUsage {
        input: first(["prompt_tokens", "input_tokens"]),
        output: first(["completion_tokens", "output_tokens"]),
        cache_create: detail("cache_creation_tokens"),
        cache_read: detail("cached_tokens"),
        model,
        ..TokenUsage::default()
    }
}

/// The same counts with the cached part taken out of the input, which the vendor includes there. The
/// legacy service leaves it in, so that it is charged twice.
pub fn without_cached(usage: TokenUsage) -> TokenUsage {
    let cached = usage.cache_read.saturating_add(usage.cache_create);
    TokenUsage { input: usage.input.saturating_sub(cached), ..usage }
}

/// A truthy value as the name of a model.
pub(super) fn text(value: Value<'_>) -> String {
    value.to_js_text().into_owned()
}

/// A token count: a positive whole number, anything else is zero.
fn count(value: Value<'_>) -> u64 {
    value.as_f64().map_or(0, |n| n as u64)
}
