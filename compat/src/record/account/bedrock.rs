//! AWS Bedrock accounts: `bedrock_account:{id}`, one JSON text with native types.

use serde_json::Value;

use crate::{
    crypto::{BedrockError, Vault},
    js,
    record::Json,
};

/// A Bedrock account (contract/redis.md §b). Field order and unknown fields survive.
#[derive(Clone, Debug, PartialEq)]
pub struct Bedrock {
    /// Id of the account.
    pub id: String,
    /// The stored object.
    pub json: Json,
}

/// What a Bedrock account signs in with.
#[derive(Clone, PartialEq, Eq)]
pub enum BedrockCredentials {
    /// AWS access key.
    AccessKey {
        /// Key id.
        id: String,
        /// Secret key.
        secret: String,
        /// Session token of temporary credentials.
        session_token: Option<String>,
    },
    /// An access key whose session token is no text; it cannot sign.
    OddToken,
    /// Bedrock API key.
    Bearer(String),
}

impl Bedrock {
    /// Reads the stored text; `None` when it is not a JSON object.
    pub fn from_stored(id: &str, stored: &str) -> Option<Self> {
        let json = Json::parse(stored)?;
        let id = Some(json.text("id")).filter(|own| !own.is_empty()).unwrap_or(id).to_owned();
        Some(Self { id, json })
    }

    /// As [`Bedrock::from_stored`], of a text that is parsed already.
    pub fn from_document(id: &str, document: &Value) -> Option<Self> {
        if !document.is_object() {
            return None;
        }
        let json = Json::from(document.clone());
        let id = Some(json.text("id")).filter(|own| !own.is_empty()).unwrap_or(id).to_owned();
        Some(Self { id, json })
    }

    /// The text to store.
    pub fn to_stored(&self) -> String {
        self.json.to_stored()
    }

    /// Display name.
    pub fn name(&self) -> &str {
        self.json.text("name")
    }

    /// AWS region.
    pub fn region(&self) -> &str {
        self.json.text("region")
    }

    /// Model used when a request names none that maps.
    pub fn default_model(&self) -> &str {
        self.json.text("defaultModel")
    }

    /// Whether the account may be used.
    pub fn is_active(&self) -> bool {
        self.json.truthy("isActive")
    }

    /// Whether the scheduler may choose it.
    pub fn schedulable(&self) -> bool {
        !matches!(self.json.get("schedulable"), Some(Value::Bool(false)))
            && self.json.text("schedulable") != "false"
    }

    /// `shared`, `dedicated` or `group`; empty counts as shared.
    pub fn account_type(&self) -> &str {
        self.json.text("accountType")
    }

    /// Lower is served first.
    pub fn priority(&self) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "priorities are 1 to 100")]
        let priority = self.json.number("priority").map(|priority| priority as i64);
        priority.filter(|priority| *priority != 0).unwrap_or(50)
    }

    /// `access_key`, `bearer_token`; `default` or empty in old accounts.
    pub fn credential_type(&self) -> &str {
        self.json.text("credentialType")
    }

    /// End of the plan; `None` is never.
    pub fn subscription_expires_at(&self) -> Option<&str> {
        Some(self.json.text("subscriptionExpiresAt")).filter(|text| !text.is_empty())
    }

    /// Whether upstream errors never disable the account.
    pub fn disable_auto_protection(&self) -> bool {
        self.json.truthy("disableAutoProtection")
    }

    /// Opens the credentials that `credential_type` names. Where they are missing, or the type is none of
    /// the two, all that exist must open, and an API key is used before an access key.
    ///
    /// The legacy service trips over credentials of the other type that are left in the record: it signs
    /// with an encrypted access key, or sends an encrypted API key. Here they are ignored.
    ///
    /// # Errors
    /// [`BedrockError`] when the stored credentials are unreadable; `None` when there are none.
    pub fn credentials(&self, vault: &Vault) -> Result<Option<BedrockCredentials>, BedrockError> {
        let stored = |name| match self.json.get(name) {
            None | Some(Value::Null | Value::Bool(false)) => None,
            Some(stored) => Some(stored),
        };
        let (keys, token) = (stored("awsCredentials"), stored("bearerToken"));
        let named = match (self.credential_type(), keys, token) {
            ("access_key", Some(keys), _) => Some(keys),
            ("bearer_token", _, Some(token)) => Some(token),
            _ => None,
        };
        let open =
            |stored: Option<&Value>| stored.map(|stored| vault.open_bedrock(stored)).transpose();
        let (keys, token) = match (named, self.credential_type()) {
            (Some(named), "access_key") => (Some(named), None),
            (Some(named), _) => (None, Some(named)),
            (None, _) => (keys, token),
        };
        let keys = open(keys)?.map(|plain| access_key(&plain));
        let token = open(token)?.map(|plain| bearer(&plain));
        let empty = matches!(&token, Some(BedrockCredentials::Bearer(text)) if text.is_empty());
        Ok(if empty { keys.or(token) } else { token.or(keys) })
    }

    /// The encrypted fields that are there, by name.
    pub fn secrets(&self) -> Vec<(&'static str, &Value)> {
        let stored = |name| Some((name, self.json.get(name).filter(|value| !value.is_null())?));
        ["awsCredentials", "bearerToken"].into_iter().filter_map(stored).collect()
    }
}

fn access_key(plain: &Value) -> BedrockCredentials {
    let text = |name| plain.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match js::or(plain.get("sessionToken")) {
        Some(token) if !token.is_string() => BedrockCredentials::OddToken,
        token => BedrockCredentials::AccessKey {
            id: text("accessKeyId"),
            secret: text("secretAccessKey"),
            session_token: token.and_then(Value::as_str).map(str::to_owned),
        },
    }
}

fn bearer(plain: &Value) -> BedrockCredentials {
    BedrockCredentials::Bearer(js::or(plain.get("token")).map(js::text).unwrap_or_default())
}
