//! Switches of accounts, and ending whatever an account was stopped for.

use compat::{
    account_state::Family,
    cooldown, keys,
    pool::{self, Kind, Patch},
    store::{Batch, Cmd},
};
use serde_json::{Value, json};

use super::{AccountAdmin, form::Body};
use crate::domain::{Declined, Failure};

/// The two switches of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    /// In use at all.
    Active,
    /// Open to the scheduler.
    Schedulable,
}

impl Switch {
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Active => "isActive",
            Self::Schedulable => "schedulable",
        }
    }

    fn failed(self) -> &'static str {
        match self {
            Self::Active => "Failed to toggle account status",
            Self::Schedulable => "Failed to toggle schedulable status",
        }
    }
}

/// Fields of faults that ended, official accounts.
const OFFICIAL_FAULTS: [&str; 19] = [
    "errorMessage",
    "unauthorizedAt",
    "blockedAt",
    "rateLimitedAt",
    "rateLimitStatus",
    "rateLimitEndAt",
    "tempErrorAt",
    "sessionWindowStart",
    "sessionWindowEnd",
    "lastOverloadAt",
    "rateLimitAutoStopped",
    "fiveHourAutoStopped",
    "fiveHourStoppedAt",
    "fiveHourWarningWindow",
    "fiveHourWarningCount",
    "fiveHourWarningLastSentAt",
    "tempErrorAutoStopped",
    "autoStoppedAt",
    "stoppedReason",
];
/// The same, accounts with an API key.
pub(super) const KEYED_FAULTS: [&str; 8] = [
    "rateLimitedAt",
    "rateLimitStatus",
    "unauthorizedAt",
    "unauthorizedCount",
    "overloadedAt",
    "overloadStatus",
    "blockedAt",
    "quotaStoppedAt",
];

impl AccountAdmin {
    /// Takes an account into use or out of it; `None` is whatever it is not now.
    ///
    /// # Errors
    /// An unknown account (404), or what failed (500).
    pub async fn set_active(
        &self,
        kind: Kind,
        id: &str,
        to: Option<bool>,
    ) -> Result<Value, Declined> {
        self.set(kind, id, Switch::Active, to).await
    }

    /// Opens an account to the scheduler or closes it; `None` is whatever it is not now.
    ///
    /// # Errors
    /// An unknown account (404), or what failed (500).
    pub async fn set_schedulable(
        &self,
        kind: Kind,
        id: &str,
        to: Option<bool>,
    ) -> Result<Value, Declined> {
        self.set(kind, id, Switch::Schedulable, to).await
    }

    async fn set(
        &self,
        kind: Kind,
        id: &str,
        switch: Switch,
        to: Option<bool>,
    ) -> Result<Value, Declined> {
        if kind.family() != pool::Family::Claude {
            return self.switch_openai(kind, id, switch, to).await;
        }
        let now = self.switch(kind, id, switch, to).await;
        let now = now.map_err(|error| error.under(switch.failed()))?;
        let mut answer = json!({ "success": true });
        answer[switch.field()] = now.into();
        Ok(answer)
    }

    async fn switch(
        &self,
        kind: Kind,
        id: &str,
        switch: Switch,
        to: Option<bool>,
    ) -> Result<bool, Failure> {
        let not_found = || Failure::from(Declined::new(404, "Account not found"));
        let field = switch.field();
        let (to, name) = if kind == Kind::Bedrock {
            let (record, _) = self.document(id).await?.ok_or_else(not_found)?;
            self.credentials(&record).map_err(|_| not_found())?;
            let to = to.unwrap_or(!compat::js::truthy(record.get(field)));
            let name = compat::js::field(record.get("name"));
            self.change_document(id, &Body::from_iter([(field.to_owned(), to.into())])).await?;
            (to, name)
        } else {
            let before = self.fields(kind, id).await?.ok_or_else(not_found)?;
            let own = before.get(field).map_or("", String::as_str);
            let now = match switch {
                Switch::Active => own == "true",
                Switch::Schedulable => own != "false",
            };
            let to = to.unwrap_or(!now);
            let body = Body::from_iter([(field.to_owned(), to.into())]);
            self.change_fields(kind, id, &body, &before).await?;
            (to, before.get("name").cloned().unwrap_or_default())
        };
        if switch == Switch::Schedulable && !to {
            self.tell_closed(kind, id, &name);
        }
        Ok(to)
    }

    fn tell_closed(&self, kind: Kind, id: &str, name: &str) {
        let (platform, code, unnamed) = match kind {
            Kind::Official => ("claude-oauth", "CLAUDE_OAUTH_MANUALLY_DISABLED", "Claude Account"),
            Kind::Console => {
                ("claude-console", "CLAUDE_CONSOLE_MANUALLY_DISABLED", "Claude Console Account")
            }
            Kind::Ccr => ("ccr", "CCR_MANUALLY_DISABLED", "CCR Account"),
            Kind::Bedrock => ("bedrock", "BEDROCK_MANUALLY_DISABLED", "Bedrock Account"),
            _ => return,
        };
        let name = if name.is_empty() { unnamed } else { name };
        self.report(id, name, platform, "disabled", code, "账号已被管理员手动禁用调度");
    }

    /// Ends every fault an account is in: limits, cool-downs, stops, counters of errors.
    ///
    /// # Errors
    /// An unknown account, or what failed (500).
    pub async fn reset_status(&self, kind: Kind, id: &str) -> Result<Value, Declined> {
        let done = match kind {
            Kind::Official => self.reset_official(id).await,
            Kind::Console | Kind::Ccr => self.reset_console(kind, id).await,
            Kind::Bedrock => self.reset_bedrock(id).await,
            Kind::OpenAi | Kind::OpenAiResponses | Kind::Azure => self.reset_openai(kind, id).await,
        };
        let data = done.map_err(|error| error.under("Failed to reset status"))?;
        Ok(json!({ "success": true, "data": data }))
    }

    async fn reset_official(&self, id: &str) -> Result<Value, Failure> {
        let kind = Kind::Official;
        let before = self.fields(kind, id).await?;
        let before = before.ok_or_else(|| Failure::fault("Account not found"))?;
        let own = |field: &str| before.get(field).map_or("", String::as_str);
        let status = if own("accessToken").is_empty() { "created" } else { "active" };
        let families = [Family::Opus, Family::Sonnet, Family::Haiku, Family::Fable];
        let families =
            families.into_iter().flat_map(|own| [own.limited_at_field(), own.limit_end_field()]);
        let patch = Patch::new()
            .set("status", status)
            .set("schedulable", "true")
            .del(OFFICIAL_FAULTS)
            .del(families);
        let mut with = Self::index_again(kind, id);
        for key in [
            keys::unauthorized_count(id),
            keys::old_rate_limit(id),
            keys::server_error_count(id),
            keys::account_overload(id),
            cooldown::mark_key(kind.as_str(), id),
            cooldown::mark_key("claude", id),
        ] {
            with.push(Cmd::new("DEL").arg(key));
        }
        self.write(kind, id, &before, &patch, with).await?;
        let account =
            json!({ "id": id, "name": own("name"), "status": status, "schedulable": true });
        Ok(json!({ "success": true, "account": account }))
    }

    async fn reset_console(&self, kind: Kind, id: &str) -> Result<Value, Failure> {
        let before = self.fields(kind, id).await?;
        let before = before.ok_or_else(|| Failure::fault("Account not found"))?;
        let patch = Patch::new()
            .set("status", "active")
            .set("errorMessage", "")
            .set("schedulable", "true")
            .set("isActive", "true")
            .del(KEYED_FAULTS);
        let with = vec![Cmd::new("DEL").arg(cooldown::mark_key(kind.as_str(), id))];
        self.write(kind, id, &before, &patch, with).await?;
        let name = before.get("name").filter(|name| !name.is_empty());
        self.tell_recovered(kind, id, name.map_or(id, String::as_str));
        Ok(json!({ "success": true, "accountId": id }))
    }

    /// Only the cool-down: a Bedrock record has no other fault. The legacy service also writes a hash
    /// that nothing reads.
    async fn reset_bedrock(&self, id: &str) -> Result<Value, Failure> {
        let kind = Kind::Bedrock;
        self.run(Cmd::new("DEL").arg(cooldown::mark_key(kind.as_str(), id))).await?;
        self.tell_recovered(kind, id, id);
        Ok(json!({ "success": true, "accountId": id }))
    }

    pub(super) fn tell_recovered(&self, kind: Kind, id: &str, name: &str) {
        let reason = "Account status manually reset";
        self.report(id, name, kind.as_str(), "recovered", "STATUS_RESET", reason);
    }

    /// Starts the day of an account's quota anew.
    ///
    /// # Errors
    /// What failed (500).
    pub async fn reset_usage(&self, kind: Kind, id: &str) -> Result<Value, Declined> {
        if kind == Kind::OpenAiResponses {
            return self.reset_responses_usage(id).await;
        }
        let done = self.start_day(kind, id).await;
        done.map_err(|error| error.under("Failed to reset daily usage"))?;
        Ok(json!({ "success": true, "message": "Daily usage reset successfully" }))
    }

    async fn start_day(&self, kind: Kind, id: &str) -> Result<(), Failure> {
        let today = self.0.calendar.date(self.now_ms());
        // An account that is not there has no day; the legacy service would make a stray record of a
        // CCR account here.
        let Some(before) = self.fields(kind, id).await? else { return Ok(()) };
        let own = |field: &str| before.get(field).map_or("", String::as_str);
        if kind == Kind::Ccr {
            let patch = Patch::new()
                .set("dailyUsage", "0")
                .set("lastResetDate", today)
                .set("quotaStoppedAt", "");
            return self.write(kind, id, &before, &patch, Vec::new()).await;
        }
        let mut body = Body::from_iter([("lastResetDate".to_owned(), today.into())]);
        if !own("quotaStoppedAt").is_empty() {
            body.insert("quotaStoppedAt".to_owned(), "".into());
            if own("quotaAutoStopped") == "true" {
                body.insert("schedulable".to_owned(), true.into());
            }
        }
        self.change_fields(kind, id, &body, &before).await
    }

    /// Starts the day anew for all accounts of a kind that are still in an old one.
    ///
    /// # Errors
    /// What failed (500).
    pub async fn reset_all_usage(&self, kind: Kind) -> Result<Value, Declined> {
        let all = async {
            let today = self.0.calendar.date(self.now_ms());
            for id in self.ids(kind).await? {
                let old = Cmd::new("HGET").arg(kind.record_key(&id)).arg("lastResetDate");
                let old = self.one(old).await?.text()?.unwrap_or_default();
                if old != today {
                    self.start_day(kind, &id).await?;
                }
            }
            Ok::<(), Failure>(())
        };
        all.await.map_err(|error| error.under("Failed to reset all daily usage"))?;
        Ok(json!({ "success": true, "message": "All daily usage reset successfully" }))
    }

    /// Ids of all accounts of a kind, by the index; in order.
    pub(super) async fn ids(&self, kind: Kind) -> Result<Vec<String>, Failure> {
        let mut asks = Batch::from(Cmd::new("SMEMBERS").arg(kind.index_key()));
        asks.push(Cmd::new("GET").arg(compat::keys::empty_marker(kind.index_key())));
        let mut replies = self.run(asks).await?.into_iter();
        let mut ids = replies.next().map(|reply| reply.texts()).transpose()?.unwrap_or_default();
        let marker = replies.next().and_then(|reply| reply.text().ok().flatten());
        // Somebody has looked through all keys within the hour and found none.
        let none = marker.as_deref() == Some("1");
        if ids.is_empty() && !none {
            let prefix = kind.record_key("");
            let found =
                compat::store::scan_keys(self.0.store.as_ref(), &format!("{prefix}*")).await?;
            let own = found.iter().filter_map(|key| key.strip_prefix(&prefix));
            // Index keys share the prefix.
            ids = own.filter(|id| !id.contains(':') && *id != "index").map(Into::into).collect();
            if !ids.is_empty() {
                let mut batch = Batch::new();
                batch.push(Cmd::new("SADD").arg(kind.index_key()).args(&ids));
                self.run(batch).await?;
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }
}
