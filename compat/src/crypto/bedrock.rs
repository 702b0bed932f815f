//! Bedrock credentials: an object inside the account's JSON, under a plain SHA-256 key.

use serde_json::{Value, json};
use thiserror::Error;

use super::{Vault, cipher, cipher::Hex};
use crate::js;

/// Bedrock credentials that cannot be read. The legacy service fails the account there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BedrockError {
    /// Not an object with `encrypted` and `iv`, nor plain credentials.
    #[error("the stored credentials have an unknown form")]
    Form,
    /// Not decryptable with our key, or not JSON inside.
    #[error("the stored credentials cannot be decrypted")]
    Decrypt,
}

impl Vault {
    /// Reads `awsCredentials` or `bearerToken` of a Bedrock account: `{encrypted, iv}`, or plain
    /// credentials with an `accessKeyId`, which old versions stored (contract/redis.md §c).
    ///
    /// # Errors
    /// [`BedrockError`] when the value has another form or does not decrypt.
    pub fn open_bedrock(&self, stored: &Value) -> Result<Value, BedrockError> {
        let text = |name| stored.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (Some(body), Some(iv)) = (text("encrypted"), text("iv")) else {
            let plain = js::truthy(stored.get("accessKeyId"));
            return plain.then(|| stored.clone()).ok_or(BedrockError::Form);
        };
        let iv = Hex::Any.decode(iv).and_then(|iv| iv.try_into().ok());
        let body = Hex::Even.decode(body);
        let plain =
            iv.zip(body).and_then(|(iv, body)| cipher::open(self.bedrock_key(), &iv, &body));
        serde_json::from_str(&plain.ok_or(BedrockError::Decrypt)?)
            .map_err(|_| BedrockError::Decrypt)
    }

    /// The object to store for Bedrock credentials.
    pub fn seal_bedrock(&self, credentials: &Value) -> Value {
        self.seal_bedrock_with_iv(credentials, rand::random())
    }

    pub(super) fn seal_bedrock_with_iv(&self, credentials: &Value, iv: [u8; 16]) -> Value {
        let body = cipher::seal(self.bedrock_key(), &iv, credentials.to_string().as_bytes());
        json!({ "encrypted": hex::encode(body), "iv": hex::encode(iv) })
    }
}
