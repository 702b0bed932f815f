//! The tokens of a login, as they are handed from the token endpoint to an account's record.

use compat::{
    crypto::{Service, Vault},
    js,
};
use serde_json::{Map, Value};

use super::{no_member, seal};
use crate::domain::Failure;

/// Stored fields of `claudeAiOauth`.
pub(super) struct Stored {
    /// The whole object, sealed.
    pub whole: String,
    pub access_token: String,
    pub refresh_token: String,
    /// Epoch milliseconds, as text.
    pub expires_at: String,
    /// Separated by spaces.
    pub scopes: String,
}

/// Seals the tokens. `called` is what the legacy service's own variable is called in its errors.
///
/// # Errors
/// No end, or scopes that are no list, in the words of JavaScript.
pub(super) fn stored(vault: &Vault, oauth: &Value, called: &str) -> Result<Stored, Failure> {
    let member = |name: &str| oauth.get(name);
    let expires_at = super::to_text(member("expiresAt"))?;
    let scopes = match member("scopes") {
        None => return Err(no_member("undefined", "join")),
        Some(Value::Null) => return Err(no_member("null", "join")),
        Some(Value::Array(scopes)) => {
            scopes.iter().map(|scope| js::field(Some(scope))).collect::<Vec<_>>().join(" ")
        }
        Some(_) => {
            return Err(Failure::fault(format!("{called}.scopes.join is not a function")));
        }
    };
    Ok(Stored {
        whole: vault.encrypt(Service::Claude, &js::stringify(oauth)),
        access_token: seal(vault, Service::Claude, member("accessToken")),
        refresh_token: seal(vault, Service::Claude, member("refreshToken")),
        expires_at,
        scopes,
    })
}

/// `extInfo` to store: the two ids, from what was sent, else from the tokens' own, else from the
/// organisation and account the vendor named. `None` when there is none.
pub(super) fn ext_info(sent: Option<&Value>, oauth: Option<&Value>) -> Option<Value> {
    let object = |value: Option<&Value>| match js::or(value) {
        Some(Value::String(text)) => {
            serde_json::from_str::<Value>(text).ok().filter(|value| value.is_object())
        }
        Some(value @ Value::Object(_)) => Some(value.clone()),
        _ => None,
    };
    let source = object(sent).or_else(|| {
        let oauth = oauth?.as_object()?;
        object(oauth.get("extInfo")).or_else(|| {
            let id = |of: &str, names: [&str; 4]| {
                let holder = oauth.get(of)?;
                names.into_iter().find_map(|name| js::or(holder.get(name))).cloned()
            };
            let organization = ["uuid", "id", "organization_uuid", "organization_id"];
            let account = ["uuid", "id", "account_uuid", "account_id"];
            let mut found = Map::new();
            if let Some(id) = id("organization", organization) {
                found.insert("org_uuid".into(), id);
            }
            if let Some(id) = id("account", account) {
                found.insert("account_uuid".into(), id);
            }
            (!found.is_empty()).then(|| Value::Object(found))
        })
    })?;
    let mut kept = Map::new();
    for name in ["org_uuid", "account_uuid"] {
        if let Some(id @ Value::String(text)) = source.get(name)
            && !text.is_empty()
        {
            kept.insert(name.to_owned(), id.clone());
        }
    }
    (!kept.is_empty()).then(|| Value::Object(kept))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!({"org_uuid": "o", "x": 1}), json!({}), Some(json!({"org_uuid": "o"})))]
    #[case(json!("{\"account_uuid\":\"a\"}"), json!({}), Some(json!({"account_uuid": "a"})))]
    #[case(json!(null), json!({"extInfo": {"org_uuid": "o"}}), Some(json!({"org_uuid": "o"})))]
    #[case(json!(""), json!({"organization": {"id": "o"}, "account": {"uuid": "a"}}), Some(json!({"org_uuid": "o", "account_uuid": "a"})))]
    #[case(json!({"x": 1}), json!({"organization": {"id": "o"}}), None)]
    #[case(json!(null), json!({}), None)]
    fn ids_are_found(#[case] sent: Value, #[case] oauth: Value, #[case] found: Option<Value>) {
        assert_eq!(ext_info(Some(&sent), Some(&oauth)), found);
    }
}
