//! ChatGPT accounts, as Codex uses them (contract/openai-azure-droid.md §6).
//!
//! A change stores every member that was sent under its own name, as the legacy service does; tokens are
//! sealed, and what the vendor told of the account stands in fields of its own.

use compat::{
    clock::iso,
    crypto::{Service, Vault},
    js,
    pool::{Fields, Patch},
};
use serde_json::{Map, Value, json};

use super::{
    Body, Made, Named,
    checks::{account_type, flag, grouped},
    no_member, record_of, seal_text, sent_proxy, show_proxy, stored_values,
};
use crate::domain::{Declined, Failure};

const TYPES: [&str; 3] = ["shared", "dedicated", "group"];
const TYPE_ERROR: &str = "Invalid account type. Must be \"shared\", \"dedicated\" or \"group\"";
const GROUP_ERROR: &str = "Group ID or Group IDs are required for group type accounts";
/// A login that does not say how long it is good for is taken to be good for a year.
const YEAR_MS: i64 = 365 * 86_400_000;
/// Length of an initialisation vector in a ciphertext; a colon follows it.
const IV_LENGTH: usize = 32;

/// What the vendor tells of an account, under the same names in `accountInfo` and the record.
const TOLD: [&str; 6] = [
    "accountId",
    "chatgptUserId",
    "organizationId",
    "organizationRole",
    "organizationTitle",
    "planType",
];
/// Members that no answer repeats.
const SECRET: [&str; 4] = ["idToken", "accessToken", "refreshToken", "openaiOauth"];

/// Checks the body of a new account.
///
/// # Errors
/// No name.
pub(in super::super) fn check_new(body: &Body) -> Result<(), Declined> {
    if js::truthy(body.get("name")) { Ok(()) } else { Err(unsaid(400, "账户名称不能为空")) }
}

/// Checks the body of a change.
///
/// # Errors
/// The first thing that is wrong.
pub(in super::super) fn check_change(body: &Body) -> Result<(), Declined> {
    account_type(body, &TYPES, TYPE_ERROR)?;
    grouped(body, true, GROUP_ERROR)
}

/// `{success: false, message}`: how these routes decline.
pub(in super::super) fn unsaid(status: u16, message: &str) -> Declined {
    let mut declined = Declined::new(status, "").unsuccessful();
    declined.body.shift_remove("error");
    declined.saying(message)
}

/// The record of a checked body, and what the admin API shows of it.
///
/// # Errors
/// Tokens of another form, in the words of JavaScript.
pub(in super::super) fn record(made: &Made<'_>, body: &Body) -> Result<(Named, Value), Failure> {
    let or = |name: &str, otherwise: Value| js::or(body.get(name)).map_or(otherwise, js::parsed);
    let tokens = tokens(body.get("openaiOauth"))?;
    let sealed = |name: &str| sealed_token(made.vault, &tokens, name);
    let (id_token, access, refresh) =
        (sealed("idToken")?, sealed("accessToken")?, sealed("refreshToken")?);
    let told = |name: &str| js::or(body.get("accountInfo")).and_then(|info| js::or(info.get(name)));
    let email = email(made.vault, told("email"))?;
    let end = match js::or(tokens.get("expires_in")) {
        Some(seconds) => after(made.now_ms, seconds)?,
        None => iso(made.now_ms + YEAR_MS),
    };
    let verified = js::or(body.get("accountInfo")).and_then(|info| info.get("emailVerified"));
    let now = iso(made.now_ms);
    let mut shown = json!({
        "id": made.id,
        "name": body.get("name").map(js::parsed),
        "description": or("description", "".into()),
        "accountType": or("accountType", "shared".into()),
        "groupId": null,
        "priority": or("priority", 50.into()),
        "rateLimitDuration": js::given(body.get("rateLimitDuration")).map_or(60.into(), js::parsed),
        "emailVerified": (verified == Some(&Value::Bool(true))).to_string(),
        "expiresAt": end,
        "subscriptionExpiresAt": null,
        "isActive": "true",
        "status": "active",
        "schedulable": "true",
        "disableAutoProtection": "false",
        "lastRefresh": now,
        "createdAt": now,
        "updatedAt": now,
    });
    for name in TOLD {
        shown[name] = told(name).map_or_else(|| "".into(), js::parsed);
    }
    if let Some(proxy) = js::or(body.get("proxy")) {
        shown["proxy"] = sent_proxy(proxy).into();
    }
    let mut record = record_of(&shown);
    record.extend([
        ("idToken".into(), id_token),
        ("accessToken".into(), access),
        ("refreshToken".into(), refresh),
        ("openaiOauth".into(), made.vault.encrypt(Service::OpenAi, &js::stringify(&tokens))),
        ("email".into(), email),
    ]);
    Ok((record, shown))
}

/// Tokens that were sent, as an object or as its text.
fn tokens(sent: Option<&Value>) -> Result<Value, Failure> {
    let tokens = match js::or(sent) {
        None => return Ok(json!({})),
        Some(Value::String(text)) => serde_json::from_str(text)?,
        Some(tokens) => tokens.clone(),
    };
    if tokens.is_null() { Err(no_member("null", "idToken")) } else { Ok(tokens) }
}

fn sealed_token(vault: &Vault, tokens: &Value, name: &str) -> Result<String, Failure> {
    match js::or(tokens.get(name)) {
        None => Ok(String::new()),
        Some(Value::String(text)) if js::trim(text).is_empty() => Ok(String::new()),
        Some(Value::String(text)) => Ok(vault.encrypt(Service::OpenAi, text)),
        Some(_) => Err(Failure::fault(format!("oauthData.{name}.trim is not a function"))),
    }
}

/// An address as it is stored; one that looks like a ciphertext is stored as it is.
fn email(vault: &Vault, sent: Option<&Value>) -> Result<String, Failure> {
    match sent {
        Some(Value::String(text)) if text.chars().nth(IV_LENGTH) == Some(':') => Ok(text.clone()),
        sent => seal_text(vault, Service::OpenAi, sent),
    }
}

/// The moment that lies so many seconds ahead.
fn after(now_ms: i64, seconds: &Value) -> Result<String, Failure> {
    #[expect(clippy::cast_precision_loss, reason = "epoch milliseconds")]
    let end = now_ms as f64 + js::number(Some(seconds)) * 1000.0;
    if !end.is_finite() || end.abs() > 8.64e15 {
        return Err(Failure::fault("Invalid time value"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "within the range of dates")]
    Ok(iso(end.trunc() as i64))
}

/// Whether a change names a refresh token that has to prove itself before it is kept.
pub(in super::super) fn must_prove(body: &Body) -> bool {
    let token = js::or(body.get("openaiOauth")).and_then(|tokens| tokens.get("refreshToken"));
    js::truthy(token)
        && js::truthy(body.get("needsImmediateRefresh"))
        && js::truthy(body.get("requireRefreshSuccess"))
}

/// What is stored while a refresh token proves itself.
///
/// # Errors
/// A token that is no text, in the words of JavaScript.
pub(in super::super) fn trial(made: &Made<'_>, body: &Body) -> Result<Patch, Failure> {
    let mut values = Body::new();
    for name in ["refreshToken", "accessToken"] {
        let token = body.get("openaiOauth").and_then(|tokens| js::or(tokens.get(name)));
        values.extend(token.map(|token| (name.to_owned(), token.clone())));
    }
    values.extend(body.get("proxy").map(|proxy| ("proxy".to_owned(), proxy.clone())));
    patch(made, &values)
}

/// Every value that a change stores: what was sent, and what follows from it. Tokens that were exchanged
/// a moment ago (`proved`) are not put back.
///
/// # Errors
/// A lifetime that is none, in the words of JavaScript.
pub(in super::super) fn values(
    made: &Made<'_>,
    body: &Body,
    before: &Fields,
    proved: bool,
) -> Result<Body, Failure> {
    let mut values = body.clone();
    let mut put = |name: &str, value: Value| values.insert(name.to_owned(), value);
    if let Some(tokens) = js::or(body.get("openaiOauth")).filter(|_| !proved) {
        for name in ["accessToken", "refreshToken"] {
            if let Some(token) = js::or(tokens.get(name)) {
                put(name, token.clone());
            }
        }
        if let Some(seconds) = js::or(tokens.get("expires_in")) {
            put("expiresAt", after(made.now_ms, seconds)?.into());
        }
    }
    if let Some(info) = js::or(body.get("accountInfo")) {
        let own = |name: &str| before.get(name).map_or(Value::Null, |own| own.as_str().into());
        for name in TOLD {
            put(name, js::or(info.get(name)).cloned().unwrap_or_else(|| own(name)));
        }
        let address = js::or(info.get("email")).cloned();
        let stored = before.get("email").map_or("", String::as_str);
        put("email", address.unwrap_or_else(|| opened(made.vault, stored).into()));
        let verified = info.get("emailVerified").cloned();
        put("emailVerified", verified.unwrap_or_else(|| own("emailVerified")));
    }
    Ok(values)
}

/// The change that these values make.
///
/// # Errors
/// A refresh token that is no text, in the words of JavaScript.
pub(in super::super) fn patch(made: &Made<'_>, values: &Body) -> Result<Patch, Failure> {
    let sealed = |value: &Value| seal_text(made.vault, Service::OpenAi, Some(value));
    let patch = stored_values(values, |name, value| {
        Ok(match (name, js::or(Some(value))) {
            ("openaiOauth", Some(Value::String(text))) => made.vault.encrypt(Service::OpenAi, text),
            ("openaiOauth", Some(tokens)) => {
                made.vault.encrypt(Service::OpenAi, &js::stringify(tokens))
            }
            ("idToken" | "accessToken" | "email", Some(value)) => sealed(value)?,
            ("refreshToken", Some(Value::String(text))) if js::trim(text).is_empty() => {
                text.clone()
            }
            ("refreshToken", Some(value @ Value::String(_))) => sealed(value)?,
            ("refreshToken", Some(_)) => {
                return Err(Failure::fault("updates.refreshToken.trim is not a function"));
            }
            ("proxy", Some(proxy)) => sent_proxy(proxy),
            ("disableAutoProtection", _) => flag(Some(value)).to_string(),
            _ => js::field(Some(value)),
        })
    })?;
    Ok(patch.set("updatedAt", iso(made.now_ms)))
}

/// The account as the admin API shows it after a change, without its tokens.
pub(in super::super) fn shown(made: &Made<'_>, before: &Fields, values: &Body) -> Value {
    let mut shown = open(made.vault, before);
    shown.extend(values.iter().map(|(name, value)| (name.clone(), js::parsed(value))));
    if let Some(switch) = values.get("disableAutoProtection") {
        shown.insert("disableAutoProtection".to_owned(), flag(Some(switch)).to_string().into());
    }
    shown.insert("updatedAt".to_owned(), iso(made.now_ms).into());
    finished(shown)
}

/// A record as the admin API shows it, without its tokens.
pub(in super::super) fn shown_record(vault: &Vault, fields: &Fields) -> Value {
    finished(open(vault, fields))
}

fn open(vault: &Vault, fields: &Fields) -> Map<String, Value> {
    let mut names: Vec<&String> = fields.keys().collect();
    names.sort_unstable();
    let texts = names.into_iter().filter_map(|name| {
        let text = fields.get(name)?;
        let text = if name == "email" { opened(vault, text) } else { text.clone() };
        Some((name.clone(), Value::String(text)))
    });
    texts.collect()
}

fn finished(mut shown: Map<String, Value>) -> Value {
    for name in SECRET {
        shown.remove(name);
    }
    show_proxy(&mut shown);
    Value::Object(shown)
}

/// A stored secret in plain.
pub(in super::super) fn opened(vault: &Vault, stored: &str) -> String {
    vault.decrypt(Service::OpenAi, stored).text
}
