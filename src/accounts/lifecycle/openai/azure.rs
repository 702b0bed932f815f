//! Making, changing and deleting Azure accounts.

use std::time::Duration;

use bytes::Bytes;
use compat::{js, pool::Kind, store::Cmd};
use serde_json::{Value, json};

use super::{AccountAdmin, deleted, pairs, shared_commands, told};
use crate::{
    accounts::lifecycle::{
        form::{self, Body, Grouping, azure as form_of},
        members,
        probe::host_of,
        shared_set,
    },
    domain::{Declined, Failure, HeaderList},
    upstream::UpstreamRequest,
};

const KIND: Kind = Kind::Azure;
/// Groups have no such platform, so that no Azure account fits one, as in the legacy service.
const GROUPS: &str = "azure_openai";
/// Longest that a new key is tried.
const TRIAL: Duration = Duration::from_secs(5);

impl AccountAdmin {
    pub(in super::super) async fn create_azure(&self, body: &Value) -> Result<Value, Declined> {
        let body = members(body);
        self.make_azure(&body).await.map_err(|error| told(error, "Failed to create account"))
    }

    async fn make_azure(&self, body: &Body) -> Result<Value, Failure> {
        form_of::check_new(body)?;
        self.try_azure_key(body).await?;
        let id = uuid::Uuid::new_v4().to_string();
        let (record, shown) = form_of::record(&self.made(&id, "", self.now_ms()), body)?;
        self.store_new(KIND, &id, pairs(&record), shown["accountType"] == "shared").await?;
        self.join(&id, Grouping::of_new(body, true), GROUPS).await?;
        let message = "Azure OpenAI account created successfully";
        Ok(json!({ "success": true, "data": shown, "message": message }))
    }

    /// Asks for the deployment with the new key. Only a key that is refused stops the account: the
    /// deployment may be made later, and the address may be out of reach from here.
    async fn try_azure_key(&self, body: &Body) -> Result<(), Failure> {
        let url = form_of::trial_url(body);
        let mut headers = HeaderList::new();
        headers.push("Accept", "application/json, text/plain, */*");
        headers.push("api-key", js::field(body.get("apiKey")));
        headers.push("User-Agent", crate::platform::LIBRARY_AGENT);
        crate::accounts::oauth::tail(&mut headers, &host_of(&url), false);
        let asked = self.0.accounts.ask(UpstreamRequest {
            method: http::Method::GET,
            url,
            headers,
            body: Bytes::new(),
            proxy: None,
            idle_timeout: TRIAL,
            decode_body: true,
        });
        match asked.await {
            Ok((401, _)) => Err(form_of::refused().into()),
            _ => Ok(()),
        }
    }

    pub(in super::super) async fn update_azure(
        &self,
        id: &str,
        body: &Value,
    ) -> Result<Value, Declined> {
        let values = form::with_expiry(&members(body));
        let done = self.change_azure(id, &values).await;
        let shown = done.map_err(|error| told(error, "Failed to update account"))?;
        let message = "Azure OpenAI account updated successfully";
        Ok(json!({ "success": true, "data": shown, "message": message }))
    }

    /// Stores values of an Azure account; gives the account as it is shown then.
    pub(super) async fn change_azure(&self, id: &str, values: &Body) -> Result<Value, Failure> {
        let before = self.fields(KIND, id).await?;
        let before = before.ok_or_else(|| Failure::fault("Account not found"))?;
        let made = self.made(id, "", self.now_ms());
        let patch = form_of::patch(&made, values)?;
        let with = shared_commands(KIND, id, values, &before);
        self.write(KIND, id, &before, &patch, with).await?;
        Ok(form_of::shown(&made, &before, values))
    }

    pub(in super::super) async fn delete_azure(&self, id: &str) -> Result<Value, Declined> {
        let unbound = self.0.bindings.unbind(KIND.account_kind(), id).await;
        let done = async {
            self.forget_groups(id).await?;
            let shared = shared_set(KIND).map(|set| Cmd::new("SREM").arg(set).arg(id));
            self.erase(KIND, id, shared.into_iter().collect()).await
        };
        done.await.map_err(|error| told(error, "Failed to delete account"))?;
        Ok(deleted("Azure OpenAI", ",", unbound))
    }
}
