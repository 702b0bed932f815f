//! New tokens because an administrator asks for them.

use compat::{pool::Kind, store::Cmd};
use serde_json::{Value, json};

use super::AccountAdmin;
use crate::domain::{Declined, Failure};

impl AccountAdmin {
    /// Exchanges the refresh token of an official account, under the legacy service's lock. The answer
    /// holds the new access token: show it to nobody.
    ///
    /// # Errors
    /// An unknown account, one without refresh token, or what the vendor said (500); the account is
    /// marked faulty then.
    pub async fn refresh(&self, id: &str) -> Result<Value, Declined> {
        let done = self.refresh_tokens(id).await;
        let data = done.map_err(|error| error.under("Failed to refresh token"))?;
        Ok(json!({ "success": true, "data": data }))
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
