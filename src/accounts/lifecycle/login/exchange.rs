//! A code for tokens.

use compat::{js, number};
use serde_json::{Map, Value, json};

use super::{
    Login,
    pkce::{REDIRECT, clean},
};
use crate::{
    accounts::{lifecycle::AccountAdmin, oauth},
    domain::{Failure, ProxyConfig},
};

/// Lifetime that a setup token asks for: a year, in seconds.
const SETUP_SECONDS: i64 = 31_536_000;
/// Scopes of a token whose answer names none.
const DEFAULT_SCOPES: [&str; 2] = ["user:inference", "user:profile"];

/// What is given for tokens.
pub(super) struct Grant<'a> {
    pub code: &'a str,
    pub verifier: &'a str,
    pub state: &'a str,
    pub proxy: Option<ProxyConfig>,
}

impl AccountAdmin {
    /// Tokens in the form that accounts keep them in.
    pub(super) async fn exchange(&self, login: Login, grant: Grant<'_>) -> Result<Value, Failure> {
        let what = match login {
            Login::Full => "Token exchange failed",
            Login::SetupToken => "Setup Token exchange failed",
        };
        let body = grant_body(login, &grant);
        let asked = self.0.accounts.ask(oauth::grant_request(&body, grant.proxy)).await;
        let (status, answer) = asked.map_err(|_| {
            Failure::fault(format!("{what}: No response from server (network error or timeout)"))
        })?;
        let answer = parsed(&answer);
        if !(200..300).contains(&status) {
            let said = told(&answer, true);
            return Err(Failure::fault(format!("{what}: HTTP {status}{said}")));
        }
        tokens(login, &answer, self.now_ms())
            .map_err(|why| Failure::fault(format!("{what}: {why}")))
    }
}

fn grant_body(login: Login, grant: &Grant<'_>) -> Value {
    let mut body = json!({
        "grant_type": "authorization_code",
        "client_id": oauth::CLIENT_ID,
        "code": clean(grant.code),
        "redirect_uri": REDIRECT,
        "code_verifier": grant.verifier,
        "state": grant.state,
    });
    if login == Login::SetupToken {
        body["expires_in"] = SETUP_SECONDS.into();
    }
    body
}

/// An answer as the legacy service's HTTP library reads it: JSON where it is some, else text.
pub(super) fn parsed(answer: &[u8]) -> Value {
    serde_json::from_slice(answer)
        .unwrap_or_else(|_| String::from_utf8_lossy(answer).into_owned().into())
}

/// What a refusal says of itself, to follow its status.
pub(super) fn told(answer: &Value, at_length: bool) -> String {
    if !js::truthy(Some(answer)) {
        return String::new();
    }
    if let Value::String(text) = answer {
        return format!(": {text}");
    }
    match js::or(answer.get("error")) {
        Some(error) => {
            let more = js::or(answer.get("error_description")).filter(|_| at_length);
            let more = more.map(|more| format!(" - {}", js::text(more))).unwrap_or_default();
            format!(": {}{more}", js::text(error))
        }
        None if at_length => format!(": {}", js::stringify(answer)),
        None => String::new(),
    }
}

/// `claudeAiOauth` of an answer.
fn tokens(login: Login, answer: &Value, now_ms: i64) -> Result<Value, &'static str> {
    let scopes = match js::or(answer.get("scope")) {
        None => json!(DEFAULT_SCOPES),
        Some(Value::String(scopes)) => json!(scopes.split(' ').collect::<Vec<_>>()),
        Some(_) => return Err("data.scope.split is not a function"),
    };
    let end = end(now_ms.div_euclid(1000), answer.get("expires_in")) * 1000.0;
    let or_null = |name: &str| js::or(answer.get(name)).cloned().unwrap_or_default();
    let (organization, account) = (or_null("organization"), or_null("account"));
    let mut tokens = Map::new();
    if let Some(token) = answer.get("access_token") {
        tokens.insert("accessToken".into(), token.clone());
    }
    match (login, answer.get("refresh_token")) {
        (Login::SetupToken, _) => {
            tokens.insert("refreshToken".into(), "".into());
        }
        (Login::Full, Some(token)) => {
            tokens.insert("refreshToken".into(), token.clone());
        }
        (Login::Full, None) => {}
    }
    tokens.insert("expiresAt".into(), number::json(end));
    tokens.insert("scopes".into(), scopes);
    tokens.insert("isMax".into(), true.into());
    tokens.insert("extInfo".into(), ids(&organization, &account));
    tokens.insert("organization".into(), organization);
    tokens.insert("account".into(), account);
    // The ids stand last, as in the legacy service.
    if let Some(ids) = tokens.shift_remove("extInfo") {
        tokens.insert("extInfo".into(), ids);
    }
    let plan = oauth::plan(answer).and_then(|plan| serde_json::from_str(&plan).ok());
    if let Some(plan) = plan {
        tokens.insert("subscriptionInfo".into(), plan);
    }
    Ok(Value::Object(tokens))
}

/// Second of the end. A lifetime that is no number is set behind the second, not added, as JavaScript's
/// `+` does.
fn end(now: i64, lifetime: Option<&Value>) -> f64 {
    match lifetime {
        Some(text @ (Value::String(_) | Value::Array(_) | Value::Object(_))) => {
            js::number(Some(&Value::String(format!("{now}{}", js::text(text)))))
        }
        #[expect(clippy::cast_precision_loss, reason = "epoch seconds")]
        other => now as f64 + js::number(other),
    }
}

/// Ids of organisation and account; null when there is neither.
fn ids(organization: &Value, account: &Value) -> Value {
    let id = |of: &Value, names: [&str; 4]| {
        names.into_iter().find_map(|name| js::or(of.get(name)).cloned())
    };
    let mut found = Map::new();
    let org = id(organization, ["uuid", "id", "organization_uuid", "organization_id"]);
    let own = id(account, ["uuid", "id", "account_uuid", "account_id"]);
    for (name, id) in [("org_uuid", org), ("account_uuid", own)] {
        if let Some(id) = id {
            found.insert(name.to_owned(), id);
        }
    }
    if found.is_empty() { Value::Null } else { Value::Object(found) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(json!({"error": "invalid_grant", "error_description": "used"}), ": invalid_grant - used")]
    #[case(json!({"error": {"type": "x"}}), ": [object Object]")]
    #[case(json!({"detail": 1.0}), ": {\"detail\":1}")]
    #[case(json!("busy"), ": busy")]
    #[case(json!(""), "")]
    fn refusals(#[case] answer: Value, #[case] said: &str) {
        assert_eq!(told(&answer, true), said);
    }

    #[rstest]
    #[case(json!(60), 65.0)]
    #[case(json!(null), 5.0)]
    #[case(json!(true), 6.0)]
    #[case(json!("60"), 560.0)]
    #[case(json!([]), 5.0)]
    fn ends_are_reckoned_as_javascript_does(#[case] lifetime: Value, #[case] at: f64) {
        assert!((end(5, Some(&lifetime)) - at).abs() < f64::EPSILON);
    }

    #[test]
    fn an_answer_becomes_tokens() {
        let answer = json!({
            "access_token": "a", "refresh_token": "r", "expires_in": 60, "scope": "x y",
            "organization": {"uuid": "o"}, "account": {"uuid": "u", "email_address": "e"},
        });
        let shown = tokens(Login::Full, &answer, 1_999).unwrap();
        let expected = json!({
            "accessToken": "a", "refreshToken": "r", "expiresAt": 61_000, "scopes": ["x", "y"],
            "isMax": true, "organization": {"uuid": "o"},
            "account": {"uuid": "u", "email_address": "e"},
            "extInfo": {"org_uuid": "o", "account_uuid": "u"},
        });
        assert_eq!(shown.to_string(), expected.to_string());
        let setup = tokens(Login::SetupToken, &json!({"access_token": "a"}), 0).unwrap();
        assert_eq!(setup["refreshToken"], "");
        assert_eq!(setup["expiresAt"], Value::Null);
        assert_eq!(setup["scopes"], json!(DEFAULT_SCOPES));
    }
}
