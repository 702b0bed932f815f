//! Making, changing and deleting ChatGPT accounts.

use compat::{
    pool::{Fields, Kind},
    store::Cmd,
};
use serde_json::{Value, json};

use super::{AccountAdmin, GROUPS, deleted, pairs, shared_commands, told};
use crate::{
    accounts::lifecycle::{
        form::{self, Body, Grouping, openai as form_of},
        members, shared_set,
    },
    domain::{Declined, Failure},
};

const KIND: Kind = Kind::OpenAi;

impl AccountAdmin {
    pub(in super::super) async fn create_chatgpt(&self, body: &Value) -> Result<Value, Declined> {
        let body = members(body);
        form_of::check_new(&body)?;
        self.make_chatgpt(&body).await.map_err(|error| told(error, "创建账户失败"))
    }

    async fn make_chatgpt(&self, body: &Body) -> Result<Value, Failure> {
        let id = uuid::Uuid::new_v4().to_string();
        let (record, shown) = form_of::record(&self.made(&id, "", self.now_ms()), body)?;
        self.store_new(KIND, &id, pairs(&record), shown["accountType"] == "shared").await?;
        let sent = |name: &str| compat::js::truthy(body.get(name));
        let (now, must) = (sent("needsImmediateRefresh"), sent("requireRefreshSuccess"));
        if now && must {
            return self.prove_new(&id, body).await;
        }
        self.join(&id, Grouping::of_new(body, true), GROUPS).await?;
        if now && let Err(error) = self.refresh_chatgpt(&id).await {
            tracing::warn!(account = id, %error, "a new account's tokens were not refreshed");
        }
        Ok(json!({ "success": true, "data": shown }))
    }

    pub(in super::super) async fn update_chatgpt(
        &self,
        id: &str,
        body: &Value,
    ) -> Result<Value, Declined> {
        let body = form::with_expiry(&members(body));
        form_of::check_change(&body)?;
        let done = self.change_chatgpt(id, &body).await;
        done.map_err(|error| error.under("Failed to update account"))
    }

    async fn change_chatgpt(&self, id: &str, body: &Body) -> Result<Value, Failure> {
        let Some(before) = self.fields(KIND, id).await? else {
            return Err(Declined::new(404, "Account not found").into());
        };
        let proved = form_of::must_prove(body);
        if proved {
            self.prove_change(id, body, &before).await?;
        }
        if body.contains_key("accountType") {
            if before.get("accountType").is_some_and(|own| own == "group") {
                self.forget_groups(id).await?;
            }
            self.join(id, Grouping::of_changed(body), GROUPS).await?;
        }
        let made = self.made(id, "", self.now_ms());
        let values = form_of::values(&made, body, &before, proved)?;
        self.write_chatgpt(id, &before, &values).await?;
        let sent = |name: &str| compat::js::truthy(body.get(name));
        if sent("needsImmediateRefresh")
            && !sent("requireRefreshSuccess")
            && let Err(error) = self.refresh_chatgpt(id).await
        {
            tracing::warn!(account = id, %error, "tokens were not refreshed after a change");
        }
        Ok(json!({ "success": true, "data": form_of::shown(&made, &before, &values) }))
    }

    /// Stores values of a ChatGPT account.
    pub(super) async fn write_chatgpt(
        &self,
        id: &str,
        before: &Fields,
        values: &Body,
    ) -> Result<(), Failure> {
        let patch = form_of::patch(&self.made(id, "", self.now_ms()), values)?;
        self.write(KIND, id, before, &patch, shared_commands(KIND, id, values, before)).await
    }

    pub(in super::super) async fn delete_chatgpt(&self, id: &str) -> Result<Value, Declined> {
        self.drop_chatgpt(id).await.map_err(|error| told(error, "删除账户失败"))
    }

    async fn drop_chatgpt(&self, id: &str) -> Result<Value, Failure> {
        let Some(fields) = self.fields(KIND, id).await? else {
            return Err(form_of::unsaid(404, "账户不存在").into());
        };
        let unbound = self.0.bindings.unbind(KIND.account_kind(), id).await;
        if fields.get("accountType").is_some_and(|own| own == "group") {
            self.leave_each(id).await?;
        }
        self.erase_chatgpt(id, &fields).await?;
        Ok(deleted("OpenAI", "，", unbound))
    }

    /// Removes a ChatGPT account and the sessions that name it.
    pub(super) async fn erase_chatgpt(&self, id: &str, fields: &Fields) -> Result<(), Failure> {
        let mut with = self.forget_sessions(id).await?;
        let shared = fields.get("accountType").is_some_and(|own| own == "shared");
        if let Some(set) = shared_set(KIND).filter(|_| shared) {
            with.push(Cmd::new("SREM").arg(set).arg(id));
        }
        self.erase(KIND, id, with).await
    }
}
