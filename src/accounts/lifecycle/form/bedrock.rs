//! AWS Bedrock accounts: one JSON text with native types.

use compat::{clock::iso, js};
use serde_json::{Map, Value, json};

use super::{
    Body, Made,
    checks::{account_type, priority, require},
};
use crate::domain::Declined;

const MODEL: &str = "us.anthropic.claude-sonnet-4-20250514-v1:0";

/// Fields that a change takes over as they were sent.
const PLAIN: [&str; 11] = [
    "name",
    "description",
    "region",
    "defaultModel",
    "isActive",
    "accountType",
    "priority",
    "schedulable",
    "credentialType",
    "subscriptionExpiresAt",
    "disableAutoProtection",
];

/// Checks the body of a new account.
///
/// # Errors
/// The first thing that is wrong.
pub(in super::super) fn check_new(body: &Body) -> Result<(), Declined> {
    require(js::truthy(body.get("name")), "Name is required")?;
    check(body)
}

/// Checks what may be sent about an old account as well.
///
/// # Errors
/// The first thing that is wrong.
pub(in super::super) fn check(body: &Body) -> Result<(), Declined> {
    priority(body)?;
    let error = "Invalid account type. Must be \"shared\" or \"dedicated\"";
    account_type(body, &["shared", "dedicated"], error)?;
    let kind = js::or(body.get("credentialType"));
    let fine = kind.is_none_or(|kind| kind == "access_key" || kind == "bearer_token");
    require(fine, "Invalid credential type. Must be \"access_key\" or \"bearer_token\"")
}

/// The record of a checked body.
pub(in super::super) fn record(made: &Made<'_>, body: &Body) -> Map<String, Value> {
    let sent = |name: &str| body.get(name);
    let or = |name: &str, otherwise: Value| js::or(sent(name)).map_or(otherwise, js::parsed);
    let now = iso(made.now_ms);
    let record = json!({
        "id": made.id,
        "name": sent("name").map(js::parsed),
        "description": or("description", "".into()),
        "region": or("region", "us-east-1".into()),
        "defaultModel": sent("defaultModel").map_or_else(|| MODEL.into(), js::parsed),
        "isActive": true,
        "accountType": or("accountType", "shared".into()),
        "priority": or("priority", 50.into()),
        "schedulable": true,
        "credentialType": or("credentialType", "access_key".into()),
        "subscriptionExpiresAt": null,
        "createdAt": now,
        "updatedAt": now,
        "type": "bedrock",
        "disableAutoProtection": false,
    });
    let Value::Object(mut record) = record else { return Map::new() };
    if let Some(credentials) = js::or(sent("awsCredentials")) {
        record.insert("awsCredentials".to_owned(), seal(made, credentials));
    }
    if let Some(token) = js::or(sent("bearerToken")) {
        record.insert("bearerToken".to_owned(), seal(made, &json!({ "token": token })));
    }
    record
}

fn seal(made: &Made<'_>, credentials: &Value) -> Value {
    made.vault.seal_bedrock(&js::parsed(credentials))
}

/// The new account as the admin API shows it.
pub(in super::super) fn shown(record: &Map<String, Value>) -> Value {
    let mut shown = Map::new();
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
        "type",
    ] {
        shown.insert(name.to_owned(), record.get(name).cloned().unwrap_or_default());
    }
    for name in ["subscriptionExpiresAt", "tokenExpiresAt", "expiresAt"] {
        shown.insert(name.to_owned(), Value::Null);
    }
    Value::Object(shown)
}

/// The record after a checked change; `body` has the new name of the subscription's end.
pub(in super::super) fn changed(
    made: &Made<'_>,
    body: &Body,
    before: &Map<String, Value>,
) -> Map<String, Value> {
    let mut record = before.clone();
    for name in PLAIN {
        if let Some(value) = body.get(name) {
            record.insert(name.to_owned(), js::parsed(value));
        }
    }
    match body.get("awsCredentials") {
        Some(sent) if js::truthy(Some(sent)) => {
            record.insert("awsCredentials".to_owned(), seal(made, sent));
        }
        Some(_) => {
            record.shift_remove("awsCredentials");
        }
        // Credentials that an old version stored open.
        None => {
            let open =
                record.get("awsCredentials").filter(|own| js::truthy(own.get("accessKeyId")));
            if let Some(open) = open.cloned() {
                record.insert("awsCredentials".to_owned(), seal(made, &open));
            }
        }
    }
    match body.get("bearerToken") {
        Some(sent) if js::truthy(Some(sent)) => {
            record.insert("bearerToken".to_owned(), seal(made, &json!({ "token": sent })));
        }
        Some(_) => {
            record.shift_remove("bearerToken");
        }
        None => {}
    }
    record.insert("updatedAt".to_owned(), iso(made.now_ms).into());
    record
}
