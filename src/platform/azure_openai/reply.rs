//! What an answer costs, and what of it reaches the client.

use crate::{
    domain::{HeaderList, TokenUsage},
    wire::json::Value,
};

/// Headers of an answer that reach the client.
const PASSED: [&str; 3] =
    ["x-request-id", "x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens"];

/// Who an answer says it is from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Named {
    /// Nobody.
    #[default]
    Nothing,
    /// A model.
    Model(String),
    /// Something that is no text. Usage under such a name is counted for the account, but not booked: the
    /// legacy service fails at it.
    Odd,
}

/// Counts found in an answer or an event of it. The cached part stays in the input as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The counts, without a model.
    pub tokens: TokenUsage,
    /// The model named beside them.
    pub model: Named,
}

impl Named {
    /// What stands in `model` of this value.
    pub fn of(value: Value<'_>) -> Self {
        match value.get_truthy("model") {
            None => Self::Nothing,
            Some(model) => model.as_str().map_or(Self::Odd, |name| Self::Model(name.into_owned())),
        }
    }

    /// This, or the other where this is nothing.
    pub fn or(self, other: impl FnOnce() -> Self) -> Self {
        if self == Self::Nothing { other() } else { self }
    }
}

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
pub fn usage_of_reply(answer: Value<'_>) -> Option<Usage> {
    let own = || Named::of(answer);
    let (usage, model) = if let Some(usage) = answer.get_truthy("usage") {
        (usage, own())
    } else if let Some((response, usage)) = answer
        .get_truthy("response")
        .and_then(|response| Some((response, response.get_truthy("usage")?)))
    {
        (usage, Named::of(response).or(own))
    } else if let Some(found) = nested(answer, Place { parent: answer, depth: 0, dotted: false }) {
        // Names with a dot on the way mislead the legacy service's way back to what the counts stand in.
        let beside = if found.0.dotted { Named::Nothing } else { Named::of(found.0.parent) };
        (found.1, beside.or(own))
    } else {
        let choice =
            answer.get("choices").filter(|choices| choices.is_array())?.elements().last()?;
        (choice.get_truthy("usage")?, own().or(|| Named::of(choice)))
    };
    Some(Usage { tokens: counts(usage), model })
}

/// Deeper answers are not looked through.
const MAX_DEPTH: usize = 256;

/// What an object stands in.
#[derive(Clone, Copy)]
struct Place<'d> {
    parent: Value<'d>,
    depth: usize,
    /// Whether a name on the way holds a dot.
    dotted: bool,
}

/// The first object named `usage`, and what it stands in.
fn nested<'d>(value: Value<'d>, place: Place<'d>) -> Option<(Place<'d>, Value<'d>)> {
    if place.depth > MAX_DEPTH {
        return None;
    }
    let container = |value: &Value<'_>| value.is_object() || value.is_array();
    let below = |dotted: bool| Place { parent: value, depth: place.depth + 1, dotted };
    for (name, member) in value.members().filter(|(_, member)| container(member)) {
        if name.is_str("usage") {
            return Some((Place { parent: value, ..place }, member));
        }
        let dotted = place.dotted || name.raw().contains(&b'.');
        if let Some(found) = nested(member, below(dotted)) {
            return Some(found);
        }
    }
    let mut elements = value.elements().filter(container);
    elements.find_map(|element| nested(element, below(place.dotted)))
}

fn counts(usage: Value<'_>) -> TokenUsage {
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
        ..TokenUsage::default()
    }
}

/// The same counts with the cached part taken out of the input, which the vendor includes there. The
/// legacy service leaves it in, so that it is charged twice.
pub fn without_cached(usage: TokenUsage) -> TokenUsage {
    let cached = usage.cache_read.saturating_add(usage.cache_create);
    TokenUsage { input: usage.input.saturating_sub(cached), ..usage }
}

/// A token count: a positive whole number, anything else is zero.
fn count(value: Value<'_>) -> u64 {
    value.as_f64().map_or(0, |n| n as u64)
}
