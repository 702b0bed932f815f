//! Logging in to a ChatGPT account over the browser (contract/openai-azure-droid.md §5.1).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use compat::js;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::form_urlencoded::Serializer;

use super::{AccountAdmin, told};
use crate::{
    accounts::{
        lifecycle::{form::openai::unsaid, members},
        openai::oauth::{self, CLAIM, CLIENT_ID},
        proxy,
    },
    domain::{Declined, Failure, Secret},
};

const AUTHORIZE: &str = "https://auth.openai.com/oauth/authorize";
/// Where the browser ends: Codex itself would listen there.
const REDIRECT: &str = "http://localhost:1455/auth/callback";
const SCOPES: &str = "openid profile email offline_access";
/// What operators are told to do with the link, in the legacy service's words.
const INSTRUCTIONS: [&str; 5] = [
    "1. 复制上面的链接到浏览器中打开",
    "2. 登录您的 OpenAI 账户",
    "3. 同意应用权限",
    "4. 复制浏览器地址栏中的完整 URL（包含 code 参数）",
    "5. 在添加账户表单中粘贴完整的回调 URL",
];

/// Proof key of one login (RFC 7636), as long as the legacy service makes it.
struct Proof {
    verifier: Secret,
    challenge: String,
    state: String,
}

impl Proof {
    fn new() -> Self {
        let verifier = hex::encode(rand::random::<[u8; 64]>());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let state = hex::encode(rand::random::<[u8; 32]>());
        Self { verifier: verifier.into(), challenge, state }
    }

    fn link(&self) -> String {
        let query = Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", CLIENT_ID)
            .append_pair("redirect_uri", REDIRECT)
            .append_pair("scope", SCOPES)
            .append_pair("code_challenge", &self.challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("state", &self.state)
            .append_pair("id_token_add_organizations", "true")
            .append_pair("codex_cli_simplified_flow", "true")
            .finish();
        format!("{AUTHORIZE}?{query}")
    }
}

impl AccountAdmin {
    /// Begins a login to a ChatGPT account: gives the link to open and the session that finishes it. `body`
    /// may name a `proxy` for the exchange.
    ///
    /// # Errors
    /// Redis (500).
    pub async fn begin_chatgpt_login(&self, body: &Value) -> Result<Value, Declined> {
        let begun = self.begin_chatgpt(&members(body)).await;
        let data = begun.map_err(|error| told(error, "生成授权链接失败"))?;
        Ok(json!({ "success": true, "data": data }))
    }

    async fn begin_chatgpt(&self, body: &serde_json::Map<String, Value>) -> Result<Value, Failure> {
        let proof = Proof::new();
        let fields = [
            ("codeVerifier", proof.verifier.expose()),
            ("codeChallenge", &proof.challenge),
            ("state", &proof.state),
            ("platform", "openai"),
        ];
        let session = self.remember_login(&fields, body.get("proxy")).await?;
        Ok(json!({
            "authUrl": proof.link(),
            "sessionId": session,
            "instructions": INSTRUCTIONS,
        }))
    }

    /// Finishes a login: `{sessionId, code}` become `data.tokens` and `data.accountInfo`, which
    /// [`AccountAdmin::create`] and [`AccountAdmin::update`] take as `openaiOauth` and `accountInfo`.
    ///
    /// # Errors
    /// No code, a session that is unknown or over (400), or what the vendor said (500).
    pub async fn finish_chatgpt_login(&self, body: &Value) -> Result<Value, Declined> {
        let finished = self.finish_chatgpt(&members(body)).await;
        let data = finished.map_err(|error| told(error, "交换授权码失败"))?;
        Ok(json!({ "success": true, "data": data }))
    }

    async fn finish_chatgpt(
        &self,
        body: &serde_json::Map<String, Value>,
    ) -> Result<Value, Failure> {
        let (code, session) = (js::or(body.get("code")), js::or(body.get("sessionId")));
        let (Some(code), Some(session)) = (code, session) else {
            return Err(unsaid(400, "缺少必要参数").into());
        };
        let Some(begun) = self.begun_login(session).await? else {
            return Err(unsaid(400, "会话已过期或无效").into());
        };
        let Some(code) = code.as_str() else {
            return Err(Failure::fault("code.trim is not a function"));
        };
        let code = Secret::from(js::trim(code));
        let verifier = Secret::from(begun.get("codeVerifier"));
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", REDIRECT),
            ("client_id", CLIENT_ID),
            ("code_verifier", verifier.expose()),
        ];
        let request =
            oauth::form_request(&form, proxy::read(begun.get("proxy")), self.0.request_timeout);
        let asked = self.0.accounts.ask(request).await;
        let (status, answer) = asked.map_err(|error| Failure::fault(error.message))?;
        if !(200..300).contains(&status) {
            return Err(Failure::fault(format!("Request failed with status code {status}")));
        }
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let data = logged_in(&answer)?;
        self.forget_login(&begun).await?;
        Ok(data)
    }
}

/// Tokens of an answer, and what their claims tell of the account.
fn logged_in(answer: &Value) -> Result<Value, Failure> {
    let id_token = match answer.get("id_token") {
        Some(Value::String(token)) => token,
        Some(Value::Null) => return Err(missing("null")),
        None => return Err(missing("undefined")),
        Some(_) => return Err(Failure::fault("id_token.split is not a function")),
    };
    let claims = oauth::payload(id_token).map_err(Failure::fault)?;
    let own = |name: &str| js::or(claims.get(name));
    let auth = |name: &str| js::or(own(CLAIM)?.get(name));
    let mut tokens = json!({});
    for (name, stored) in [
        ("id_token", "idToken"),
        ("access_token", "accessToken"),
        ("refresh_token", "refreshToken"),
        ("expires_in", "expires_in"),
    ] {
        if let Some(value) = answer.get(name) {
            tokens[stored] = value.clone();
        }
    }
    let organizations = auth("organizations").cloned().unwrap_or_else(|| json!([]));
    let usual = usual(&organizations)?;
    let of_usual = |name: &str| usual.and_then(|own| js::or(own.get(name)));
    let or_empty = |value: Option<&Value>| value.cloned().unwrap_or_else(|| "".into());
    let user = auth("chatgpt_user_id").or(auth("user_id"));
    let info = json!({
        "accountId": or_empty(auth("chatgpt_account_id")),
        "chatgptUserId": or_empty(user),
        "organizationId": or_empty(of_usual("id")),
        "organizationRole": or_empty(of_usual("role")),
        "organizationTitle": or_empty(of_usual("title")),
        "planType": or_empty(auth("chatgpt_plan_type")),
        "email": or_empty(own("email")),
        "name": or_empty(own("name")),
        "emailVerified": own("email_verified").cloned().unwrap_or(Value::Bool(false)),
        "organizations": organizations,
    });
    Ok(json!({ "tokens": tokens, "accountInfo": info }))
}

/// The organisation that is used when none is named: the one that says so, else the first.
fn usual(organizations: &Value) -> Result<Option<&Value>, Failure> {
    let Some(listed) = organizations.as_array() else {
        return Err(Failure::fault("organizations.find is not a function"));
    };
    for own in listed {
        if own.is_null() {
            let text = "Cannot read properties of null (reading 'is_default')";
            return Err(Failure::fault(text));
        }
        if js::truthy(own.get("is_default")) {
            return Ok(Some(own));
        }
    }
    Ok(listed.first())
}

fn missing(of: &str) -> Failure {
    Failure::fault(format!("Cannot read properties of {of} (reading 'split')"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &Value) -> String {
        format!("h.{}.s", URL_SAFE_NO_PAD.encode(payload.to_string()))
    }

    #[test]
    fn the_link_has_the_legacy_services_parameters_in_order() {
        let proof = Proof { verifier: "v".into(), challenge: "c".into(), state: "s".into() };
        assert_eq!(
            proof.link(),
            "https://auth.openai.com/oauth/authorize?response_type=code\
             &client_id=app_EMoamEEZ73f0CkXaXp7hrann\
             &redirect_uri=http%3A%2F%2Flocalhost%3A1455%2Fauth%2Fcallback\
             &scope=openid+profile+email+offline_access&code_challenge=c\
             &code_challenge_method=S256&state=s&id_token_add_organizations=true\
             &codex_cli_simplified_flow=true"
        );
        let proof = Proof::new();
        assert_eq!(proof.verifier.expose().len(), 128);
        assert_eq!(proof.state.len(), 64);
    }

    #[test]
    fn claims_become_what_is_told_of_the_account() {
        let claims = json!({
            "email": "e@example.test", "name": "N",
            "https://api.openai.com/auth": {
                "chatgpt_account_id": "acc", "user_id": "user", "chatgpt_plan_type": "plus",
                "organizations": [{"id": "o1"}, {"id": "o2", "is_default": true, "role": "owner"}],
            },
        });
        let answer = json!({ "id_token": token(&claims), "access_token": "a", "expires_in": 10 });
        let data = logged_in(&answer).unwrap();
        assert_eq!(data["tokens"]["accessToken"], "a");
        assert_eq!(data["tokens"].get("refreshToken"), None);
        let info = &data["accountInfo"];
        assert_eq!((&info["accountId"], &info["chatgptUserId"]), (&json!("acc"), &json!("user")));
        assert_eq!(
            (&info["organizationId"], &info["organizationRole"]),
            (&json!("o2"), &json!("owner"))
        );
        assert_eq!(
            (&info["organizationTitle"], &info["emailVerified"]),
            (&json!(""), &json!(false))
        );
    }

    #[test]
    fn an_answer_without_a_token_of_identity_is_none() {
        assert!(logged_in(&json!({})).is_err());
        let error = logged_in(&json!({ "id_token": "a.b" })).unwrap_err();
        assert_eq!(error, Failure::fault("Invalid ID token format"));
    }
}
