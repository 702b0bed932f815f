//! Refresh tokens that have to prove themselves before they are kept: with a new account, which goes again
//! when they do not, and with a changed one, which has its old tokens back then.

use compat::pool::{Fields, Kind, Patch};
use serde_json::{Value, json};

use super::{AccountAdmin, GROUPS, shared_commands};
use crate::{
    accounts::{
        RefreshError,
        lifecycle::form::{Body, Grouping, openai as form_of},
    },
    domain::{Declined, Failure},
};

const KIND: Kind = Kind::OpenAi;
/// Fields that a trial changes, the proxy last.
const TRIED: [&str; 4] = ["refreshToken", "accessToken", "idToken", "proxy"];

impl AccountAdmin {
    /// Exchanges the refresh token of a ChatGPT account, under the legacy service's lock.
    pub(in super::super) async fn refresh_chatgpt(&self, id: &str) -> Result<(), RefreshError> {
        let entry = Self::entry(KIND, id, Fields::new());
        self.0.accounts.openai_refreshed(&entry).await.map(|_| ())
    }

    /// A new account is kept if its refresh token is good for an identity token.
    pub(super) async fn prove_new(&self, id: &str, body: &Body) -> Result<Value, Failure> {
        let refreshed = self.refresh_chatgpt(id).await;
        let fields = self.fields(KIND, id).await?.unwrap_or_default();
        if let Err(error) = refreshed {
            self.erase_chatgpt(id, &fields).await?;
            return Err(declined("账户创建失败", &error).into());
        }
        if fields.get("idToken").is_none_or(String::is_empty) {
            self.erase_chatgpt(id, &fields).await?;
            // The legacy service deletes the account twice here, and tells of the second time.
            return Err(Failure::fault("Account not found"));
        }
        if let Err(error) = self.join(id, Grouping::of_new(body, true), GROUPS).await {
            self.erase_chatgpt(id, &fields).await?;
            let text = match error {
                Failure::Fault(text) => text,
                Failure::Declined(declined) => return Err(declined.into()),
            };
            let why = Declined::invalid(text).saying("账户创建失败").unsuccessful();
            return Err(why.into());
        }
        let shown = form_of::shown_record(&self.0.vault, &fields);
        let message = "账户创建成功，并已获取完整 token 信息";
        Ok(json!({ "success": true, "data": shown, "message": message }))
    }

    /// A changed account has the new tokens from here on, or the old ones and an error.
    pub(super) async fn prove_change(
        &self,
        id: &str,
        body: &Body,
        before: &Fields,
    ) -> Result<(), Failure> {
        let patch = form_of::trial(&self.made(id, "", self.now_ms()), body)?;
        self.write(KIND, id, before, &patch, shared_commands(KIND, id, body, before)).await?;
        let refreshed = self.refresh_chatgpt(id).await;
        let now = self.fields(KIND, id).await?.unwrap_or_default();
        let (failed, tried) = match refreshed {
            Err(error) => (declined("更新失败", &error), &TRIED[..]),
            Ok(()) if now.get("idToken").is_none_or(String::is_empty) => {
                let message = "无法获取 ID Token，请检查 Refresh Token 是否有效";
                // A proxy over which the vendor was reached stays.
                (
                    Declined::invalid("Invalid refresh token").saying(message).unsuccessful(),
                    &TRIED[..3],
                )
            }
            Ok(()) => return Ok(()),
        };
        self.put_back(id, before, tried).await?;
        Err(failed.into())
    }

    /// The tokens as they were stored: the legacy service seals the access token a second time here, after
    /// which it opens no more.
    async fn put_back(
        &self,
        id: &str,
        before: &Fields,
        tried: &[&'static str],
    ) -> Result<(), Failure> {
        let updated = compat::clock::iso(self.now_ms());
        let patch = tried.iter().fold(Patch::new(), |patch, field| {
            patch.set(*field, before.get(*field).cloned().unwrap_or_default())
        });
        let patch = patch.set("updatedAt", updated);
        self.one(patch.cmd(&KIND.record_key(id))).await?;
        Ok(())
    }
}

/// Why tokens did not prove themselves, as routes tell it.
fn declined(message: &str, error: &RefreshError) -> Declined {
    let text = error.to_string();
    let mut declined = Declined::invalid(text.clone()).saying(message).unsuccessful();
    let mut put = |name: &str, value: Value| declined.body.insert(name.to_owned(), value);
    if let RefreshError::Refused(refused) = error {
        if let Some(status) = refused.status {
            put("errorCode", status.into());
        }
        if let Some(details) = &refused.details {
            put("errorDetails", details.clone());
        }
        if let Some(code) = refused.code {
            put("networkError", code.into());
        }
    }
    let hints = [
        ("Refresh Token 无效", "请检查 Refresh Token 是否正确，或重新通过 OAuth 授权获取"),
        ("代理", "请检查代理配置是否正确，包括地址、端口和认证信息"),
        ("过于频繁", "请稍后再试，或更换代理 IP"),
        ("连接", "请检查网络连接和代理设置"),
    ];
    if let Some((_, hint)) = hints.iter().find(|(sign, _)| text.contains(sign)) {
        put("suggestion", (*hint).into());
    }
    declined
}
