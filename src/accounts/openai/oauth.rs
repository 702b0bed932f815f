//! The vendor's token endpoint: request and answer, pure (contract/openai-azure-droid.md §5.1).

use std::time::Duration;

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use compat::js;
use serde_json::Value;

use crate::{
    accounts::oauth::tail,
    domain::{HeaderList, ProxyConfig, ProxyKind, Secret},
    platform::LIBRARY_AGENT,
    upstream::{SendError, UpstreamRequest},
};

const HOST: &str = "auth.openai.com";
/// Who we are to the vendor: Codex.
pub(in crate::accounts) const CLIENT_ID: &str = "app_EMoamEEZ73f0CkXaXp7hrann";
/// Claim of an id token that tells of the account.
pub(in crate::accounts) const CLAIM: &str = "https://api.openai.com/auth";
/// Life of a token that the answer does not state.
const DEFAULT_LIFE_S: f64 = 3600.0;

/// The request that trades a refresh token.
pub(super) fn token_request(
    refresh_token: &Secret,
    proxy: Option<ProxyConfig>,
    timeout: Duration,
) -> UpstreamRequest {
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", CLIENT_ID),
        ("refresh_token", refresh_token.expose()),
        ("scope", "openid profile email"),
    ];
    let mut request = form_request(&form, proxy, timeout);
    // Here the legacy service names the length itself, before its library does.
    let length = request.body.len().to_string();
    let mut headers = HeaderList::new();
    for (name, value) in request.headers.iter().filter(|(name, _)| *name != "Content-Length") {
        if name == "User-Agent" {
            headers.push("Content-Length", length.clone());
        }
        headers.push(name, value);
    }
    request.headers = headers;
    request
}

/// A request to the token endpoint. `form` holds secrets.
pub(in crate::accounts) fn form_request(
    form: &[(&str, &str)],
    proxy: Option<ProxyConfig>,
    timeout: Duration,
) -> UpstreamRequest {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let body = Bytes::from(body);
    // Order and spelling as the legacy service's HTTP library sends them.
    let mut headers = HeaderList::new();
    headers.push("Accept", "application/json, text/plain, */*");
    headers.push("Content-Type", "application/x-www-form-urlencoded");
    headers.push("User-Agent", LIBRARY_AGENT);
    headers.push("Content-Length", body.len().to_string());
    tail(&mut headers, HOST, proxy.is_some());
    UpstreamRequest {
        method: http::Method::POST,
        url: format!("https://{HOST}/oauth/token"),
        headers,
        body,
        proxy,
        idle_timeout: timeout,
        decode_body: true,
    }
}

/// New tokens.
pub(super) struct Tokens {
    pub(super) access_token: Secret,
    pub(super) id_token: Option<Secret>,
    /// Missing when the vendor did not rotate it.
    pub(super) refresh_token: Option<Secret>,
    /// Lifetime in seconds.
    pub(super) expires_in: f64,
}

/// Reads an answer of status 200; `None` when there is no access token in it.
pub(super) fn read_tokens(body: &[u8]) -> Option<Tokens> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| {
        answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(Secret::from)
    };
    let told = js::or(answer.get("expires_in")).map(|told| js::number(Some(told)));
    Some(Tokens {
        access_token: text("access_token")?,
        id_token: text("id_token"),
        refresh_token: text("refresh_token"),
        expires_in: told.filter(|life| life.is_finite()).unwrap_or(DEFAULT_LIFE_S),
    })
}

/// What an id token tells of its account: fields of the record and their values, the e-mail address in the
/// clear. Its signature is not looked at. Empty when it cannot be read.
pub(super) fn claims(id_token: &str) -> Vec<(&'static str, String)> {
    let Ok(payload) = payload(id_token) else { return Vec::new() };
    let auth = js::or(payload.get(CLAIM));
    let claim = |name: &str| js::or(auth?.get(name));
    let organization = |name: &str| js::or(claim("organizations")?.get(0)?.get(name));
    let told = [
        ("accountId", claim("chatgpt_account_id")),
        ("chatgptUserId", claim("chatgpt_user_id").or_else(|| claim("user_id"))),
        ("organizationId", organization("id")),
        ("organizationRole", organization("role")),
        ("organizationTitle", organization("title")),
        ("email", js::or(payload.get("email")).filter(|email| email.is_string())),
    ];
    let told = told.into_iter().filter_map(|(field, value)| Some((field, js::text(value?))));
    let mut fields: Vec<_> = told.collect();
    if let Some(verified) = payload.get("email_verified") {
        let text = if verified.is_null() { String::new() } else { js::text(verified) };
        fields.push(("emailVerified", text));
    }
    fields
}

/// All that an id token tells.
///
/// # Errors
/// Why it is none.
pub(in crate::accounts) fn payload(id_token: &str) -> Result<Value, &'static str> {
    let mut parts = id_token.split('.');
    let (Some(_), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("Invalid ID token format");
    };
    let payload = decode(payload).and_then(|json| serde_json::from_slice::<Value>(&json).ok());
    payload.filter(|payload| !payload.is_null()).ok_or("the payload of the ID token is no JSON")
}

/// An answer as the legacy service's HTTP library reads it; one of nothing is an empty object.
pub(super) fn parsed(body: &[u8]) -> Value {
    let text = || Value::from(String::from_utf8_lossy(body).into_owned());
    let parsed: Value = serde_json::from_slice(body).unwrap_or_else(|_| text());
    if js::truthy(Some(&parsed)) { parsed } else { Value::Object(serde_json::Map::new()) }
}

/// Either alphabet, padded or not.
fn decode(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    [URL_SAFE, STANDARD]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok())
}

/// What the legacy service makes of a refusal.
pub(super) fn refusal(status: u16, body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let told = |name: &str| js::or(body.get(name));
    let description = || told("error_description").or_else(|| told("error")).map(js::text);
    match status {
        400 => match told("error").and_then(Value::as_str) {
            Some("invalid_grant") => "Refresh Token 无效或已过期，请重新授权".to_owned(),
            Some("invalid_request") => {
                format!("请求参数错误：{}", description().unwrap_or_default())
            }
            _ => format!("请求错误：{}", description().unwrap_or_else(|| "未知错误".to_owned())),
        },
        401 => "认证失败：Refresh Token 无效".to_owned(),
        403 => "访问被拒绝：可能是 IP 被封或账户被禁用".to_owned(),
        429 => "请求过于频繁，请稍后重试".to_owned(),
        500.. => "OpenAI 服务器内部错误，请稍后重试".to_owned(),
        _ => description()
            .or_else(|| told("message").map(js::text))
            .unwrap_or_else(|| format!("OpenAI 服务器返回错误 ({status})")),
    }
}

/// What the legacy service makes of an answer that is neither tokens nor a refusal.
pub(super) fn no_tokens(status: u16) -> String {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    let reason = reason.unwrap_or_default();
    format!("请求设置错误: Failed to refresh token: {status} {reason}")
}

/// What the legacy service makes of a failure below HTTP.
pub(super) fn unreachable(error: &SendError, proxy: Option<&ProxyConfig>) -> String {
    let mut text = "无法连接到 OpenAI 服务器".to_owned();
    if let Some(proxy) = proxy {
        let kind = match proxy.kind {
            ProxyKind::Http => "http",
            ProxyKind::Https => "https",
            ProxyKind::Socks5 => "socks5",
        };
        let auth = if proxy.credentials.is_some() { " (with auth)" } else { "" };
        text.push_str(&format!("（代理: {kind}://{}:{}{auth}）", proxy.host, proxy.port));
    }
    text.push_str(" - ");
    text.push_str(match error.code {
        Some("ECONNREFUSED") => "连接被拒绝",
        Some("ETIMEDOUT") => "连接超时",
        Some("ENOTFOUND") => "无法解析域名",
        Some("EPROTO") => "协议错误（可能是代理配置问题）",
        _ => &error.message,
    });
    text
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_token_tells_of_its_account() {
        let payload = json!({
            CLAIM: {
                "chatgpt_account_id": "acc", "user_id": "u?>",
                "organizations": [{ "id": "org", "role": "", "title": "Ünit" }, { "id": "no" }],
            },
            "email": "a@b.c", "email_verified": true,
        });
        let payload = payload.to_string();
        for encoded in [BASE64_STANDARD.encode(&payload), BASE64_URL_SAFE_NO_PAD.encode(&payload)] {
            let fields = claims(&format!("h.{encoded}.s"));
            let expected = [
                ("accountId", "acc"),
                ("chatgptUserId", "u?>"),
                ("organizationId", "org"),
                ("organizationTitle", "Ünit"),
                ("email", "a@b.c"),
                ("emailVerified", "true"),
            ];
            assert_eq!(fields, expected.map(|(field, text)| (field, text.to_owned())));
        }
        for odd in ["", "a.b", "a.!.c", "a.bnVsbA.c", "a.b.c.d"] {
            assert!(claims(odd).is_empty(), "{odd}");
        }
    }

    #[test]
    fn lives_are_read_as_numbers() {
        let life = |told: Value| {
            let body = json!({ "access_token": "a", "expires_in": told }).to_string();
            read_tokens(body.as_bytes()).unwrap().expires_in
        };
        assert!((life(json!("60")) - 60.0).abs() < f64::EPSILON);
        for odd in [json!(0), json!(null), json!("soon"), json!({})] {
            assert!((life(odd) - 3600.0).abs() < f64::EPSILON);
        }
        assert!(read_tokens(b"{\"access_token\":\"\"}").is_none());
        assert!(read_tokens(b"nonsense").is_none());
    }
}
