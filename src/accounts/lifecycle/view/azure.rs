//! Azure accounts in lists.

use serde_json::Value;

use super::{Item, Seen, end};
use crate::accounts::lifecycle::form::azure::models_of;

pub(super) fn item(seen: &Seen<'_>) -> Value {
    let mut item = Item::of_record(seen, &["apiKey"]);
    if !seen.get("proxy").is_empty() {
        item.put("proxy", serde_json::from_str(seen.get("proxy")).unwrap_or(Value::Null));
    }
    if !seen.get("supportedModels").is_empty() {
        item.put("supportedModels", models_of(seen.get("supportedModels")));
    }
    item.put("isActive", seen.is("isActive"));
    item.put("schedulable", seen.get("schedulable") != "false");
    item.put("platform", "azure-openai");
    let end = end(seen.get("subscriptionExpiresAt"));
    item.finish(end.clone(), end)
}
