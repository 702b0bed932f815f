//! Temporary credentials as their givers write them down.

use serde_json::{Map, Value};

use super::AccessKey;

/// Credentials for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The credentials.
    pub key: AccessKey,
    /// When they end, epoch milliseconds; `None` for never.
    pub ends_ms: Option<i64>,
}

const INCOMPLETE: &str = "the answer holds no complete credentials";

/// What a container's agent or a machine's metadata service answers.
///
/// # Errors
/// What is wrong with it.
pub fn of_metadata(body: &[u8]) -> Result<Lease, String> {
    let read = object(body)?;
    let text = |name: &str| own(&read, name).ok_or_else(|| INCOMPLETE.to_owned());
    let ends = text("Expiration")?;
    lease(text("AccessKeyId")?, text("SecretAccessKey")?, Some(text("Token")?), moment(&ends)?)
}

/// What a program named by `credential_process` prints.
///
/// # Errors
/// What is wrong with it.
pub fn of_process(printed: &[u8], now_ms: i64) -> Result<Lease, String> {
    let read = object(printed)?;
    if read.get("Version").and_then(Value::as_f64) != Some(1.0) {
        return Err("it did not print credentials of Version 1".to_owned());
    }
    let text = |name: &str| own(&read, name);
    let (Some(id), Some(secret)) = (text("AccessKeyId"), text("SecretAccessKey")) else {
        return Err("it printed no complete credentials".to_owned());
    };
    let ends = text("Expiration").filter(|text| !text.is_empty());
    let ends = ends.as_deref().map(moment).transpose()?.flatten();
    if ends.is_some_and(|ends| ends < now_ms) {
        return Err("it printed credentials that have ended".to_owned());
    }
    lease(id, secret, text("SessionToken").filter(|token| !token.is_empty()), ends)
}

/// What the single sign-on service answers for a role.
///
/// # Errors
/// What is wrong with it.
pub fn of_sign_on(body: &[u8]) -> Result<Lease, String> {
    let read = object(body)?;
    let role = read.get("roleCredentials").and_then(Value::as_object);
    let role = role.ok_or_else(|| INCOMPLETE.to_owned())?;
    let text = |name: &str| own(role, name).ok_or_else(|| INCOMPLETE.to_owned());
    let ends = role.get("expiration").and_then(Value::as_i64).filter(|ends| *ends != 0);
    let ends = ends.ok_or_else(|| INCOMPLETE.to_owned())?;
    let token = Some(text("sessionToken")?);
    lease(text("accessKeyId")?, text("secretAccessKey")?, token, Some(ends))
}

pub(super) fn lease(
    id: String,
    secret: String,
    token: Option<String>,
    ends_ms: Option<i64>,
) -> Result<Lease, String> {
    if id.is_empty() || secret.is_empty() {
        return Err(INCOMPLETE.to_owned());
    }
    let key = AccessKey { id, secret: secret.into(), session_token: token.map(Into::into) };
    Ok(Lease { key, ends_ms })
}

/// A moment in RFC 3339.
pub(super) fn moment(text: &str) -> Result<Option<i64>, String> {
    let read = text.trim().parse::<jiff::Timestamp>();
    read.map(|at| Some(at.as_millisecond())).map_err(|_| format!("\"{text}\" is no moment"))
}

// Texts of the parser are not shown: they may quote what was read.
fn object(text: &[u8]) -> Result<Map<String, Value>, String> {
    serde_json::from_slice(text.trim_ascii()).map_err(|_| "the answer is not JSON".to_owned())
}

fn own(read: &Map<String, Value>, name: &str) -> Option<String> {
    read.get(name).and_then(Value::as_str).map(str::to_owned)
}
