//! AWS's single sign-on: its requests and answers, and the token that `aws sso login` leaves on the disk.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use url::Url;

use super::{BuildError, Endpoints, endpoint::origin};
use crate::{
    domain::{HeaderList, Secret},
    platform::BuiltRequest,
};

/// A token as it stands in its file. Members that are not known stay.
#[derive(Clone)]
pub struct Token {
    stored: Map<String, Value>,
}

/// What a renewal answered.
pub struct Renewed {
    token: String,
    refresh_token: Option<String>,
    /// For how long the new token is good.
    pub seconds: f64,
}

impl Token {
    /// Reads the file's text; `None` when it is no token.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let stored: Map<String, Value> = serde_json::from_str(text).ok()?;
        let token = Self { stored };
        let whole = token.own("accessToken").is_some() && token.stored.contains_key("expiresAt");
        whole.then_some(token)
    }

    /// What opens the vendor's doors.
    #[must_use]
    pub fn bearer(&self) -> Secret {
        self.own("accessToken").unwrap_or_default().into()
    }

    /// When it ends, as it was written: a text, or epoch milliseconds.
    #[must_use]
    pub fn ends(&self) -> &Value {
        self.stored.get("expiresAt").unwrap_or(&Value::Null)
    }

    /// The request for a newer one; `None` when the file does not hold what that takes.
    ///
    /// # Errors
    /// When the region makes no host.
    pub fn renewal(
        &self,
        region: &str,
        base: Option<&str>,
    ) -> Option<Result<BuiltRequest, BuildError>> {
        let (id, secret) = (self.own("clientId")?, self.own("clientSecret")?);
        let own = json!({
            "clientId": id, "clientSecret": secret, "grantType": "refresh_token",
            "refreshToken": self.own("refreshToken")?,
        });
        let url = address("oidc", region, base, "/token");
        Some(url.map(|url| {
            let mut headers = HeaderList::new();
            headers.push("content-type", "application/json");
            BuiltRequest { url: url.into(), headers, body: Bytes::from(own.to_string()) }
        }))
    }

    /// The token after its renewal, with its end as it is to be written. A refresh token that the answer does
    /// not replace is kept.
    #[must_use]
    pub fn renewed(&self, answer: Renewed, ends: String) -> Self {
        let mut stored = self.stored.clone();
        let mut set = |name: &str, text: String| stored.insert(name.to_owned(), Value::from(text));
        set("accessToken", answer.token);
        set("expiresAt", ends);
        if let Some(token) = answer.refresh_token {
            set("refreshToken", token);
        }
        Self { stored }
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> Secret {
        serde_json::to_string_pretty(&self.stored).unwrap_or_default().into()
    }

    fn own(&self, name: &str) -> Option<&str> {
        self.stored.get(name).and_then(Value::as_str)
    }
}

/// What the service for tokens answered to a renewal.
///
/// # Errors
/// Its refusal, or what is wrong with the answer.
pub fn renewal_answer(status: u16, body: &[u8]) -> Result<Renewed, String> {
    let read: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| read.get(name).and_then(Value::as_str).map(str::to_owned);
    if status != 200 {
        let code = text("error").unwrap_or_else(|| format!("status {status}"));
        return Err(text("error_description").map_or(code.clone(), |why| format!("{code}: {why}")));
    }
    let seconds = read.get("expiresIn").and_then(Value::as_f64);
    let (Some(token), Some(seconds)) = (text("accessToken"), seconds) else {
        return Err("the answer holds no token".to_owned());
    };
    Ok(Renewed { token, refresh_token: text("refreshToken"), seconds })
}

/// The request for the credentials of a role.
///
/// # Errors
/// When the region makes no host.
pub fn credentials(
    region: &str,
    base: Option<&str>,
    account: &str,
    role: &str,
    bearer: &Secret,
) -> Result<BuiltRequest, BuildError> {
    let mut url = address("portal.sso", region, base, "/federation/credentials")?;
    url.query_pairs_mut().append_pair("account_id", account).append_pair("role_name", role);
    let mut headers = HeaderList::new();
    headers.push("x-amz-sso_bearer_token", bearer.expose());
    Ok(BuiltRequest { url: url.into(), headers, body: Bytes::new() })
}

fn address(service: &str, region: &str, base: Option<&str>, path: &str) -> Result<Url, BuildError> {
    let text = match base {
        Some(base) => format!("{}{path}", base.trim_end_matches('/')),
        None => format!("{}{path}", origin(service, region, &Endpoints::default())?),
    };
    Url::parse(&text).ok().filter(Url::has_host).ok_or(BuildError::Url)
}
