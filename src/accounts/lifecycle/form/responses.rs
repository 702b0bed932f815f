//! Providers of the Responses API (contract/openai-azure-droid.md §6). A change stores every member that
//! was sent under its own name, as the legacy service does.

use compat::{clock::iso, crypto::Service, js, pool::Patch};
use serde_json::{Value, json};

use super::{Body, Made, Named, checks::grouped, proxy, seal_text, stored_values, to_text};
use crate::domain::{Declined, Failure};

const ENDPOINTS: [&str; 2] = ["responses", "auto"];
const GROUP_ERROR: &str = "Group ID is required for group type accounts";
/// Stands for a key in answers.
const HIDDEN: &str = "***";

/// Checks the body of a new account.
///
/// # Errors
/// No group for an account of that type.
pub(in super::super) fn check_new(body: &Body) -> Result<(), Declined> {
    grouped(body, true, GROUP_ERROR).map_err(Declined::unsuccessful)
}

/// The record of a checked body, and what the admin API shows of it.
///
/// # Errors
/// No address or key, another endpoint, or values without a text, in the legacy service's words.
pub(in super::super) fn record(made: &Made<'_>, body: &Body) -> Result<(Named, Value), Failure> {
    let sent = |name: &str, unsent: Value| body.get(name).map_or(unsent, js::parsed);
    let text = |name: &str, unsent: Value| to_text(Some(&sent(name, unsent)));
    if !js::truthy(body.get("baseApi")) || !js::truthy(body.get("apiKey")) {
        let error = "Base API URL and API Key are required for OpenAI-Responses account";
        return Err(Failure::fault(error));
    }
    let endpoint = sent("providerEndpoint", "responses".into());
    known_endpoint(&endpoint)?;
    let base = base_of(body.get("baseApi"), "baseApi")?;
    let key = seal_text(made.vault, Service::OpenAiResponses, body.get("apiKey"))?;
    let shown = json!({
        "id": made.id,
        "platform": "openai-responses",
        "name": sent("name", "OpenAI Responses Account".into()),
        "description": sent("description", "".into()),
        "baseApi": base,
        "apiKey": HIDDEN,
        "userAgent": sent("userAgent", "".into()),
        "priority": text("priority", 50.into())?,
        "proxy": proxy(body.get("proxy")),
        "isActive": text("isActive", true.into())?,
        "accountType": sent("accountType", "shared".into()),
        "schedulable": text("schedulable", true.into())?,
        "subscriptionExpiresAt": js::or(body.get("subscriptionExpiresAt")).map(js::parsed),
        "createdAt": iso(made.now_ms),
        "lastUsedAt": "",
        "status": "active",
        "errorMessage": "",
        "rateLimitedAt": "",
        "rateLimitStatus": "",
        "rateLimitDuration": text("rateLimitDuration", 60.into())?,
        "dailyQuota": text("dailyQuota", 0.into())?,
        "dailyUsage": "0",
        "lastResetDate": made.today,
        "quotaResetTime": sent("quotaResetTime", "00:00".into()),
        "quotaStoppedAt": "",
        "disableAutoProtection": text("disableAutoProtection", false.into())?,
        "providerEndpoint": endpoint,
    });
    let record = shown.as_object().into_iter().flatten().map(|(name, value)| {
        let hidden = name == "apiKey";
        let value = if hidden { key.clone() } else { js::field(Some(value)) };
        (name.clone(), value)
    });
    let record: Named = record.collect();
    Ok((record, with_ends(shown)))
}

/// The three ends under the names that the admin API gives them.
fn with_ends(mut shown: Value) -> Value {
    let end = match &shown["subscriptionExpiresAt"] {
        Value::String(text) if js::trim(text).is_empty() => Value::Null,
        Value::String(text) => js::trim(text).into(),
        other => other.clone(),
    };
    shown["subscriptionExpiresAt"] = end.clone();
    shown["tokenExpiresAt"] = Value::Null;
    shown["expiresAt"] = end;
    shown
}

fn known_endpoint(endpoint: &Value) -> Result<(), Failure> {
    if endpoint.as_str().is_some_and(|own| ENDPOINTS.contains(&own)) {
        return Ok(());
    }
    Err(Failure::fault(format!(
        "Invalid providerEndpoint: {}. Must be one of: {}",
        js::text(endpoint),
        ENDPOINTS.join(", ")
    )))
}

/// An address without the slash at its end; `called` is what the legacy service's errors call it.
fn base_of(sent: Option<&Value>, called: &str) -> Result<String, Failure> {
    match sent {
        Some(Value::String(text)) => Ok(text.strip_suffix('/').unwrap_or(text).to_owned()),
        _ => Err(Failure::fault(format!("{called}.endsWith is not a function"))),
    }
}

/// Values of a change, with its priority as it is stored.
///
/// # Errors
/// A priority that is none.
pub(in super::super) fn values(body: &Body) -> Result<Body, Declined> {
    let mut values = body.clone();
    if let Some(sent) = values.get_mut("priority") {
        let priority = js::parse_int(&js::text(sent)).filter(|own| (1..=100).contains(own));
        let Some(priority) = priority else {
            let message = "Priority must be a number between 1 and 100";
            return Err(super::openai::unsaid(400, message));
        };
        *sent = priority.to_string().into();
    }
    Ok(values)
}

/// The change that these values make.
///
/// # Errors
/// Nothing at all, another endpoint, or values without a text, in the legacy service's words.
pub(in super::super) fn patch(made: &Made<'_>, values: &Body) -> Result<Patch, Failure> {
    if values.is_empty() {
        return Err(Failure::fault("ERR wrong number of arguments for 'hset' command"));
    }
    let base = js::or(values.get("baseApi"));
    let base = base.map(|_| base_of(values.get("baseApi"), "updates.baseApi")).transpose()?;
    if let Some(endpoint) = values.get("providerEndpoint") {
        known_endpoint(endpoint)?;
    }
    stored_values(values, |name, value| {
        Ok(match (name, js::or(Some(value))) {
            ("apiKey", Some(key)) => seal_text(made.vault, Service::OpenAiResponses, Some(key))?,
            ("baseApi", Some(_)) => base.clone().unwrap_or_default(),
            ("proxy", own) => proxy(own),
            ("disableAutoProtection", _) => to_text(Some(value))?,
            _ => js::field(Some(value)),
        })
    })
}
