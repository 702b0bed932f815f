//! What an administrator may send about an account, and the record that is made of it. Pure: nothing
//! here asks Redis, and every rule, default and text is that of the legacy admin API
//! (contract/admin-api.md §5.1 to §5.4, openai-azure-droid.md §6). Secrets are sealed on the way.

pub(super) mod azure;
pub(super) mod bedrock;
mod checks;
pub(super) mod claude;
pub(super) mod console;
mod oauth;
pub(super) mod openai;
pub(super) mod responses;

pub(super) use checks::{Grouping, with_expiry};

use compat::{
    crypto::{Service, Vault},
    js,
    pool::Patch,
};
use serde_json::{Map, Value};

use crate::domain::Failure;

/// Members of a request body.
pub(super) type Body = Map<String, Value>;
/// Fields of a new record, in the legacy service's order.
pub(super) type Record = Vec<(&'static str, String)>;
/// The same where the fields follow from what is shown.
pub(super) type Named = Vec<(String, String)>;

/// What only the operation knows about a new account.
pub(super) struct Made<'a> {
    /// New id.
    pub id: &'a str,
    /// Now.
    pub now_ms: i64,
    /// Today, in the operator's calendar.
    pub today: &'a str,
    /// Seals secrets.
    pub vault: &'a Vault,
}

/// A secret as it is stored; what is no text is sealed as its text, where the legacy service would
/// store it open.
fn seal(vault: &Vault, service: Service, value: Option<&Value>) -> String {
    vault.encrypt(service, &js::or(value).map(js::text).unwrap_or_default())
}

/// The same for kinds of which the legacy service takes nothing but text for a secret.
fn seal_text(vault: &Vault, service: Service, value: Option<&Value>) -> Result<String, Failure> {
    let received = match js::or(value) {
        None => return Ok(String::new()),
        Some(Value::String(text)) => return Ok(vault.encrypt(service, text)),
        Some(Value::Array(_)) => "an instance of Array".to_owned(),
        Some(Value::Object(_)) => "an instance of Object".to_owned(),
        Some(Value::Bool(flag)) => format!("type boolean ({flag})"),
        Some(other) => format!("type number ({})", js::text(other)),
    };
    Err(Failure::fault(format!(
        "The \"data\" argument must be of type string or an instance of Buffer, TypedArray, or DataView. \
         Received {received}"
    )))
}

/// A proxy as it is stored.
fn proxy(value: Option<&Value>) -> String {
    js::or(value).map(js::stringify).unwrap_or_default()
}

/// `value.toString()`, which `null` and `undefined` do not have.
fn to_text(value: Option<&Value>) -> Result<String, Failure> {
    match value {
        None => Err(no_member("undefined", "toString")),
        Some(Value::Null) => Err(no_member("null", "toString")),
        Some(value) => Ok(js::text(value)),
    }
}

/// The text of JavaScript's own error.
fn no_member(of: &str, member: &str) -> Failure {
    Failure::fault(format!("Cannot read properties of {of} (reading '{member}')"))
}

/// A proxy that was sent, as kinds store it that take its text as it is.
fn sent_proxy(proxy: &Value) -> String {
    proxy.as_str().map_or_else(|| js::stringify(proxy), str::to_owned)
}

/// The record of an account whose fields follow from what is shown of it.
fn record_of(shown: &Value) -> Named {
    let members = shown.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.clone(), js::field(Some(value)))).collect()
}

/// A proxy that is stored as text is shown as what the text says.
fn show_proxy(shown: &mut Body) {
    if let Some(Value::String(proxy)) = shown.get("proxy").filter(|own| js::truthy(Some(*own))) {
        let proxy = serde_json::from_str(proxy).unwrap_or(Value::Null);
        shown.insert("proxy".to_owned(), proxy);
    }
}

/// The change that stores each value under its own name, as `text` spells it.
fn stored_values(
    values: &Body,
    text: impl Fn(&str, &Value) -> Result<String, Failure>,
) -> Result<Patch, Failure> {
    values.iter().try_fold(Patch::new(), |patch, (name, value)| {
        Ok(patch.set(name.clone(), text(name, value)?))
    })
}
