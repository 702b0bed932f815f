//! The link that an operator opens, and the code that comes back. Pure but for the random numbers.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use compat::js;
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded::Serializer};

use super::Login;
use crate::{accounts::oauth::CLIENT_ID, domain::Secret};

const AUTHORIZE: &str = "https://claude.ai/oauth/authorize";
/// Where the vendor shows the code.
pub(super) const REDIRECT: &str = "https://platform.claude.com/oauth/code/callback";
const BROWSER_SCOPES: &str = "org:create_api_key user:profile user:inference \
                              user:sessions:claude_code user:mcp_servers user:file_upload";
const COOKIE_SCOPES: &str = "user:profile user:inference user:sessions:claude_code \
                             user:mcp_servers user:file_upload";
const SETUP_SCOPES: &str = "user:inference";
/// No code is shorter.
const CODE_LENGTH: usize = 10;

/// Proof key of one login (RFC 7636).
pub(super) struct Pkce {
    /// Kept until the exchange.
    pub verifier: Secret,
    /// Its SHA-256, which the vendor sees first.
    pub challenge: String,
    /// Ties the answer to the question.
    pub state: String,
}

impl Pkce {
    /// A new one: 32 random bytes each.
    pub fn new() -> Self {
        let random = || URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let verifier = random();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        Self { verifier: verifier.into(), challenge, state: random() }
    }
}

/// What the way over a browser asks for.
fn browser_scopes(login: Login) -> &'static str {
    match login {
        Login::Full => BROWSER_SCOPES,
        Login::SetupToken => SETUP_SCOPES,
    }
}

/// What the way with a cookie asks for.
pub(super) fn cookie_scopes(login: Login) -> &'static str {
    match login {
        Login::Full => COOKIE_SCOPES,
        Login::SetupToken => SETUP_SCOPES,
    }
}

/// The link to open.
pub(super) fn authorize_url(pkce: &Pkce, login: Login) -> String {
    let query = Serializer::new(String::new())
        .append_pair("code", "true")
        .append_pair("client_id", CLIENT_ID)
        .append_pair("response_type", "code")
        .append_pair("redirect_uri", REDIRECT)
        .append_pair("scope", browser_scopes(login))
        .append_pair("code_challenge", &pkce.challenge)
        .append_pair("code_challenge_method", "S256")
        .append_pair("state", &pkce.state)
        .finish();
    format!("{AUTHORIZE}?{query}")
}

/// The code in what an operator pasted: the address the browser ended at, or the code itself with or
/// without what follows it.
///
/// # Errors
/// Why there is none, in the legacy service's words.
pub(super) fn code_of(input: &Value) -> Result<String, &'static str> {
    let Some(input) = input.as_str() else {
        return Err("请提供有效的授权码或回调 URL");
    };
    let input = js::trim(input);
    if input.starts_with("http://") || input.starts_with("https://") {
        let url = Url::parse(&input).map_err(|_| "无效的 URL 格式，请检查回调 URL 是否正确")?;
        return query_value(&url, "code").ok_or("回调 URL 中未找到授权码 (code 参数)");
    }
    let code = clean(&input);
    if js::length(code) < CODE_LENGTH {
        return Err("授权码格式无效，请确保复制了完整的 Authorization Code");
    }
    if !code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
        return Err("授权码包含无效字符，请检查是否复制了正确的 Authorization Code");
    }
    Ok(code.to_owned())
}

/// A value of an address's query that is not empty.
pub(super) fn query_value(url: &Url, name: &str) -> Option<String> {
    let value = url.query_pairs().find(|(own, _)| own == name)?.1.into_owned();
    (!value.is_empty()).then_some(value)
}

/// A code without what follows it.
pub(super) fn clean(code: &str) -> &str {
    let code = code.split('#').next().unwrap_or(code);
    code.split('&').next().unwrap_or(code)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_link_has_the_legacy_services_parameters_in_order() {
        let pkce = Pkce { verifier: "v".into(), challenge: "c".into(), state: "s".into() };
        assert_eq!(
            authorize_url(&pkce, Login::SetupToken),
            "https://claude.ai/oauth/authorize?code=true\
             &client_id=9d1c250a-e61b-44d9-88ed-5944d1962f5e&response_type=code\
             &redirect_uri=https%3A%2F%2Fplatform.claude.com%2Foauth%2Fcode%2Fcallback\
             &scope=user%3Ainference&code_challenge=c&code_challenge_method=S256&state=s"
        );
        assert!(authorize_url(&pkce, Login::Full).contains(
            "scope=org%3Acreate_api_key+user%3Aprofile+user%3Ainference\
             +user%3Asessions%3Aclaude_code+user%3Amcp_servers+user%3Afile_upload&"
        ));
    }

    #[test]
    fn the_challenge_is_the_verifiers_digest() {
        let pkce = Pkce::new();
        assert_eq!(pkce.verifier.expose().len(), 43);
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(pkce.verifier.expose()));
        assert_eq!(pkce.challenge, digest);
        assert_ne!(pkce.state, Pkce::new().state);
    }

    #[rstest]
    #[case(json!(" abcdefghij#state "), Ok("abcdefghij"))]
    #[case(json!("abcdefghij&x=1"), Ok("abcdefghij"))]
    #[case(json!("https://h/cb?state=s&code=a%2Bb"), Ok("a+b"))]
    #[case(json!("https://h/cb?code="), Err("回调 URL 中未找到授权码 (code 参数)"))]
    #[case(json!("http://"), Err("无效的 URL 格式，请检查回调 URL 是否正确"))]
    #[case(json!("short"), Err("授权码格式无效，请确保复制了完整的 Authorization Code"))]
    #[case(json!("abcdefghij klm"), Err("授权码包含无效字符，请检查是否复制了正确的 Authorization Code"))]
    #[case(json!(12), Err("请提供有效的授权码或回调 URL"))]
    fn codes(#[case] input: Value, #[case] code: Result<&str, &'static str>) {
        assert_eq!(code_of(&input), code.map(str::to_owned));
    }
}
