//! New tokens because an administrator asks for them.

use compat::{pool::Kind, store::Cmd};
use serde_json::{Value, json};

use super::AccountAdmin;
use crate::domain::{Declined, Failure};

impl AccountAdmin {
    /// Exchanges the refresh token of an official or ChatGPT account, under the legacy service's lock. The
    /// answer may hold the new access token: show it to nobody.
    ///
    /// # Errors
    /// An unknown account, one without refresh token, or what the vendor said (500); the account is
    /// marked faulty then.
    pub async fn refresh(&self, kind: Kind, id: &str) -> Result<Value, Declined> {
        let done = match kind {
            Kind::OpenAi => self.refresh_chatgpt_tokens(id).await,
            _ => self.refresh_tokens(id).await,
        };
        let data = done.map_err(|error| error.under("Failed to refresh token"))?;
        Ok(json!({ "success": true, "data": data }))
    }

    async fn refresh_chatgpt_tokens(&self, id: &str) -> Result<Value, Failure> {
        self.refresh_chatgpt(id).await?;
        let end = Cmd::new("HGET").arg(Kind::OpenAi.record_key(id)).arg("expiresAt");
        let end = self.one(end).await?.text()?.unwrap_or_default();
        Ok(json!({ "success": true, "expiresAt": end }))
    }

    async fn refresh_tokens(&self, id: &str) -> Result<Value, Failure> {
        let fields = self.fields(Kind::Official, id).await?;
        let fields = fields.ok_or_else(|| Failure::fault("Account not found"))?;
        let token = self.0.accounts.refresh_now(&Self::entry(Kind::Official, id, fields)).await?;
        let end = Cmd::new("HGET").arg(Kind::Official.record_key(id)).arg("expiresAt");
        let end = self.one(end).await?.text()?.unwrap_or_default();
        Ok(json!({ "success": true, "accessToken": token.expose(), "expiresAt": end }))
    }
}
