//! Bedrock accounts in lists.

use compat::js;
use serde_json::{Map, Value};

use super::Item;

pub(super) fn item(record: &Map<String, Value>) -> Value {
    let mut item = Item::default();
    for name in [
        "id",
        "name",
        "description",
        "region",
        "defaultModel",
        "isActive",
        "accountType",
        "priority",
        "schedulable",
        "credentialType",
        "createdAt",
        "updatedAt",
    ] {
        if let Some(value) = record.get(name) {
            item.put(name, value.clone());
        }
    }
    item.put("type", "bedrock");
    item.put("platform", "bedrock");
    let token = record.get("credentialType").is_some_and(|kind| kind == "bearer_token");
    let held = if token { "bearerToken" } else { "awsCredentials" };
    item.put("hasCredentials", js::truthy(record.get(held)));
    // Lists of this kind know no end of the subscription but under the token's name.
    let end = js::or(record.get("subscriptionExpiresAt")).cloned().unwrap_or_default();
    item.finish(Value::Null, end)
}
