//! What the vendor knows about an official account: its plan, and how much of it is used.

use std::time::Duration;

use compat::{
    clock::iso,
    js,
    pool::{Fields, Kind},
};
use futures_util::{StreamExt, stream};
use serde_json::{Map, Value, json};

use super::{AccountAdmin, view};
use crate::{
    accounts::{oauth, proxy},
    domain::{Declined, Failure},
};

/// Usage that is younger is not asked for again.
const USAGE_FRESH_MS: i64 = 300_000;
/// Accounts asked about at once.
const AT_ONCE: usize = 16;
/// Pause between two profiles when all are asked for.
const PROFILE_PAUSE: Duration = Duration::from_secs(1);

impl AccountAdmin {
    /// Asks for the plan of an account and stores it.
    ///
    /// # Errors
    /// An unknown account, tokens that may not ask, or what the vendor said (500).
    pub async fn update_profile(&self, id: &str) -> Result<Value, Declined> {
        let plan = self.fetch_plan(id, None).await;
        let plan = plan.map_err(|error| error.under("Failed to update account profile"))?;
        let message = "Account profile updated successfully";
        Ok(json!({ "success": true, "message": message, "data": plan }))
    }

    async fn fetch_plan(
        &self,
        id: &str,
        token: Option<crate::domain::Secret>,
    ) -> Result<Value, Failure> {
        let fields = self.fields(Kind::Official, id).await?;
        let fields = fields.ok_or_else(|| Failure::fault("Account not found"))?;
        if !may_ask(&fields) {
            return Err(Failure::fault("Account does not have user:profile permission"));
        }
        let entry = Self::entry(Kind::Official, id, fields);
        let token = match token {
            Some(token) => token,
            None => self.0.accounts.stored_token(&entry),
        };
        if token.is_empty() {
            return Err(Failure::fault("No access token available"));
        }
        let asked = self.0.accounts.profile(&entry, &token, proxy::of(&entry)).await;
        let plan = asked.map_err(Failure::fault)?;
        Ok(serde_json::from_str(&plan)?)
    }

    /// Asks for the plans of all accounts that are in use, one a second.
    ///
    /// # Errors
    /// Redis (500). What went wrong with single accounts is part of the answer.
    pub async fn update_all_profiles(&self) -> Result<Value, Declined> {
        let all = self.ask_all_plans().await;
        let data = all.map_err(|error| error.under("Failed to update all account profiles"))?;
        let message = "Batch profile update completed";
        Ok(json!({ "success": true, "message": message, "data": data }))
    }

    async fn ask_all_plans(&self) -> Result<Value, Failure> {
        let ids = self.ids(Kind::Official).await?;
        let (mut total, mut done, mut failed, mut results) = (0, 0, 0, Vec::new());
        for id in &ids {
            let Some(fields) = self.fields(Kind::Official, id).await? else { continue };
            total += 1;
            let own = |field: &str| fields.get(field).map_or("", String::as_str);
            if own("isActive") != "true" || own("status") == "error" {
                continue;
            }
            let name = own("name").to_owned();
            if !may_ask(&fields) {
                let why = "No user:profile permission (Setup Token account)";
                results.push(json!({
                    "accountId": id, "accountName": name, "success": false, "error": why,
                }));
                continue;
            }
            let entry = Self::entry(Kind::Official, id, fields);
            let asked = match self.0.accounts.token(&entry).await {
                Ok(token) => self.fetch_plan(id, Some(token)).await,
                Err(error) => Err(error.into()),
            };
            match asked {
                Ok(plan) => {
                    done += 1;
                    results.push(json!({
                        "accountId": id, "accountName": name, "success": true,
                        "accountType": plan["accountType"],
                    }));
                }
                Err(error) => {
                    failed += 1;
                    let why = error.under("").body.get("message").cloned();
                    results.push(json!({
                        "accountId": id, "accountName": name, "success": false, "error": why,
                    }));
                }
            }
            tokio::time::sleep(PROFILE_PAUSE).await;
        }
        Ok(json!({
            "totalAccounts": total,
            "successCount": done,
            "failureCount": failed,
            "results": results,
        }))
    }

    /// How much of each account's windows is used, by id: asked for where it is older than five
    /// minutes, of active accounts with a full login; `null` for others. `only` names one account.
    ///
    /// # Errors
    /// Redis (500).
    pub async fn usage(&self, only: Option<&str>) -> Result<Value, Declined> {
        let all = async {
            let ids = match only {
                Some(id) => vec![id.to_owned()],
                None => self.ids(Kind::Official).await?,
            };
            let asks = ids.into_iter().map(|id| async move {
                let usage = self.usage_of(&id).await?;
                Ok::<_, Failure>(usage.map(|usage| (id, usage)))
            });
            let found: Vec<_> = stream::iter(asks).buffered(AT_ONCE).collect().await;
            let mut usage = Map::new();
            for one in found {
                usage.extend(one?);
            }
            Ok::<_, Failure>(usage)
        };
        let usage = all.await.map_err(|error| error.under("Failed to fetch usage data"))?;
        Ok(json!({ "success": true, "data": usage }))
    }

    async fn usage_of(&self, id: &str) -> Result<Option<Value>, Failure> {
        let Some(fields) = self.fields(Kind::Official, id).await? else { return Ok(None) };
        let own = |field: &str| fields.get(field).map_or("", String::as_str);
        let asked = view::is_full_login(&fields)
            && own("isActive") == "true"
            && !own("accessToken").is_empty()
            && own("status") == "active";
        if !asked {
            return Ok(Some(Value::Null));
        }
        let known = view::claude_usage(&fields, self.now_ms());
        let age = js::date_ms(own("claudeUsageUpdatedAt")).map(|at| self.now_ms() - at);
        if !known.is_null() && age.is_some_and(|age| age < USAGE_FRESH_MS) {
            return Ok(Some(known));
        }
        if let Err(error) = self.ask_usage(id, fields).await {
            let error = error.under("no usage");
            tracing::warn!(account = id, %error, "usage could not be fetched");
        }
        let now = self.fields(Kind::Official, id).await?.unwrap_or_default();
        Ok(Some(view::claude_usage(&now, self.now_ms())))
    }

    async fn ask_usage(&self, id: &str, fields: Fields) -> Result<(), Failure> {
        let entry = Self::entry(Kind::Official, id, fields);
        let token = self.0.accounts.token(&entry).await?;
        let request = oauth::usage_request(&token, proxy::of(&entry));
        let (status, answer) = self.0.accounts.ask(request).await?;
        if status != 200 {
            return Err(Failure::fault(format!("Request failed with status code {status}")));
        }
        let patch = oauth::read_usage(&answer, &iso(self.now_ms()));
        if patch.is_empty() {
            return Ok(());
        }
        self.one(patch.cmd(&Kind::Official.record_key(id))).await?;
        self.run(
            Self::index_again(Kind::Official, id).into_iter().collect::<compat::store::Batch>(),
        )
        .await?;
        Ok(())
    }
}

/// Whether an account's tokens may ask for its profile.
fn may_ask(fields: &Fields) -> bool {
    fields.get("scopes").is_some_and(|scopes| scopes.contains("user:profile"))
}
