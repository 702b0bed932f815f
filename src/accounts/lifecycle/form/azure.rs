//! Azure `OpenAI` accounts (contract/openai-azure-droid.md §6, §7). A change stores every member that was
//! sent under its own name, as the legacy service does.

use compat::{
    clock::iso,
    crypto::Service,
    js,
    pool::{Fields, Patch},
};
use serde_json::{Map, Value, json};

use super::{
    Body, Made, Named, checks::flag, openai::unsaid, record_of, seal_text, sent_proxy, show_proxy,
    stored_values,
};
use crate::domain::{Declined, Failure};

/// Version of the API that is asked for when none is named.
pub(in super::super) const API_VERSION: &str = "2024-02-01";
const MODELS: [&str; 4] = ["gpt-4", "gpt-4-turbo", "gpt-35-turbo", "gpt-35-turbo-16k"];
/// What is shown for a list of models that cannot be read.
const UNREADABLE_MODELS: [&str; 2] = ["gpt-4", "gpt-35-turbo"];

/// Checks the body of a new account.
///
/// # Errors
/// The first thing that is wrong (400; 500 for an address that is no text).
pub(in super::super) fn check_new(body: &Body) -> Result<(), Failure> {
    for (name, message) in [
        ("name", "Account name is required"),
        ("azureEndpoint", "Azure endpoint is required"),
        ("apiKey", "API key is required"),
        ("deploymentName", "Deployment name is required"),
    ] {
        if !js::truthy(body.get(name)) {
            return Err(unsaid(400, message).into());
        }
    }
    let Some(endpoint) = body.get("azureEndpoint").and_then(Value::as_str) else {
        return Err(Failure::fault("azureEndpoint.match is not a function"));
    };
    let resource = endpoint
        .strip_prefix("https://")
        .and_then(|rest| rest.strip_suffix(".openai.azure.com"))
        .filter(|own| !own.is_empty());
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if resource.is_some_and(|own| own.chars().all(word)) {
        return Ok(());
    }
    let message = "Invalid Azure OpenAI endpoint format. Expected: \
                   https://your-resource.openai.azure.com";
    Err(unsaid(400, message).into())
}

/// The address at which a new account's key is tried.
pub(in super::super) fn trial_url(body: &Body) -> String {
    let text = |name: &str| js::field(body.get(name));
    let version = js::or(body.get("apiVersion")).map_or_else(|| API_VERSION.to_owned(), js::text);
    format!(
        "{}/openai/deployments/{}?api-version={version}",
        text("azureEndpoint"),
        text("deploymentName")
    )
}

/// A key that does not open the account.
pub(in super::super) fn refused() -> Declined {
    unsaid(400, "Invalid API key or unauthorized access")
}

/// The record of a checked body, and what the admin API shows of it.
///
/// # Errors
/// A key that is no text, in the words of JavaScript.
pub(in super::super) fn record(made: &Made<'_>, body: &Body) -> Result<(Named, Value), Failure> {
    let or = |name: &str, otherwise: Value| js::or(body.get(name)).map_or(otherwise, js::parsed);
    let on = |name: &str| (body.get(name) != Some(&Value::Bool(false))).to_string();
    let now = iso(made.now_ms);
    let mut shown = json!({
        "id": made.id,
        "name": body.get("name").map(js::parsed),
        "description": or("description", "".into()),
        "accountType": or("accountType", "shared".into()),
        "groupId": js::or(body.get("groupId")).map(js::parsed),
        "priority": or("priority", 50.into()),
        "azureEndpoint": or("azureEndpoint", "".into()),
        "apiVersion": or("apiVersion", API_VERSION.into()),
        "deploymentName": or("deploymentName", "gpt-4".into()),
        "supportedModels": js::stringify(js::or(body.get("supportedModels")).unwrap_or(&json!(MODELS))),
        "subscriptionExpiresAt": null,
        "isActive": on("isActive"),
        "status": "active",
        "schedulable": on("schedulable"),
        "disableAutoProtection": "false",
        "createdAt": now,
        "updatedAt": now,
    });
    if let Some(proxy) = js::or(body.get("proxy")) {
        shown["proxy"] = sent_proxy(proxy).into();
    }
    let mut record = record_of(&shown);
    let key = seal_text(made.vault, Service::AzureOpenAi, body.get("apiKey"))?;
    record.push(("apiKey".to_owned(), key));
    Ok((record, shown))
}

/// The change that a body makes.
///
/// # Errors
/// A key that is no text, in the words of JavaScript.
pub(in super::super) fn patch(made: &Made<'_>, values: &Body) -> Result<Patch, Failure> {
    let patch = stored_values(values, |name, value| {
        Ok(match (name, js::or(Some(value))) {
            ("apiKey", Some(key)) => seal_text(made.vault, Service::AzureOpenAi, Some(key))?,
            ("proxy", Some(proxy)) => sent_proxy(proxy),
            ("supportedModels", Some(models)) => model_text(models),
            ("disableAutoProtection", _) => flag(Some(value)).to_string(),
            _ => js::field(Some(value)),
        })
    })?;
    Ok(patch.set("updatedAt", iso(made.now_ms)))
}

fn model_text(models: &Value) -> String {
    models.as_str().map_or_else(|| js::stringify(models), str::to_owned)
}

/// The account as the admin API shows it after a change, without its key.
pub(in super::super) fn shown(made: &Made<'_>, before: &Fields, values: &Body) -> Value {
    let mut shown: Map<String, Value> =
        before.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect();
    if let Some(models) = before.get("supportedModels").filter(|text| !text.is_empty()) {
        shown.insert("supportedModels".to_owned(), models_of(models));
    }
    for (name, value) in values {
        let value = match name.as_str() {
            "supportedModels" if js::truthy(Some(value)) => model_text(value).into(),
            "disableAutoProtection" => flag(Some(value)).to_string().into(),
            _ => js::parsed(value),
        };
        shown.insert(name.clone(), value);
    }
    shown.insert("updatedAt".to_owned(), iso(made.now_ms).into());
    shown.remove("apiKey");
    show_proxy(&mut shown);
    Value::Object(shown)
}

/// A stored list of models.
pub(in super::super) fn models_of(stored: &str) -> Value {
    serde_json::from_str(stored).unwrap_or_else(|_| json!(UNREADABLE_MODELS))
}
