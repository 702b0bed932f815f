//! Keys as they are shown.

use compat::{js, number, record::Permissions};
use serde_json::{Map, Value, json};

use super::{KeyAdmin, Record, form};
use crate::domain::{Declined, Failure, Secret};

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
        "claudeAccountId": text("claudeAccountId"),
        "claudeConsoleAccountId": text("claudeConsoleAccountId"),
        "geminiAccountId": text("geminiAccountId"),
        "openaiAccountId": text("openaiAccountId"),
        "azureOpenaiAccountId": text("azureOpenaiAccountId"),
        "bedrockAccountId": text("bedrockAccountId"),
        "droidAccountId": text("droidAccountId"),
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
        "expiresAt": text("expiresAt"),
        "createdBy": text("createdBy"),
        "serviceRates": json("serviceRates"),
        "enableOpenAIResponsesCodexAdaptation": flag("enableOpenAIResponsesCodexAdaptation"),
        "enableOpenAIResponsesPayloadRules": flag("enableOpenAIResponsesPayloadRules"),
        "openaiResponsesPayloadRules": json("openaiResponsesPayloadRules"),
    })
}

/// A key of a list: typed as the legacy service's lists are, without its hash.
fn item(record: &Record) -> Value {
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

/// Which keys a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Deleted ones instead of the others.
    pub deleted: bool,
    /// Only with this tag.
    pub tag: Option<String>,
    /// Only active ones, or only others.
    pub active: Option<bool>,
    /// Only with this in their name.
    pub search: Option<String>,
}

impl KeyAdmin {
    /// Keys, the newest first.
    ///
    /// # Errors
    /// Redis (500).
    pub async fn list(&self, filter: &Filter) -> Result<Vec<Value>, Declined> {
        let records = self.records().await;
        let records =
            records.map_err(|error| Failure::from(error).under("Failed to get API keys"))?;
        let wanted = filter.search.as_deref().map(str::to_lowercase);
        let mut shown: Vec<&Record> = records
            .iter()
            .filter(|record| record.is("isDeleted") == filter.deleted)
            .filter(|record| filter.active.is_none_or(|active| record.is("isActive") == active))
            .filter(|record| {
                let name = record.get("name").to_lowercase();
                wanted.as_ref().is_none_or(|wanted| name.contains(wanted))
            })
            .filter(|record| {
                let tags = record.tags.as_ref().and_then(Value::as_array);
                let has = |tag: &String| tags.is_some_and(|tags| tags.iter().any(|t| t == tag));
                filter.tag.as_ref().is_none_or(has)
            })
            .collect();
        shown.sort_by_key(|record| std::cmp::Reverse(js::date_ms(record.get("createdAt"))));
        Ok(shown.into_iter().map(item).collect())
    }

    /// One key, by its id or its name.
    ///
    /// # Errors
    /// No such key (404), several of that name (400), or Redis (500).
    pub async fn show(&self, which: &str) -> Result<Value, Declined> {
        let id = self.find(which).await?;
        let record = self.record(&id).await;
        let record = record.map_err(|error| Failure::from(error).under("Failed to get API key"))?;
        record.as_ref().map(item).ok_or_else(|| Declined::new(404, "API key not found"))
    }

    /// Id of the key with this id or, if there is none, this name.
    ///
    /// # Errors
    /// No such key (404), several of that name (400), or Redis (500).
    pub async fn find(&self, which: &str) -> Result<String, Declined> {
        let failed = |error| Failure::from(error).under("Failed to get API key");
        if !which.contains(':') && self.record(which).await.map_err(failed)?.is_some() {
            return Ok(which.to_owned());
        }
        let records = self.records().await.map_err(failed)?;
        let mut named = records.iter().filter(|record| record.get("name") == which);
        match (named.next(), named.next()) {
            (Some(record), None) => Ok(record.id.clone()),
            (None, _) => Err(Declined::new(404, "API key not found")),
            (Some(_), Some(_)) => {
                Err(Declined::invalid("Several keys have this name; give the id"))
            }
        }
    }
}
