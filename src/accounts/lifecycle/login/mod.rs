//! Logging in to a Claude account: the way over a browser, and the way with a session cookie
//! (contract/anthropic.md §9).

mod cookie;
mod exchange;
mod pkce;
mod session;

use compat::js;
use serde_json::{Value, json};

use super::{AccountAdmin, members};
use crate::domain::{Declined, Failure};
use pkce::Pkce;

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
        let pkce = Pkce::new();
        let mut fields = vec![
            ("codeVerifier", pkce.verifier.expose()),
            ("state", &pkce.state),
            ("codeChallenge", &pkce.challenge),
        ];
        if login == Login::SetupToken {
            fields.push(("type", "setup-token"));
        }
        let session = self.remember_login(&fields, body.get("proxy")).await?;
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
        let Some(begun) = self.begun_login(session).await? else {
            return Err(Declined::invalid("Invalid or expired OAuth session").into());
        };
        if login == Login::SetupToken && begun.get("type") != "setup-token" {
            let error = "Invalid session type for setup token exchange";
            return Err(Declined::invalid(error).into());
        }
        if js::date_ms(begun.get("expiresAt")).is_some_and(|end| self.now_ms() > end) {
            self.forget_login(&begun).await?;
            let error = "OAuth session has expired, please generate a new authorization URL";
            return Err(Declined::invalid(error).into());
        }
        let code = pkce::code_of(input)
            .map_err(|why| Declined::invalid("Failed to parse authorization input").saying(why))?;
        let grant = exchange::Grant {
            code: &code,
            verifier: begun.get("codeVerifier"),
            state: begun.get("state"),
            proxy: crate::accounts::proxy::read(begun.get("proxy")),
        };
        let tokens = self.exchange(login, grant).await?;
        self.forget_login(&begun).await?;
        Ok(tokens)
    }
}
