//! Many keys at once.

use compat::js;
use serde_json::{Map, Value};

use super::{
    Body,
    checks::{permissions, require, service_rates},
};
use crate::domain::Declined;

/// What the keys of one batch have in common.
const SHARED: [&str; 27] = [
    "description",
    "tokenLimit",
    "expiresAt",
    "claudeAccountId",
    "claudeConsoleAccountId",
    "geminiAccountId",
    "openaiAccountId",
    "bedrockAccountId",
    "droidAccountId",
    "permissions",
    "concurrencyLimit",
    "rateLimitWindow",
    "rateLimitRequests",
    "rateLimitCost",
    "enableModelRestriction",
    "restrictedModels",
    "enableClientRestriction",
    "allowedClients",
    "dailyCostLimit",
    "totalCostLimit",
    "weeklyOpusCostLimit",
    "tags",
    "activationDays",
    "activationUnit",
    "expirationMode",
    "icon",
    "serviceRates",
];

/// Bodies of the keys to make, named `{baseName}_{n}` from 1. Only the services and rates are checked.
///
/// # Errors
/// The first thing that is wrong.
pub(in super::super) fn many(body: &Body) -> Result<Vec<Body>, Declined> {
    let base = body.get("baseName").and_then(Value::as_str).unwrap_or_default();
    let named = !js::trim(base).is_empty();
    require(named, "Base name is required and must be a non-empty string")?;
    let count = body.get("count").filter(|count| count.is_number());
    let count = js::number(count);
    let fine = js::is_integer(count) && (2.0..=500.0).contains(&count);
    require(fine, "Count must be an integer between 2 and 500")?;
    let fits = js::length(base) <= 90;
    require(fits, "Base name must be less than 90 characters to allow for numbering")?;
    permissions(body.get("permissions"))?;
    service_rates(body.get("serviceRates"))?;
    let shared: Map<String, Value> = SHARED
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), body.get(*name)?.clone())))
        .collect();
    #[expect(clippy::cast_possible_truncation, reason = "at most 500")]
    let count = count as i64;
    Ok((1..=count)
        .map(|nth| {
            let mut one = shared.clone();
            one.insert("name".to_owned(), format!("{base}_{nth}").into());
            one
        })
        .collect())
}

/// A checked change of many keys.
#[derive(Debug)]
pub(in super::super) struct Batch {
    /// Keys to change, as sent.
    pub ids: Vec<Value>,
    /// Values by field, without the tags.
    pub values: Body,
    /// What happens to the tags.
    pub tags: Option<TagChange>,
}

/// What happens to the tags of each key.
#[derive(Debug)]
pub(in super::super) enum TagChange {
    /// These instead.
    Replace(Value),
    /// These as well.
    Add(Value),
    /// Not these.
    Remove(Value),
}

/// Checks the body of a change of many keys.
///
/// # Errors
/// The first thing that is wrong.
pub(in super::super) fn batch(body: &Body) -> Result<Batch, Declined> {
    let ids = body.get("keyIds").and_then(Value::as_array).filter(|ids| !ids.is_empty());
    let invalid = |why: &str| Declined::invalid("Invalid input").saying(why);
    let ids = ids.ok_or_else(|| invalid("keyIds must be a non-empty array"))?;
    let updates = body.get("updates").and_then(Value::as_object);
    let updates = updates.ok_or_else(|| invalid("updates must be an object"))?;
    permissions(updates.get("permissions"))?;
    service_rates(updates.get("serviceRates"))?;
    let mut values = Body::new();
    let mut put = |name: &str, value: Value| values.insert(name.to_owned(), value);
    if let Some(name) = js::or(updates.get("name")) {
        put("name", name.clone());
    }
    for name in [
        "tokenLimit",
        "rateLimitCost",
        "concurrencyLimit",
        "rateLimitWindow",
        "rateLimitRequests",
        "dailyCostLimit",
        "totalCostLimit",
        "weeklyOpusCostLimit",
        "permissions",
        "isActive",
        "serviceRates",
        "claudeAccountId",
        "claudeConsoleAccountId",
        "geminiAccountId",
        "openaiAccountId",
        "bedrockAccountId",
        "droidAccountId",
    ] {
        if let Some(value) = updates.get(name) {
            put(name, value.clone());
        }
    }
    for (name, range) in [("weeklyResetDay", 1.0..=7.0), ("weeklyResetHour", 0.0..=23.0)] {
        let number = js::number(updates.get(name));
        if js::is_integer(number) && range.contains(&number) {
            put(name, compat::number::json(number));
        }
    }
    let tags = updates.get("tags").and_then(|tags| {
        let tags = tags.clone();
        match js::or(updates.get("tagOperation")).map(js::text).as_deref() {
            None | Some("replace") => Some(TagChange::Replace(tags)),
            Some("add") => Some(TagChange::Add(tags)),
            Some("remove") => Some(TagChange::Remove(tags)),
            Some(_) => None,
        }
    });
    Ok(Batch { ids: ids.clone(), values, tags })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_numbered_and_only_shared_fields_are_taken() {
        let body = json!({"baseName": "t", "count": 2, "tags": ["a"], "weeklyResetDay": 3});
        let bodies = many(body.as_object().unwrap()).unwrap();
        let bodies = json!(bodies);
        assert_eq!(bodies, json!([{"tags": ["a"], "name": "t_1"}, {"tags": ["a"], "name": "t_2"}]));
    }

    #[test]
    fn a_count_that_is_text_is_declined() {
        let body = json!({"baseName": "t", "count": "2"});
        let error = "Count must be an integer between 2 and 500";
        assert_eq!(many(body.as_object().unwrap()), Err(Declined::invalid(error)));
    }
}
