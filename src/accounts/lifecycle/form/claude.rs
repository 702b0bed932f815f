//! Claude accounts with OAuth or a setup token.

use compat::{
    clock::iso,
    crypto::Service,
    js, number,
    pool::{Fields, Patch},
};
use serde_json::{Value, json};

use super::{
    Body, Made, Record,
    checks::{
        account_type, cooldown_seconds, grouped, loose_flag, require, seconds_text, whole_seconds,
    },
    oauth::{self, ext_info},
    proxy, seal, to_text,
};
use crate::domain::{Declined, Failure};

const TYPES: [&str; 3] = ["shared", "dedicated", "group"];
const TYPE_ERROR: &str = "Invalid account type. Must be \"shared\", \"dedicated\" or \"group\"";
const GROUP_ERROR: &str = "Group ID or Group IDs are required for group type accounts";
/// A refresh token that was just given is tried after at most this long.
const FIRST_REFRESH_MS: i64 = 600_000;
const HOUR_MS: f64 = 3_600_000.0;

/// Fields that say why and since when an account was stopped; a manual switch clears them.
const STOPS: [&str; 9] = [
    "rateLimitAutoStopped",
    "fiveHourAutoStopped",
    "fiveHourStoppedAt",
    "tempErrorAutoStopped",
    "autoStoppedAt",
    "stoppedReason",
    "fiveHourWarningWindow",
    "fiveHourWarningCount",
    "fiveHourWarningLastSentAt",
];

/// Fields whose text is stored as it is.
const PLAIN: [&str; 10] = [
    "name",
    "description",
    "isActive",
    "accountType",
    "schedulable",
    "autoStopOnWarning",
    "useUnifiedUserAgent",
    "useUnifiedClientId",
    "unifiedClientId",
    "interceptWarmup",
];

/// Checks the body of a new account.
///
/// # Errors
/// The first thing that is wrong.
pub(in super::super) fn check_new(body: &Body) -> Result<(), Declined> {
    require(js::truthy(body.get("name")), "Name is required")?;
    account_type(body, &TYPES, TYPE_ERROR)?;
    grouped(body, true, GROUP_ERROR)?;
    priority(body)?;
    cooldown_seconds(body)
}

/// Checks the body of a change.
///
/// # Errors
/// The first thing that is wrong.
pub(in super::super) fn check_change(body: &Body) -> Result<(), Declined> {
    priority(body)?;
    cooldown_seconds(body)?;
    account_type(body, &TYPES, TYPE_ERROR)?;
    grouped(body, true, GROUP_ERROR)
}

fn priority(body: &Body) -> Result<(), Declined> {
    let Some(sent) = body.get("priority") else { return Ok(()) };
    let number = js::number(Some(sent));
    let fine = sent.is_number() && (1.0..=100.0).contains(&number);
    require(fine, "Priority must be a number between 1 and 100")
}

/// The record of a checked body. With tokens it is ready for use; without, it waits for them.
///
/// # Errors
/// Tokens of another form, in the words of JavaScript.
pub(in super::super) fn record(made: &Made<'_>, body: &Body) -> Result<Record, Failure> {
    let sent = |name: &str| body.get(name);
    let sealed = |name: &str| seal(made.vault, Service::Claude, sent(name));
    let on = |name: &str| (sent(name) == Some(&Value::Bool(true))).to_string();
    let tokens = js::or(sent("claudeAiOauth"));
    let stored = tokens.map(|tokens| oauth::stored(made.vault, tokens, "claudeAiOauth"));
    let stored = stored.transpose()?;
    let plan = tokens.and_then(|tokens| js::or(tokens.get("subscriptionInfo")));
    let ext = ext_info(sent("extInfo"), tokens);
    let mut record: Record = vec![
        ("id", made.id.to_owned()),
        ("name", js::field(sent("name"))),
        ("description", js::field(sent("description"))),
        ("email", sealed("email")),
        ("password", sealed("password")),
    ];
    match &stored {
        Some(stored) => record.extend([
            ("claudeAiOauth", stored.whole.clone()),
            ("accessToken", stored.access_token.clone()),
            ("refreshToken", stored.refresh_token.clone()),
            ("expiresAt", stored.expires_at.clone()),
            ("scopes", stored.scopes.clone()),
        ]),
        None => record.extend([
            ("refreshToken", sealed("refreshToken")),
            ("accessToken", String::new()),
            ("expiresAt", String::new()),
            ("scopes", String::new()),
        ]),
    }
    record.extend([
        ("proxy", proxy(sent("proxy"))),
        ("isActive", "true".into()),
        ("accountType", text_or(sent("accountType"), "shared")),
        ("platform", sent("platform").map_or_else(|| "claude".into(), |own| js::field(Some(own)))),
        ("priority", text_or(sent("priority"), "50")),
        ("createdAt", iso(made.now_ms)),
        ("lastUsedAt", String::new()),
        ("lastRefreshAt", String::new()),
        ("status", if stored.is_some() { "active" } else { "created" }.into()),
        ("errorMessage", String::new()),
        ("schedulable", "true".into()),
        ("autoStopOnWarning", on("autoStopOnWarning")),
        ("useUnifiedUserAgent", on("useUnifiedUserAgent")),
    ]);
    if stored.is_some() {
        record.push(("useUnifiedClientId", on("useUnifiedClientId")));
        record.push(("unifiedClientId", text_or(sent("unifiedClientId"), "")));
    }
    record.extend([
        ("subscriptionInfo", plan.map(js::stringify).unwrap_or_default()),
        ("subscriptionExpiresAt", text_or(sent("expiresAt"), "")),
        ("extInfo", ext.as_ref().map(js::stringify).unwrap_or_default()),
        ("maxConcurrency", text_or(sent("maxConcurrency"), "0")),
        ("interceptWarmup", on("interceptWarmup")),
        ("disableTempUnavailable", loose_flag(sent("disableTempUnavailable")).to_string()),
        ("tempUnavailable503TtlSeconds", seconds_text(sent("tempUnavailable503TtlSeconds"))),
        ("tempUnavailable5xxTtlSeconds", seconds_text(sent("tempUnavailable5xxTtlSeconds"))),
    ]);
    Ok(record)
}

fn text_or(value: Option<&Value>, otherwise: &str) -> String {
    js::or(value).map_or_else(|| otherwise.to_owned(), js::text)
}

/// The new account as the admin API shows it.
pub(in super::super) fn shown(record: &Record, body: &Body) -> Value {
    let stored = |name: &str| {
        record.iter().find(|(field, _)| *field == name).map_or("", |(_, value)| value.as_str())
    };
    let sent = |name: &str, unsent: Value| match body.get(name) {
        None => unsent,
        Some(value) => js::parsed(value),
    };
    let or = |name: &str, otherwise: Value| js::or(body.get(name)).map_or(otherwise, js::parsed);
    let on = |name: &str| body.get(name) == Some(&Value::Bool(true));
    let tokens = js::or(body.get("claudeAiOauth"));
    let seconds = |name: &str| whole_seconds(body.get(name)).map_or(Value::Null, number::json);
    let end = |text: &str| match js::trim(text) {
        text if text.is_empty() => Value::Null,
        text => text.into(),
    };
    // The end is shown as it was sent; a text without anything in it is none.
    let subscription = match js::or(body.get("expiresAt")) {
        Some(Value::String(text)) => end(text),
        Some(value) => js::parsed(value),
        None => Value::Null,
    };
    json!({
        "id": stored("id"),
        "name": sent("name", Value::Null),
        "description": sent("description", "".into()),
        "email": sent("email", "".into()),
        "isActive": true,
        "proxy": sent("proxy", Value::Null),
        "accountType": stored("accountType"),
        "platform": sent("platform", "claude".into()),
        "priority": or("priority", 50.into()),
        "status": stored("status"),
        "createdAt": stored("createdAt"),
        "expiresAt": subscription.clone(),
        "subscriptionExpiresAt": subscription,
        "scopes": tokens.and_then(|t| t.get("scopes")).cloned().unwrap_or_else(|| json!([])),
        "autoStopOnWarning": on("autoStopOnWarning"),
        "useUnifiedUserAgent": on("useUnifiedUserAgent"),
        "useUnifiedClientId": on("useUnifiedClientId"),
        "unifiedClientId": or("unifiedClientId", "".into()),
        "extInfo": ext_info(body.get("extInfo"), tokens),
        "interceptWarmup": on("interceptWarmup"),
        "disableTempUnavailable": loose_flag(body.get("disableTempUnavailable")),
        "tempUnavailable503TtlSeconds": seconds("tempUnavailable503TtlSeconds"),
        "tempUnavailable5xxTtlSeconds": seconds("tempUnavailable5xxTtlSeconds"),
        "tokenExpiresAt": end(stored("expiresAt")),
    })
}

/// The change that a checked body makes on a record; `body` has the new name of the subscription's end.
///
/// # Errors
/// Values of another form, in the words of JavaScript.
pub(in super::super) fn patch(
    made: &Made<'_>,
    body: &Body,
    before: &Fields,
) -> Result<Patch, Failure> {
    let mut patch = Patch::new();
    let tokens = js::or(body.get("claudeAiOauth"));
    let mut ext_info_sent = false;
    for (field, value) in body {
        let value = Some(value);
        patch = match field.as_str() {
            "email" => patch.set("email", seal(made.vault, Service::Claude, value)),
            "password" => patch.set("password", seal(made.vault, Service::Claude, value)),
            "refreshToken" => patch.set("refreshToken", seal(made.vault, Service::Claude, value)),
            "proxy" => patch.set("proxy", proxy(value)),
            "priority" => patch.set("priority", to_text(value)?),
            "maxConcurrency" => patch.set("maxConcurrency", to_text(value)?),
            "disableTempUnavailable" => {
                patch.set("disableTempUnavailable", loose_flag(value).to_string())
            }
            "tempUnavailable503TtlSeconds" | "tempUnavailable5xxTtlSeconds" => {
                patch.set(field.clone(), seconds_text(value))
            }
            "subscriptionInfo" => patch.set("subscriptionInfo", plan_text(value)),
            "subscriptionExpiresAt" => patch.set("subscriptionExpiresAt", text_or(value, "")),
            "extInfo" => {
                ext_info_sent = true;
                let ext = ext_info(value, body.get("claudeAiOauth"));
                patch.set("extInfo", ext.as_ref().map(js::stringify).unwrap_or_default())
            }
            "claudeAiOauth" => match tokens {
                Some(tokens) => login(made, patch, tokens, ext_info_sent)?,
                None => patch,
            },
            plain if PLAIN.contains(&plain) => patch.set(field.clone(), js::field(value)),
            _ => patch,
        };
    }
    if let Some(end) = first_expiry(made, body, before) {
        patch = patch.set("expiresAt", end);
    }
    patch = patch.set("updatedAt", iso(made.now_ms));
    if body.contains_key("schedulable") {
        patch = patch.del(STOPS);
    }
    Ok(patch)
}

fn plan_text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => js::stringify(other),
        None => String::new(),
    }
}

fn login(
    made: &Made<'_>,
    patch: Patch,
    tokens: &Value,
    ext_info_sent: bool,
) -> Result<Patch, Failure> {
    let stored = oauth::stored(made.vault, tokens, "value")?;
    let patch = patch
        .set("claudeAiOauth", stored.whole)
        .set("accessToken", stored.access_token)
        .set("refreshToken", stored.refresh_token)
        .set("expiresAt", stored.expires_at)
        .set("scopes", stored.scopes)
        .set("status", "active")
        .set("errorMessage", "")
        .set("lastRefreshAt", iso(made.now_ms));
    let ext = ext_info(tokens.get("extInfo"), Some(tokens)).filter(|_| !ext_info_sent);
    Ok(match ext {
        Some(ext) => patch.set("extInfo", js::stringify(&ext)),
        None => patch,
    })
}

/// The first refresh token that an account gets is used soon, so that it is known to be good.
fn first_expiry(made: &Made<'_>, body: &Body, before: &Fields) -> Option<String> {
    let stored = before.get("refreshToken").map_or("", String::as_str);
    if !made.vault.decrypt(Service::Claude, stored).text.is_empty() {
        return None;
    }
    let soon = (made.now_ms + FIRST_REFRESH_MS).to_string();
    let own = js::or(body.get("refreshToken"));
    if own.is_some_and(|own| !js::trim(&js::text(own)).is_empty()) {
        return Some(soon);
    }
    let tokens = js::or(body.get("claudeAiOauth"))?;
    js::or(tokens.get("refreshToken"))?;
    let end = js::parse_int(&js::field(tokens.get("expiresAt")))?;
    #[expect(clippy::cast_precision_loss, reason = "epoch milliseconds")]
    let late = (end - made.now_ms) as f64 > HOUR_MS;
    late.then_some(soon)
}
