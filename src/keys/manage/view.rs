//! Keys as they are shown.

use compat::{js, number, record::Permissions};
use serde_json::{Map, Value, json};

use super::{Record, form};
use crate::domain::Secret;

/// Switches of a record; missing ones are left out of what is shown.
const FLAGS: [&str; 6] = [
    "isActive",
    "enableModelRestriction",
    "enableClientRestriction",
    "enableOpenAIResponsesCodexAdaptation",
    "enableOpenAIResponsesPayloadRules",
    "isDeleted",
];
/// Numbers of a record; empty ones stay empty texts.
const NUMBERS: [&str; 9] = [
    "tokenLimit",
    "dailyCostLimit",
    "totalCostLimit",
    "rateLimitRequests",
    "rateLimitTokens",
    "rateLimitWindow",
    "rateLimitCost",
    "maxConcurrency",
    "activationDuration",
];
/// Lists of a record.
const LISTS: [&str; 3] = ["tags", "restrictedModels", "allowedClients"];

/// A key that was just made, with its plain secret.
pub(super) fn made(fields: &[(&'static str, String)], body: &form::Body, plain: &Secret) -> Value {
    let text = |name: &str| {
        fields.iter().find(|(field, _)| *field == name).map_or("", |(_, value)| value.as_str())
    };
    let whole = |name: &str| number::parse_int(text(name)).map_or(Value::Null, Value::from);
    // Empty counts as 0 where a number is read with an alternative.
    let or_zero = |name: &str| match text(name) {
        "" => "0",
        own => own,
    };
    let amount = |name: &str| number::parse_float(or_zero(name)).map_or(Value::Null, number::json);
    let whole_or_zero =
        |name: &str| number::parse_int(or_zero(name)).map_or(Value::Null, Value::from);
    let flag = |name: &str| text(name) == "true";
    let json = |name: &str| serde_json::from_str::<Value>(text(name)).unwrap_or_default();
    let granted = Permissions::parse(text("permissions"));
    let described = match body.get("description") {
        Some(Value::Null) => Value::Null,
        _ => text("description").into(),
    };
    // What names an account or an end is shown as it was sent.
    let sent = |name: &str| js::or(body.get(name)).map_or_else(|| "".into(), js::parsed);
    let end = if text("expiresAt").is_empty() { "".into() } else { sent("expiresAt") };
    json!({
        "id": text("id"),
        "apiKey": plain.expose(),
        "name": text("name"),
        "description": described,
        "tokenLimit": whole("tokenLimit"),
        "concurrencyLimit": whole("concurrencyLimit"),
        "rateLimitWindow": whole_or_zero("rateLimitWindow"),
        "rateLimitRequests": whole_or_zero("rateLimitRequests"),
        "rateLimitCost": amount("rateLimitCost"),
        "isActive": true,
        "claudeAccountId": sent("claudeAccountId"),
        "claudeConsoleAccountId": sent("claudeConsoleAccountId"),
        "geminiAccountId": sent("geminiAccountId"),
        "openaiAccountId": sent("openaiAccountId"),
        "azureOpenaiAccountId": text("azureOpenaiAccountId"),
        "bedrockAccountId": sent("bedrockAccountId"),
        "droidAccountId": sent("droidAccountId"),
        "permissions": granted.services(),
        "enableModelRestriction": flag("enableModelRestriction"),
        "restrictedModels": json("restrictedModels"),
        "enableClientRestriction": flag("enableClientRestriction"),
        "allowedClients": json("allowedClients"),
        "dailyCostLimit": amount("dailyCostLimit"),
        "totalCostLimit": amount("totalCostLimit"),
        "weeklyOpusCostLimit": amount("weeklyOpusCostLimit"),
        "tags": json("tags"),
        "activationDays": whole_or_zero("activationDays"),
        "activationUnit": text("activationUnit"),
        "expirationMode": text("expirationMode"),
        "isActivated": flag("isActivated"),
        "activatedAt": text("activatedAt"),
        "createdAt": text("createdAt"),
        "expiresAt": end,
        "createdBy": text("createdBy"),
        "serviceRates": json("serviceRates"),
        "enableOpenAIResponsesCodexAdaptation": flag("enableOpenAIResponsesCodexAdaptation"),
        "enableOpenAIResponsesPayloadRules": flag("enableOpenAIResponsesPayloadRules"),
        "openaiResponsesPayloadRules": json("openaiResponsesPayloadRules"),
    })
}

/// A key of a list: typed as the legacy service's lists are, without its hash.
pub(super) fn item(record: &Record) -> Value {
    let mut shown = Map::new();
    let mut names: Vec<&String> = record.fields.keys().collect();
    names.sort_unstable();
    shown.insert("id".to_owned(), record.id.as_str().into());
    for name in names.into_iter().filter(|name| *name != "apiKey") {
        shown.insert(name.clone(), typed(name, record.get(name)));
    }
    for (name, unset) in [
        ("enableOpenAIResponsesCodexAdaptation", json!(true)),
        ("enableOpenAIResponsesPayloadRules", json!(false)),
        ("openaiResponsesPayloadRules", json!([])),
    ] {
        shown.entry(name.to_owned()).or_insert(unset);
    }
    Value::Object(shown)
}

fn typed(name: &str, stored: &str) -> Value {
    let text = || Value::String(stored.to_owned());
    if FLAGS.contains(&name) {
        return (stored == "true").into();
    }
    if NUMBERS.contains(&name) && !stored.is_empty() {
        return number::json(number::parse_float(stored).unwrap_or(0.0));
    }
    if LISTS.contains(&name) && !stored.is_empty() {
        return serde_json::from_str(stored).unwrap_or_else(|_| json!([]));
    }
    if name == "openaiResponsesPayloadRules" {
        return form::stored_rules(stored);
    }
    if name == "serviceRates" && !stored.is_empty() {
        return serde_json::from_str(stored).unwrap_or_else(|_| json!({}));
    }
    text()
}
