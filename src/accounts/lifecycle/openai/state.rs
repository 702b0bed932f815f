//! Switches of accounts of the family, and ending whatever an account was stopped for.

use compat::{
    cooldown,
    pool::{Fields, Kind, Patch},
    store::Cmd,
};
use serde_json::{Value, json};

use super::{AccountAdmin, bare, responses::has_id, told};
use crate::{
    accounts::lifecycle::{
        form::{Body, openai::unsaid},
        state::{KEYED_FAULTS, Switch},
    },
    domain::{Declined, Failure},
};

impl AccountAdmin {
    /// Throws a switch; `None` is whatever it is not now.
    pub(in super::super) async fn switch_openai(
        &self,
        kind: Kind,
        id: &str,
        switch: Switch,
        to: Option<bool>,
    ) -> Result<Value, Declined> {
        let done = self.throw(kind, id, switch, to).await;
        let to = done.map_err(|error| match (kind, switch) {
            (Kind::OpenAiResponses, _) => bare(error),
            (Kind::OpenAi, Switch::Active) => told(error, "切换账户状态失败"),
            (_, Switch::Active) => told(error, "Failed to toggle account status"),
            (_, Switch::Schedulable) => told(error, "切换调度状态失败"),
        })?;
        let mut answer = json!({ "success": true });
        answer[switch.field()] = to.into();
        match (kind, switch) {
            (Kind::OpenAiResponses, _) | (Kind::OpenAi, Switch::Active) => {}
            (_, Switch::Active) => {
                let done = if to { "activated" } else { "deactivated" };
                answer["message"] = format!("Account {done} successfully").into();
            }
            (_, Switch::Schedulable) => {
                answer["message"] = if to { "已启用调度" } else { "已禁用调度" }.into();
            }
        }
        Ok(answer)
    }

    async fn throw(
        &self,
        kind: Kind,
        id: &str,
        switch: Switch,
        to: Option<bool>,
    ) -> Result<bool, Failure> {
        let before = self.there(kind, id).await?;
        let before = before.ok_or_else(|| match (kind, switch) {
            (_, Switch::Schedulable) => Failure::fault("Account not found"),
            (Kind::OpenAi, Switch::Active) => unsaid(404, "账户不存在").into(),
            (_, Switch::Active) => unsaid(404, "Account not found").into(),
        })?;
        let own = before.get(switch.field()).map_or("", String::as_str);
        let open = kind == Kind::OpenAi && switch == Switch::Schedulable;
        let now = if open { own != "false" } else { own == "true" };
        let to = to.unwrap_or(!now);
        let values = Body::from_iter([(switch.field().to_owned(), to.to_string().into())]);
        match kind {
            Kind::OpenAi => self.write_chatgpt(id, &before, &values).await?,
            Kind::OpenAiResponses => self.store_responses(id, &values).await?,
            _ => {
                self.change_azure(id, &values).await?;
            }
        }
        if switch == Switch::Schedulable && !to {
            self.tell_openai_closed(kind, id, before.get("name").map_or("", String::as_str));
        }
        Ok(to)
    }

    /// Operators hear of it, but not for providers: the legacy service tells of those in a form that no
    /// notification has.
    fn tell_openai_closed(&self, kind: Kind, id: &str, name: &str) {
        let (code, unnamed) = match kind {
            Kind::OpenAi => ("OPENAI_MANUALLY_DISABLED", "OpenAI Account"),
            Kind::Azure => ("AZURE_OPENAI_MANUALLY_DISABLED", "Azure OpenAI Account"),
            _ => return,
        };
        let name = if name.is_empty() { unnamed } else { name };
        self.report(id, name, kind.as_str(), "disabled", code, "账号已被管理员手动禁用调度");
    }

    /// The record, unless the legacy service would take it for none.
    pub(super) async fn there(&self, kind: Kind, id: &str) -> Result<Option<Fields>, Failure> {
        let fields = self.fields(kind, id).await?;
        let whole = |fields: &Fields| kind != Kind::OpenAiResponses || has_id(fields.get("id"));
        Ok(fields.filter(whole))
    }

    /// Ends every fault; gives what the admin API answers.
    pub(in super::super) async fn reset_openai(
        &self,
        kind: Kind,
        id: &str,
    ) -> Result<Value, Failure> {
        let before = self.there(kind, id).await?;
        let before = before.ok_or_else(|| Failure::fault("Account not found"))?;
        let own = |field: &str| before.get(field).map_or("", String::as_str);
        let now = compat::clock::iso(self.now_ms());
        let patch = match kind {
            Kind::OpenAi => Patch::new()
                .set("status", if own("accessToken").is_empty() { "created" } else { "active" })
                .set("schedulable", "true")
                .set("errorMessage", "")
                .set("rateLimitedAt", "")
                .set("rateLimitStatus", "normal")
                .set("rateLimitResetAt", "")
                .set("updatedAt", now),
            Kind::OpenAiResponses => {
                let service = compat::crypto::Service::OpenAiResponses;
                let key = self.0.vault.decrypt(service, own("apiKey")).text;
                Patch::new()
                    .set("status", if key.is_empty() { "created" } else { "active" })
                    .set("schedulable", "true")
                    .set("errorMessage", "")
                    .set("rateLimitedAt", "")
                    .set("rateLimitStatus", "")
                    .set("rateLimitResetAt", "")
                    .set("rateLimitDuration", "")
            }
            _ => Patch::new()
                .set("status", "active")
                .set("errorMessage", "")
                .set("schedulable", "true")
                .set("isActive", "true")
                .del(KEYED_FAULTS),
        };
        let with = vec![Cmd::new("DEL").arg(cooldown::mark_key(kind.as_str(), id))];
        self.write(kind, id, &before, &patch, with).await?;
        let name = Some(own("name")).filter(|name| !name.is_empty()).unwrap_or(id);
        self.tell_recovered(kind, id, name);
        Ok(match kind {
            Kind::Azure => json!({ "success": true, "accountId": id }),
            _ => json!({ "success": true, "message": "Account status reset successfully" }),
        })
    }

    /// Ends a provider's limit and no more, as the legacy service does it: an account that the limit
    /// closed to the scheduler stays closed.
    ///
    /// # Errors
    /// Another kind of account (400), an unknown one, or what failed (500).
    pub async fn reset_rate_limit(&self, kind: Kind, id: &str) -> Result<Value, Declined> {
        if kind != Kind::OpenAiResponses {
            let text = "Only limits of openai-responses accounts can be ended alone";
            return Err(Declined::invalid(text));
        }
        let values = [
            ("rateLimitedAt", ""),
            ("rateLimitStatus", ""),
            ("status", "active"),
            ("errorMessage", ""),
        ];
        let values = values.map(|(name, value)| (name.to_owned(), value.into()));
        self.store_responses(id, &Body::from_iter(values)).await.map_err(bare)?;
        Ok(json!({ "success": true, "message": "Rate limit reset successfully" }))
    }

    /// Starts the day of a provider's quota anew.
    pub(in super::super) async fn reset_responses_usage(
        &self,
        id: &str,
    ) -> Result<Value, Declined> {
        let today = self.0.calendar.date(self.now_ms());
        let values = [
            ("dailyUsage", "0".into()),
            ("lastResetDate", today),
            ("quotaStoppedAt", String::new()),
        ];
        let values = values.map(|(name, value): (&str, String)| (name.to_owned(), value.into()));
        self.store_responses(id, &Body::from_iter(values)).await.map_err(bare)?;
        Ok(json!({ "success": true, "message": "Daily usage reset successfully" }))
    }
}
