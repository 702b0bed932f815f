//! Service rates: what turns real into rated dollars.
//!
//! rated = real × global rate of the service × the key's own rate (contract/auth-limits-usage.md §5.5).
//! Limits compare rated cost.

use std::collections::HashMap;

use compat::js;
use serde_json::Value;

/// Global rates by service name, from `system:service_rates`; a missing service counts 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceRates(HashMap<String, f64>);

/// A key's own rates by service name, from its `serviceRates` field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyRates(Own);

#[derive(Clone, Debug, Default, PartialEq)]
enum Own {
    #[default]
    None,
    Rates(HashMap<String, f64>),
    /// The text `null`: the legacy service then gives up rating and charges the real cost.
    Unrated,
}

impl ServiceRates {
    /// Reads the stored JSON; missing or unreadable text means 1 everywhere.
    pub fn parse(stored: Option<&str>) -> Self {
        let stored = stored.and_then(|text| serde_json::from_str::<Value>(text).ok());
        Self(stored.as_ref().map(|config| numbers(&config["rates"], js::or)).unwrap_or_default())
    }

    /// Rate of a service; 0 counts as 1, unless it is written as a text.
    pub fn rate(&self, service: &str) -> f64 {
        self.0.get(service).copied().unwrap_or(1.0)
    }
}

impl KeyRates {
    /// Reads the record's `serviceRates` text; missing or unreadable text means 1 everywhere.
    pub fn parse(text: &str) -> Self {
        if matches!(text, "" | "{}") {
            return Self::default();
        }
        Self(match serde_json::from_str::<Value>(text) {
            Ok(Value::Null) => Own::Unrated,
            Ok(rates) => Own::Rates(numbers(&rates, js::given)),
            Err(_) => Own::None,
        })
    }

    /// Rated cost of `real` dollars spent on `service`. A key rate of 0 is honoured.
    pub fn rated(&self, real: f64, service: &str, global: &ServiceRates) -> f64 {
        let own = match &self.0 {
            Own::None => 1.0,
            Own::Rates(rates) => rates.get(service).copied().unwrap_or(1.0),
            Own::Unrated => return real,
        };
        real * global.rate(service) * own
    }
}

/// Service that a request counts for: by account type, else by what the model name contains.
pub fn service_of(account_type: Option<&str>, model: &str) -> &'static str {
    let by_type = match account_type {
        Some("claude" | "claude-official" | "claude-console") => Some("claude"),
        Some("ccr") => Some("ccr"),
        Some("bedrock") => Some("bedrock"),
        Some("gemini") => Some("gemini"),
        Some("openai" | "openai-responses") => Some("codex"),
        Some("azure" | "azure-openai") => Some("azure"),
        Some("droid") => Some("droid"),
        _ => None,
    };
    by_type.unwrap_or_else(|| service_of_model(model))
}

/// First hit wins; nothing fits: `claude`.
const MODEL_MARKS: [(&str, &[&str]); 6] = [
    ("claude", &["claude", "anthropic", "opus", "sonnet", "haiku"]),
    ("codex", &["gpt", "o1", "o3", "o4", "codex", "davinci", "curie", "babbage", "ada"]),
    ("gemini", &["gemini", "palm", "bard"]),
    ("droid", &["droid", "factory"]),
    ("bedrock", &["bedrock", "amazon", "titan"]),
    ("azure", &["azure"]),
];

fn service_of_model(model: &str) -> &'static str {
    let model = model.to_lowercase();
    MODEL_MARKS
        .iter()
        .find(|(_, marks)| marks.iter().any(|mark| model.contains(mark)))
        .map_or("claude", |(service, _)| service)
}

/// The rates among the fields that are there, as numbers; those that are none are left out.
fn numbers(
    rates: &Value,
    is_there: impl Fn(Option<&Value>) -> Option<&Value>,
) -> HashMap<String, f64> {
    let number = |value| Some(js::number(Some(is_there(Some(value))?))).filter(|n| n.is_finite());
    rates
        .as_object()
        .map(|fields| fields.iter().filter_map(|(k, v)| Some((k.clone(), number(v)?))).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("{}", 0.006)]
    #[case(r#"{"claude":0}"#, 0.0)]
    #[case(r#"{"claude":2}"#, 0.012)]
    #[case(r#"{"codex":3}"#, 0.006)]
    #[case(r#"{"claude":null}"#, 0.006)]
    #[case("null", 0.004)]
    #[case(r#"{"claude":"2"}"#, 0.012)]
    #[case(r#"{"claude":""}"#, 0.0)]
    #[case(r#"{"claude":"2 x"}"#, 0.006)]
    #[case(r#"{"claude":[2]}"#, 0.012)]
    #[case(r#"{"claude":false}"#, 0.0)]
    #[case("broken", 0.006)]
    fn rates_multiply(#[case] own: &str, #[case] rated: f64) {
        let global = ServiceRates::parse(Some(
            r#"{"rates":{"claude":1.5,"gemini":0,"ccr":"0","azure":""}}"#,
        ));
        assert_eq!(KeyRates::parse(own).rated(0.004, "claude", &global), rated);
        assert_eq!(global.rate("gemini"), 1.0);
        assert_eq!(global.rate("droid"), 1.0);
        assert_eq!(global.rate("azure"), 1.0);
        assert_eq!(global.rate("ccr"), 0.0, "a text that is not empty");
    }

    #[rstest]
    #[case(Some("claude-console"), "gpt-5", "claude")]
    #[case(Some("azure-openai"), "gpt-5", "azure")]
    #[case(Some("gemini-api"), "gemini-2.5-pro", "gemini")]
    #[case(None, "O3-mini", "codex")]
    #[case(None, "amazon.titan", "bedrock")]
    #[case(None, "mystery", "claude")]
    fn services_are_found(#[case] kind: Option<&str>, #[case] model: &str, #[case] service: &str) {
        assert_eq!(service_of(kind, model), service);
    }
}
