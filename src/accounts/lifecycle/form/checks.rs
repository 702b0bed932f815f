//! Checks that the kinds of account share.

use compat::js;
use serde_json::Value;

use super::Body;
use crate::domain::Declined;

/// Seconds that an account may stay cooled down, by class of fault.
const COOLDOWN_SECONDS: [&str; 2] =
    ["tempUnavailable503TtlSeconds", "tempUnavailable5xxTtlSeconds"];

/// Declines with `error` unless `fine`.
pub(super) fn require(fine: bool, error: &str) -> Result<(), Declined> {
    if fine { Ok(()) } else { Err(Declined::invalid(error)) }
}

/// Checks `accountType` where it was sent.
pub(super) fn account_type(body: &Body, known: &[&str], error: &str) -> Result<(), Declined> {
    let sent = js::or(body.get("accountType"));
    require(sent.is_none_or(|sent| sent.as_str().is_some_and(|sent| known.contains(&sent))), error)
}

/// Checks `priority` from 1 to 100 where it was sent.
pub(super) fn priority(body: &Body) -> Result<(), Declined> {
    let Some(sent) = body.get("priority") else { return Ok(()) };
    let number = js::number(Some(sent));
    // What is no number is neither too low nor too high.
    let fine = number.is_nan() || (1.0..=100.0).contains(&number);
    require(fine, "Priority must be between 1 and 100")
}

/// The old name of the subscription's end stands for the new one.
pub(in super::super) fn with_expiry(body: &Body) -> Body {
    let mut body = body.clone();
    if let Some(end) = body.shift_remove("expiresAt") {
        body.insert("subscriptionExpiresAt".to_owned(), end);
    }
    body
}

/// Checks the account's own cool-down seconds, in the order of the legacy service.
pub(super) fn cooldown_seconds(body: &Body) -> Result<(), Declined> {
    for name in COOLDOWN_SECONDS {
        let sent = body.get(name);
        let set = js::given(sent).is_some_and(|sent| sent.as_str() != Some(""));
        let fine = !set || whole_seconds(sent).is_some();
        require(fine, &format!("{name} must be a non-negative integer"))?;
    }
    Ok(())
}

/// Seconds, rounded down; `None` for what was not sent or is none.
pub(super) fn whole_seconds(value: Option<&Value>) -> Option<f64> {
    let set = js::given(value).is_some_and(|value| value.as_str() != Some(""));
    let number = js::number(value);
    (set && number.is_finite() && number >= 0.0).then(|| number.floor())
}

/// The same as it is stored: empty follows the service's own setting.
pub(super) fn seconds_text(value: Option<&Value>) -> String {
    whole_seconds(value).map(compat::number::js).unwrap_or_default()
}

/// True for `true`, 1, and the texts that mean it.
pub(super) fn loose_flag(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(value) if js::truthy(Some(value)) => {
            let text = js::trim(&js::text(value)).to_lowercase();
            matches!(text.as_str(), "true" | "yes" | "on" | "1")
        }
        _ => false,
    }
}

/// True for `true` and its text.
pub(super) fn flag(value: Option<&Value>) -> bool {
    value.is_some_and(|value| *value == Value::Bool(true) || value.as_str() == Some("true"))
}

/// Which groups an account shall be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Grouping {
    /// Nothing was said.
    AsItIs,
    /// In none.
    None,
    /// Added to one, whatever others there are.
    With(String),
    /// In these and no others.
    Exactly(Vec<String>),
}

impl Grouping {
    /// Groups of a new account: `groupIds` where the kind knows several, else `groupId`.
    pub(in super::super) fn of_new(body: &Body, several: bool) -> Self {
        if body.get("accountType").and_then(Value::as_str) != Some("group") {
            return Self::AsItIs;
        }
        match listed(body).filter(|ids| several && !ids.is_empty()) {
            Some(ids) => Self::Exactly(ids),
            None => js::or(body.get("groupId")).map_or(Self::AsItIs, |id| Self::With(js::text(id))),
        }
    }

    /// Groups of a changed account, once those of its old type are left.
    pub(in super::super) fn of_changed(body: &Body) -> Self {
        if body.get("accountType").and_then(Value::as_str) != Some("group") {
            return Self::AsItIs;
        }
        if body.contains_key("groupIds") {
            let ids = listed(body).unwrap_or_default();
            return if ids.is_empty() { Self::None } else { Self::Exactly(ids) };
        }
        js::or(body.get("groupId")).map_or(Self::AsItIs, |id| Self::With(js::text(id)))
    }
}

fn listed(body: &Body) -> Option<Vec<String>> {
    match body.get("groupIds")? {
        Value::Array(ids) => Some(ids.iter().map(js::text).collect()),
        // A text is gone through letter by letter.
        Value::String(text) => Some(text.chars().map(String::from).collect()),
        _ => None,
    }
}

/// Checks that an account of type group names one: `groupIds` counts where the kind knows several.
pub(super) fn grouped(body: &Body, several: bool, error: &str) -> Result<(), Declined> {
    let group = body.get("accountType").and_then(Value::as_str) == Some("group");
    let listed = several
        && match body.get("groupIds") {
            Some(Value::Array(ids)) => !ids.is_empty(),
            Some(Value::String(text)) => !text.is_empty(),
            other => js::truthy(other),
        };
    require(!group || js::truthy(body.get("groupId")) || listed, error)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn body(value: Value) -> Body {
        value.as_object().cloned().unwrap()
    }

    #[rstest]
    #[case(json!({}), true)]
    #[case(json!({"priority": "7"}), true)]
    #[case(json!({"priority": 101}), false)]
    #[case(json!({"priority": null}), false)]
    #[case(json!({"priority": "x"}), true)]
    fn priorities(#[case] sent: Value, #[case] fine: bool) {
        assert_eq!(priority(&body(sent)).is_ok(), fine);
    }

    #[rstest]
    #[case(json!({"accountType": "group", "groupIds": ["a", "b"]}), Grouping::Exactly(vec!["a".into(), "b".into()]))]
    #[case(json!({"accountType": "group", "groupIds": []}), Grouping::None)]
    #[case(json!({"accountType": "group", "groupId": "a"}), Grouping::With("a".into()))]
    #[case(json!({"accountType": "shared", "groupId": "a"}), Grouping::AsItIs)]
    fn groups_of_a_change(#[case] sent: Value, #[case] grouping: Grouping) {
        assert_eq!(Grouping::of_changed(&body(sent)), grouping);
    }

    #[rstest]
    #[case(json!({"tempUnavailable503TtlSeconds": "60.9"}), "60")]
    #[case(json!({"tempUnavailable503TtlSeconds": ""}), "")]
    fn seconds(#[case] sent: Value, #[case] stored: &str) {
        let sent = body(sent);
        assert!(cooldown_seconds(&sent).is_ok());
        assert_eq!(seconds_text(sent.get("tempUnavailable503TtlSeconds")), stored);
        let negative = body(json!({"tempUnavailable5xxTtlSeconds": -1}));
        let error = "tempUnavailable5xxTtlSeconds must be a non-negative integer";
        assert_eq!(cooldown_seconds(&negative), Err(Declined::invalid(error)));
    }
}
