//! A change of a key: what was sent becomes values to store.

use compat::js;
use serde_json::{Value, json};

use super::{
    Body,
    checks::{
        amount, date_ms, is_set, list, permissions, require, service_rates, switch, tags,
        weekly_reset, whole,
    },
    create::permission_text,
    rules,
};
use crate::domain::Declined;

/// Account ids that a key may be bound to.
const BINDINGS: [&str; 6] = [
    "claudeAccountId",
    "claudeConsoleAccountId",
    "geminiAccountId",
    "openaiAccountId",
    "bedrockAccountId",
    "droidAccountId",
];

/// Fields that an update may change.
const CHANGEABLE: [&str; 36] = [
    "name",
    "description",
    "tokenLimit",
    "concurrencyLimit",
    "rateLimitWindow",
    "rateLimitRequests",
    "rateLimitCost",
    "isActive",
    "claudeAccountId",
    "claudeConsoleAccountId",
    "geminiAccountId",
    "openaiAccountId",
    "azureOpenaiAccountId",
    "bedrockAccountId",
    "droidAccountId",
    "permissions",
    "expiresAt",
    "activationDays",
    "activationUnit",
    "expirationMode",
    "isActivated",
    "activatedAt",
    "enableModelRestriction",
    "restrictedModels",
    "enableClientRestriction",
    "allowedClients",
    "dailyCostLimit",
    "totalCostLimit",
    "weeklyOpusCostLimit",
    "tags",
    "userId",
    "userUsername",
    "createdBy",
    "serviceRates",
    "weeklyResetDay",
    "weeklyResetHour",
];
/// The rest of them.
const CHANGEABLE_TOO: [&str; 3] = [
    "enableOpenAIResponsesCodexAdaptation",
    "enableOpenAIResponsesPayloadRules",
    "openaiResponsesPayloadRules",
];

/// Who owns the key from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Owner {
    /// Nobody but the administrator.
    Admin,
    /// The user with this id.
    User(String),
}

/// A checked change.
#[derive(Debug)]
pub(in super::super) struct Update {
    /// Values by field; [`record_text`] gives their stored spelling.
    pub values: Body,
    /// New owner, if one was named.
    pub owner: Option<Owner>,
    /// The weekly cost starts on another day or hour.
    pub weekly_reset: bool,
}

/// Checks the body of a change at `now_ms`.
///
/// # Errors
/// The first thing that is wrong.
pub(in super::super) fn update(body: &Body, now_ms: i64) -> Result<Update, Declined> {
    let sent = |name: &str| body.get(name);
    let mut values = Body::new();
    let mut put = |name: &str, value: Value| values.insert(name.to_owned(), value);
    if is_set(sent("name")) {
        let name = js::trim(&js::field(sent("name")));
        require(!name.is_empty(), "API Key name cannot be empty")?;
        let fine = js::length(&name) <= 100;
        require(fine, "API Key name must be less than 100 characters")?;
        put("name", name.into());
    }
    for (name, error) in [
        ("tokenLimit", "Token limit must be a non-negative integer"),
        ("concurrencyLimit", "Concurrency limit must be a non-negative integer"),
        ("rateLimitWindow", "Rate limit window must be a non-negative integer (minutes)"),
        ("rateLimitRequests", "Rate limit requests must be a non-negative integer"),
    ] {
        if is_set(sent(name)) {
            require(whole(sent(name), 0.0), error)?;
            put(name, number(sent(name)));
        }
    }
    if is_set(sent("rateLimitCost")) {
        require(amount(sent("rateLimitCost")), "Rate limit cost must be a non-negative number")?;
        put("rateLimitCost", number(sent("rateLimitCost")));
    }
    for name in BINDINGS {
        if let Some(id) = sent(name) {
            put(name, js::or(Some(id)).cloned().unwrap_or_else(|| "".into()));
        }
    }
    if let Some(granted) = sent("permissions") {
        permissions(Some(granted))?;
        put("permissions", granted.clone());
    }
    let switches = [
        ("enableModelRestriction", "Enable model restriction must be a boolean"),
        ("enableClientRestriction", "Enable client restriction must be a boolean"),
    ];
    let lists = [
        ("restrictedModels", "Restricted models must be an array"),
        ("allowedClients", "Allowed clients must be an array"),
    ];
    for ((flag, flag_error), (names, names_error)) in switches.into_iter().zip(lists) {
        switch(sent(flag), flag_error)?;
        list(sent(names), names_error)?;
        for name in [flag, names] {
            if let Some(value) = sent(name) {
                put(name, value.clone());
            }
        }
    }
    if let Some(at) = sent("expiresAt") {
        let active = if at.is_null() {
            true
        } else {
            let end = date_ms(at);
            require(end.is_some(), "Invalid expiration date format")?;
            end.is_some_and(|end| end > now_ms)
        };
        put("expiresAt", at.clone());
        put("isActive", active.into());
    }
    for (name, error) in [
        ("dailyCostLimit", "Daily cost limit must be a non-negative number"),
        ("totalCostLimit", "Total cost limit must be a non-negative number"),
        ("weeklyOpusCostLimit", "Weekly Opus cost limit must be a non-negative number"),
    ] {
        if is_set(sent(name)) {
            require(amount(sent(name)), error)?;
            put(name, number(sent(name)));
        }
    }
    if let Some(value) = sent("tags") {
        tags(Some(value))?;
        put("tags", value.clone());
    }
    if let Some(rates) = sent("serviceRates") {
        service_rates(Some(rates))?;
        put("serviceRates", rates.clone());
    }
    for name in ["enableOpenAIResponsesCodexAdaptation", "enableOpenAIResponsesPayloadRules"] {
        switch(sent(name), &format!("{name} must be a boolean"))?;
        if let Some(value) = sent(name) {
            put(name, value.clone());
        }
    }
    if sent("openaiResponsesPayloadRules").is_some() {
        put("openaiResponsesPayloadRules", rules::checked(sent("openaiResponsesPayloadRules"))?);
    }
    let (day, hour) = weekly_reset(sent("weeklyResetDay"), sent("weeklyResetHour"))?;
    for (name, value) in [("weeklyResetDay", day), ("weeklyResetHour", hour)] {
        if let Some(value) = value {
            put(name, compat::number::json(value));
        }
    }
    if let Some(active) = sent("isActive") {
        require(active.is_boolean(), "isActive must be a boolean")?;
        put("isActive", active.clone());
    }
    let owner = sent("ownerId").map(|id| match js::or(Some(id)) {
        Some(id) if id != "admin" => Owner::User(js::text(id)),
        _ => Owner::Admin,
    });
    if owner == Some(Owner::Admin) {
        put("userId", "".into());
        put("userUsername", "".into());
        put("createdBy", "admin".into());
    }
    Ok(Update { values, owner, weekly_reset: day.is_some() || hour.is_some() })
}

fn number(value: Option<&Value>) -> Value {
    compat::number::json(js::number(value))
}

/// The stored text of a field's new value; `None` for fields that updates do not change.
pub(in super::super) fn record_text(field: &str, value: &Value) -> Option<String> {
    if !CHANGEABLE.contains(&field) && !CHANGEABLE_TOO.contains(&field) {
        return None;
    }
    let or_else = |otherwise: Value| js::stringify(js::or(Some(value)).unwrap_or(&otherwise));
    Some(match field {
        "restrictedModels" | "allowedClients" | "tags" | "openaiResponsesPayloadRules" => {
            or_else(json!([]))
        }
        "serviceRates" => or_else(json!({})),
        "permissions" => permission_text(Some(value)),
        "enableModelRestriction"
        | "enableClientRestriction"
        | "isActivated"
        | "enableOpenAIResponsesCodexAdaptation"
        | "enableOpenAIResponsesPayloadRules" => js::text(value),
        "expiresAt" | "activatedAt" => js::or(Some(value)).map(js::text).unwrap_or_default(),
        _ => js::field(Some(value)),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn of(body: Value) -> Result<Update, Declined> {
        update(body.as_object().unwrap(), NOW)
    }

    #[rstest]
    #[case(json!({"expiresAt": null}), json!({"expiresAt": null, "isActive": true}))]
    #[case(json!({"expiresAt": "2020-01-01"}), json!({"expiresAt": "2020-01-01", "isActive": false}))]
    #[case(json!({"expiresAt": "2020-01-01", "isActive": true}), json!({"expiresAt": "2020-01-01", "isActive": true}))]
    #[case(json!({"tokenLimit": "7", "name": " n "}), json!({"name": "n", "tokenLimit": 7}))]
    #[case(json!({"claudeAccountId": null, "description": "x"}), json!({"claudeAccountId": ""}))]
    #[case(json!({"ownerId": ""}), json!({"userId": "", "userUsername": "", "createdBy": "admin"}))]
    fn takes_what_may_change(#[case] body: Value, #[case] values: Value) {
        assert_eq!(Value::Object(of(body).unwrap().values), values);
    }

    #[rstest]
    #[case(json!({"name": "   "}), "API Key name cannot be empty")]
    #[case(json!({"expiresAt": ""}), "Invalid expiration date format")]
    #[case(json!({"isActive": "true"}), "isActive must be a boolean")]
    #[case(json!({"weeklyResetDay": 8}), "Weekly reset day must be an integer from 1 (Mon) to 7 (Sun)")]
    fn names_what_is_wrong(#[case] body: Value, #[case] error: &str) {
        assert_eq!(of(body).unwrap_err(), Declined::invalid(error));
    }

    #[test]
    fn stored_spelling() {
        assert_eq!(record_text("tags", &Value::Null).unwrap(), "[]");
        assert_eq!(record_text("permissions", &json!("all")).unwrap(), "[]");
        assert_eq!(record_text("dailyCostLimit", &json!(2.50)).unwrap(), "2.5");
        assert_eq!(record_text("icon", &json!("x")), None);
    }
}
