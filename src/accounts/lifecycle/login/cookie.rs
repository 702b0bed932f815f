//! Logging in with the session cookie of a browser that is logged in.

use bytes::Bytes;
use compat::js;
use serde_json::{Value, json};
use url::Url;

use super::{
    Login,
    exchange::{Grant, parsed, told},
    pkce::{Pkce, REDIRECT, cookie_scopes, query_value},
};
use crate::{
    accounts::{lifecycle::AccountAdmin, oauth, proxy},
    domain::{Declined, Failure, HeaderList, ProxyConfig, Secret},
    upstream::UpstreamRequest,
};

const HOST: &str = "claude.ai";
const AGENT: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 \
                     (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";

impl AccountAdmin {
    /// Tokens for `{sessionKey, proxy?}`.
    ///
    /// # Errors
    /// No session key (400), or what went wrong on the way (500).
    pub async fn cookie_login(&self, login: Login, body: &Value) -> Result<Value, Declined> {
        let key = body.get("sessionKey").and_then(Value::as_str).map(js::trim);
        let Some(key) = key.filter(|key| !key.is_empty()).map(Secret::from) else {
            let error = Declined::invalid("sessionKey不能为空").unsuccessful();
            return Err(error.saying("请提供有效的sessionKey值"));
        };
        let proxy = match js::or(body.get("proxy")) {
            Some(Value::String(text)) => proxy::read(text),
            Some(own) => proxy::read(&js::stringify(own)),
            None => None,
        };
        let done = self.with_cookie(login, &key, proxy).await;
        let data = done.map_err(|error| error.under("Cookie授权失败").unsuccessful())?;
        Ok(json!({ "success": true, "data": data }))
    }

    async fn with_cookie(
        &self,
        login: Login,
        key: &Secret,
        proxy: Option<ProxyConfig>,
    ) -> Result<Value, Failure> {
        let (organization, capabilities) = self.organization(key, proxy.clone()).await?;
        let pkce = Pkce::new();
        let code = self.authorize(login, key, &organization, &pkce, proxy.clone()).await?;
        let verifier = pkce.verifier.expose();
        let grant = Grant { code: &code, verifier, state: &pkce.state, proxy };
        let tokens = self.exchange(login, grant).await?;
        Ok(json!({
            "claudeAiOauth": tokens,
            "organizationUuid": organization,
            "capabilities": capabilities,
        }))
    }

    /// The organisation that can chat and can do most besides.
    async fn organization(
        &self,
        key: &Secret,
        proxy: Option<ProxyConfig>,
    ) -> Result<(String, Value), Failure> {
        let asked = self.0.accounts.ask(request(key, "/api/organizations", None, proxy)).await;
        let (status, answer) =
            asked.map_err(|_| Failure::fault("获取组织信息失败：网络错误或超时"))?;
        refused(status)?;
        if !(200..300).contains(&status) {
            return Err(Failure::fault(format!("获取组织信息失败：HTTP {status}")));
        }
        let Value::Array(organizations) = parsed(&answer) else {
            return Err(Failure::fault("获取组织信息失败：响应格式无效"));
        };
        best(&organizations).ok_or_else(|| Failure::fault("未找到具有chat能力的组织"))
    }

    async fn authorize(
        &self,
        login: Login,
        key: &Secret,
        organization: &str,
        pkce: &Pkce,
        proxy: Option<ProxyConfig>,
    ) -> Result<String, Failure> {
        let body = json!({
            "response_type": "code",
            "client_id": oauth::CLIENT_ID,
            "organization_uuid": organization,
            "redirect_uri": REDIRECT,
            "scope": cookie_scopes(login),
            "state": pkce.state,
            "code_challenge": pkce.challenge,
            "code_challenge_method": "S256",
        });
        let path = format!("/v1/oauth/{organization}/authorize");
        let asked = self.0.accounts.ask(request(key, &path, Some(&body), proxy)).await;
        let (status, answer) = asked.map_err(|_| Failure::fault("授权请求失败：网络错误或超时"))?;
        refused(status)?;
        let answer = parsed(&answer);
        if !(200..300).contains(&status) {
            let said = told(&answer, false);
            return Err(Failure::fault(format!("授权请求失败：HTTP {status}{said}")));
        }
        let redirect = js::or(answer.get("redirect_uri"));
        let redirect = redirect.ok_or_else(|| Failure::fault("授权响应中未找到redirect_uri"))?;
        let url = Url::parse(&js::text(redirect)).map_err(|_| Failure::fault("Invalid URL"))?;
        let code = query_value(&url, "code")
            .ok_or_else(|| Failure::fault("redirect_uri中未找到授权码"))?;
        Ok(match query_value(&url, "state") {
            Some(state) => format!("{code}#{state}"),
            None => code,
        })
    }
}

fn refused(status: u16) -> Result<(), Failure> {
    match status {
        401 | 403 => Err(Failure::fault("Cookie授权失败：无效的sessionKey或已过期")),
        302 => Err(Failure::fault("请求被Cloudflare拦截，请稍后重试")),
        _ => Ok(()),
    }
}

fn best(organizations: &[Value]) -> Option<(String, Value)> {
    let mut best: Option<(&Value, &Value, usize)> = None;
    for organization in organizations {
        // A text is looked through like a list, letter by letter.
        let (chats, count) = match organization.get("capabilities") {
            Some(Value::Array(list)) => (list.iter().any(|own| own == "chat"), list.len()),
            Some(Value::String(text)) => (text.contains("chat"), text.encode_utf16().count()),
            _ => continue,
        };
        if chats && count > best.map_or(0, |(_, _, most)| most) {
            best = organization.get("capabilities").map(|can| (organization, can, count));
        }
    }
    let (organization, can, _) = best?;
    let id = js::or(organization.get("uuid")).map(js::text)?;
    Some((id, can.clone()))
}

fn request(
    key: &Secret,
    path: &str,
    body: Option<&Value>,
    proxy: Option<ProxyConfig>,
) -> UpstreamRequest {
    let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    let mut headers = HeaderList::new();
    headers.push("Accept", "application/json");
    if body.is_some() {
        headers.push("Content-Type", "application/json");
    }
    headers.push("Accept-Language", "en-US,en;q=0.9");
    headers.push("Cache-Control", "no-cache");
    headers.push("Cookie", format!("sessionKey={}", key.expose()));
    headers.push("Origin", format!("https://{HOST}"));
    headers.push("Referer", format!("https://{HOST}/new"));
    headers.push("User-Agent", AGENT);
    if body.is_some() {
        headers.push("Content-Length", bytes.len().to_string());
    }
    oauth::tail(&mut headers, HOST, proxy.is_some());
    UpstreamRequest {
        method: if body.is_some() { http::Method::POST } else { http::Method::GET },
        url: format!("https://{HOST}{path}"),
        headers,
        body: bytes,
        proxy,
        idle_timeout: oauth::TOKEN_TIMEOUT,
        decode_body: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_capable_organisation_that_chats_is_taken() {
        let organizations = json!([
            {"uuid": "a", "capabilities": ["chat"]},
            {"uuid": "b", "capabilities": ["api", "x", "y"]},
            {"uuid": "c", "capabilities": ["chat", "claude_max"]},
            {"uuid": "d", "capabilities": ["chat", "claude_pro"]},
        ]);
        let found = best(organizations.as_array().unwrap());
        assert_eq!(found, Some(("c".into(), json!(["chat", "claude_max"]))));
        assert_eq!(best(&[json!({"uuid": "a"})]), None);
    }
}
