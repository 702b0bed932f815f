//! Logging in to a Claude account: the way over a browser, and the way with a session cookie
//! (contract/anthropic.md §9).
//!
//! What the browser way has to remember between its two steps lies in `oauth:{uuid}` for ten minutes,
//! in the legacy service's form, so that either service can finish what the other began.

mod cookie;
mod exchange;
mod pkce;

use compat::{
    clock::iso,
    js, keys,
    store::{Batch, Cmd},
};
use serde_json::{Value, json};

use super::{AccountAdmin, members};
use crate::domain::{Declined, Failure};
use pkce::Pkce;

/// Seconds that a begun login may take.
const SESSION_SECONDS: i64 = 600;

/// What a login is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Everything that Claude Code may do, with a refresh token.
    Full,
    /// Inference only, with a token that lives for a year.
    SetupToken,
}

impl Login {
    /// What operators are told to do with the link, in the legacy service's words.
    fn instructions(self) -> &'static [&'static str] {
        match self {
            Self::Full => &[
                "1. 复制上面的链接到浏览器中打开",
                "2. 登录您的 Anthropic 账户",
                "3. 同意应用权限",
                "4. 复制浏览器地址栏中的完整 URL",
                "5. 在添加账户表单中粘贴完整的回调 URL 和授权码",
            ],
            Self::SetupToken => &[
                "1. 复制上面的链接到浏览器中打开",
                "2. 登录您的 Claude 账户并授权 Claude Code",
                "3. 完成授权后，从返回页面复制 Authorization Code",
                "4. 在添加账户表单中粘贴 Authorization Code",
            ],
        }
    }
}

impl AccountAdmin {
    /// Begins a login: gives the link to open and the session that finishes it. `body` may name a
    /// `proxy` for the exchange.
    ///
    /// # Errors
    /// Redis (500).
    pub async fn begin_login(&self, login: Login, body: &Value) -> Result<Value, Declined> {
        let begun = self.begin(login, body).await;
        let failed = match login {
            Login::Full => "Failed to generate OAuth URL",
            Login::SetupToken => "Failed to generate Setup Token URL",
        };
        let data = begun.map_err(|error| error.under(failed))?;
        Ok(json!({ "success": true, "data": data }))
    }

    async fn begin(&self, login: Login, body: &Value) -> Result<Value, Failure> {
        let (pkce, now_ms) = (Pkce::new(), self.now_ms());
        let session = uuid::Uuid::new_v4().to_string();
        let key = keys::oauth_session(&session);
        let proxy = match js::or(body.get("proxy")) {
            Some(own @ (Value::Object(_) | Value::Array(_))) => js::stringify(own),
            own => js::field(own),
        };
        let mut hset = Cmd::new("HSET").arg(&key);
        if login == Login::SetupToken {
            hset = hset.arg("type").arg("setup-token");
        }
        for (field, value) in [
            ("codeVerifier", pkce.verifier.expose()),
            ("state", &pkce.state),
            ("codeChallenge", &pkce.challenge),
            ("proxy", &proxy),
            ("createdAt", &iso(now_ms)),
            ("expiresAt", &iso(now_ms + SESSION_SECONDS * 1000)),
        ] {
            hset = hset.arg(field).arg(value);
        }
        let mut batch = Batch::atomic();
        batch.push(hset);
        batch.push(Cmd::new("EXPIRE").arg(&key).arg(SESSION_SECONDS));
        self.run(batch).await?;
        Ok(json!({
            "authUrl": pkce::authorize_url(&pkce, login),
            "sessionId": session,
            "instructions": login.instructions(),
        }))
    }

    /// Finishes a login: `{sessionId, authorizationCode | callbackUrl}` become tokens, as
    /// `data.claudeAiOauth` for [`AccountAdmin::create`] and [`AccountAdmin::update`].
    ///
    /// # Errors
    /// A session that is unknown, of another kind or over, a code that is none (400), or what the vendor
    /// said (500).
    pub async fn finish_login(&self, login: Login, body: &Value) -> Result<Value, Declined> {
        let failed = match login {
            Login::Full => "Failed to exchange authorization code",
            Login::SetupToken => "Failed to exchange setup token authorization code",
        };
        let finished = self.finish(login, body).await;
        let tokens = finished.map_err(|error| error.under(failed))?;
        Ok(json!({ "success": true, "data": { "claudeAiOauth": tokens } }))
    }

    async fn finish(&self, login: Login, body: &Value) -> Result<Value, Failure> {
        let body = members(body);
        let input = js::or(body.get("callbackUrl")).or(js::or(body.get("authorizationCode")));
        let (Some(session), Some(input)) = (js::or(body.get("sessionId")), input) else {
            let error = "Session ID and authorization code (or callback URL) are required";
            return Err(Declined::invalid(error).into());
        };
        let key = keys::oauth_session(js::text(session));
        let stored = self.one(Cmd::new("HGETALL").arg(&key)).await?.map()?;
        if stored.is_empty() {
            return Err(Declined::invalid("Invalid or expired OAuth session").into());
        }
        let own = |field: &str| stored.get(field).map_or("", String::as_str);
        if login == Login::SetupToken && own("type") != "setup-token" {
            let error = "Invalid session type for setup token exchange";
            return Err(Declined::invalid(error).into());
        }
        if js::date_ms(own("expiresAt")).is_some_and(|end| self.now_ms() > end) {
            self.run(Cmd::new("DEL").arg(&key)).await?;
            let error = "OAuth session has expired, please generate a new authorization URL";
            return Err(Declined::invalid(error).into());
        }
        let code = pkce::code_of(input)
            .map_err(|why| Declined::invalid("Failed to parse authorization input").saying(why))?;
        let grant = exchange::Grant {
            code: &code,
            verifier: own("codeVerifier"),
            state: own("state"),
            proxy: crate::accounts::proxy::read(own("proxy")),
        };
        let tokens = self.exchange(login, grant).await?;
        self.run(Cmd::new("DEL").arg(&key)).await?;
        Ok(tokens)
    }
}
