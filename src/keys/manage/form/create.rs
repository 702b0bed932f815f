//! A new key: what was sent becomes a complete record.

use compat::{clock::iso, js, record::Permissions};
use serde_json::{Value, json};

use super::{
    Body,
    checks::{
        amount, is_set, list, permissions, require, service_rates, switch, tags, weekly_reset,
        whole,
    },
    rules,
};
use crate::domain::Declined;

/// What only the operation knows about the new key.
pub(in super::super) struct Made<'a> {
    /// New id.
    pub id: &'a str,
    /// Lookup hash of the plain key.
    pub hash: &'a str,
    /// Now.
    pub now_ms: i64,
}

/// Fields of the record, in the legacy service's order.
pub(in super::super) type Fields = Vec<(&'static str, String)>;

/// Checks the body of a creation.
///
/// # Errors
/// The first thing that is wrong.
pub(in super::super) fn create(body: &Body) -> Result<(), Declined> {
    let sent = |name: &str| body.get(name);
    let name = sent("name").and_then(Value::as_str).unwrap_or_default();
    require(!js::trim(name).is_empty(), "Name is required and must be a non-empty string")?;
    require(js::length(name) <= 100, "Name must be less than 100 characters")?;
    if let Some(text) = js::or(sent("description")) {
        let fine = text.as_str().is_some_and(|text| js::length(text) <= 500);
        require(fine, "Description must be a string with less than 500 characters")?;
    }
    let tokens = sent("tokenLimit");
    require(
        !js::truthy(tokens) || whole(tokens, 0.0),
        "Token limit must be a non-negative integer",
    )?;
    for (name, least, error) in [
        ("concurrencyLimit", 0.0, "Concurrency limit must be a non-negative integer"),
        ("rateLimitWindow", 1.0, "Rate limit window must be a positive integer (minutes)"),
        ("rateLimitRequests", 1.0, "Rate limit requests must be a positive integer"),
    ] {
        require(!is_set(sent(name)) || whole(sent(name), least), error)?;
    }
    switch(sent("enableModelRestriction"), "Enable model restriction must be a boolean")?;
    list(sent("restrictedModels"), "Restricted models must be an array")?;
    switch(sent("enableClientRestriction"), "Enable client restriction must be a boolean")?;
    list(sent("allowedClients"), "Allowed clients must be an array")?;
    tags(sent("tags"))?;
    let total = sent("totalCostLimit");
    require(!is_set(total) || amount(total), "Total cost limit must be a non-negative number")?;
    expiration(body)?;
    permissions(sent("permissions"))?;
    service_rates(sent("serviceRates"))?;
    for name in ["enableOpenAIResponsesCodexAdaptation", "enableOpenAIResponsesPayloadRules"] {
        switch(sent(name), &format!("{name} must be a boolean"))?;
    }
    rules::checked(sent("openaiResponsesPayloadRules"))?;
    weekly_reset(sent("weeklyResetDay"), sent("weeklyResetHour"))?;
    Ok(())
}

fn expiration(body: &Body) -> Result<(), Declined> {
    let sent = |name: &str| body.get(name);
    let word = |name: &str| sent(name).and_then(Value::as_str).unwrap_or_default();
    let mode = word("expirationMode");
    let known = !js::truthy(sent("expirationMode")) || matches!(mode, "fixed" | "activation");
    require(known, "Expiration mode must be either \"fixed\" or \"activation\"")?;
    if mode != "activation" {
        return Ok(());
    }
    let unit = word("activationUnit");
    require(
        matches!(unit, "hours" | "days"),
        "Activation unit must be either \"hours\" or \"days\" when using activation mode",
    )?;
    let days = sent("activationDays");
    let error = format!("Activation {unit} must be a positive integer when using activation mode");
    require(js::truthy(days) && whole(days, 1.0), &error)?;
    require(
        !js::truthy(sent("expiresAt")),
        "Cannot set fixed expiration date when using activation mode",
    )
}

impl Made<'_> {
    /// The record of a body that was checked.
    ///
    /// # Errors
    /// Payload rules that cannot be used.
    pub(in super::super) fn record(&self, body: &Body) -> Result<Fields, Declined> {
        let sent = |name: &str| body.get(name);
        // `String(value ?? 0)` and `String(value || 0)`.
        let count = |name: &str| js::given(sent(name)).map_or_else(|| "0".into(), js::text);
        let limit = |name: &str| js::or(sent(name)).map_or_else(|| "0".into(), js::text);
        let text = |name: &str| js::or(sent(name)).map(js::text).unwrap_or_default();
        let on = |name: &str| (sent(name) == Some(&Value::Bool(true))).to_string();
        let list = |name: &str| js::stringify(js::or(sent(name)).unwrap_or(&json!([])));
        let now = iso(self.now_ms);
        // A mode that was sent empty is stored as fixed, but not treated so.
        let fixed = sent("expirationMode").is_none_or(|mode| mode == "fixed");
        let mode = text("expirationMode");
        let when_fixed = |value: String| if fixed { value } else { String::new() };
        let day = js::or(sent("weeklyResetDay")).map_or(1.0, |day| js::number(Some(day)));
        let hour = js::or(sent("weeklyResetHour")).map_or(0.0, |hour| js::number(Some(hour)));
        let adapted = sent("enableOpenAIResponsesCodexAdaptation");
        let rules = rules::checked(sent("openaiResponsesPayloadRules"))?;
        Ok(vec![
            ("id", self.id.to_owned()),
            ("name", js::field(sent("name"))),
            ("description", js::field(sent("description"))),
            ("apiKey", self.hash.to_owned()),
            ("tokenLimit", count("tokenLimit")),
            ("concurrencyLimit", count("concurrencyLimit")),
            ("rateLimitWindow", count("rateLimitWindow")),
            ("rateLimitRequests", count("rateLimitRequests")),
            ("rateLimitCost", count("rateLimitCost")),
            ("isActive", "true".into()),
            ("claudeAccountId", text("claudeAccountId")),
            ("claudeConsoleAccountId", text("claudeConsoleAccountId")),
            ("geminiAccountId", text("geminiAccountId")),
            ("openaiAccountId", text("openaiAccountId")),
            ("azureOpenaiAccountId", String::new()),
            ("bedrockAccountId", text("bedrockAccountId")),
            ("droidAccountId", text("droidAccountId")),
            ("permissions", permission_text(sent("permissions"))),
            (
                "enableModelRestriction",
                sent("enableModelRestriction").map_or_else(|| "false".into(), js::text),
            ),
            ("restrictedModels", list("restrictedModels")),
            (
                "enableClientRestriction",
                js::or(sent("enableClientRestriction")).map_or_else(|| "false".into(), js::text),
            ),
            ("allowedClients", list("allowedClients")),
            ("dailyCostLimit", limit("dailyCostLimit")),
            ("totalCostLimit", limit("totalCostLimit")),
            ("weeklyOpusCostLimit", limit("weeklyOpusCostLimit")),
            ("tags", list("tags")),
            ("activationDays", limit("activationDays")),
            ("activationUnit", or_text(text("activationUnit"), "days")),
            ("expirationMode", or_text(mode, "fixed")),
            ("isActivated", fixed.to_string()),
            ("activatedAt", when_fixed(now.clone())),
            ("createdAt", now),
            ("lastUsedAt", String::new()),
            ("expiresAt", when_fixed(text("expiresAt"))),
            ("createdBy", "admin".into()),
            ("userId", String::new()),
            ("userUsername", String::new()),
            ("icon", text("icon")),
            ("serviceRates", js::stringify(js::or(sent("serviceRates")).unwrap_or(&json!({})))),
            ("weeklyResetDay", compat::number::js(day)),
            ("weeklyResetHour", compat::number::js(hour)),
            (
                "enableOpenAIResponsesCodexAdaptation",
                (adapted != Some(&Value::Bool(false))).to_string(),
            ),
            ("enableOpenAIResponsesPayloadRules", on("enableOpenAIResponsesPayloadRules")),
            ("openaiResponsesPayloadRules", js::stringify(&rules)),
        ])
    }
}

fn or_text(text: String, otherwise: &str) -> String {
    if text.is_empty() { otherwise.to_owned() } else { text }
}

/// Granted services as a JSON list, whatever old spelling was sent.
pub(super) fn permission_text(value: Option<&Value>) -> String {
    match value {
        Some(list @ Value::Array(_)) => js::stringify(list),
        Some(Value::String(word)) => json!(Permissions::parse(word).services()).to_string(),
        _ => "[]".into(),
    }
}
