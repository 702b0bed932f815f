//! Making, changing and deleting providers of the Responses API.

use compat::{pool::Kind, store::Cmd};
use serde_json::{Value, json};

use super::{AccountAdmin, GROUPS, bare, deleted, pairs};
use crate::{
    accounts::lifecycle::{
        form::{self, Body, Grouping, openai::unsaid, responses as form_of},
        members, shared_set,
    },
    domain::{Declined, Failure},
};

const KIND: Kind = Kind::OpenAiResponses;

impl AccountAdmin {
    pub(in super::super) async fn create_responses(&self, body: &Value) -> Result<Value, Declined> {
        let body = members(body);
        form_of::check_new(&body)?;
        self.make_responses(&body).await.map_err(bare)
    }

    async fn make_responses(&self, body: &Body) -> Result<Value, Failure> {
        let (id, now_ms) = (uuid::Uuid::new_v4().to_string(), self.now_ms());
        let today = self.0.calendar.date(now_ms);
        let (record, shown) = form_of::record(&self.made(&id, &today, now_ms), body)?;
        self.store_new(KIND, &id, pairs(&record), shown["accountType"] == "shared").await?;
        self.join(&id, Grouping::of_new(body, true), GROUPS).await?;
        Ok(json!({ "success": true, "data": shown }))
    }

    pub(in super::super) async fn update_responses(
        &self,
        id: &str,
        body: &Value,
    ) -> Result<Value, Declined> {
        self.change_responses(id, &members(body)).await.map_err(bare)
    }

    async fn change_responses(&self, id: &str, body: &Body) -> Result<Value, Failure> {
        let before = self.fields(KIND, id).await?.filter(|fields| has_id(fields.get("id")));
        let Some(before) = before else {
            return Err(Declined::new(404, "Account not found").unsuccessful().into());
        };
        let values = form_of::values(&form::with_expiry(body))?;
        if values.contains_key("accountType") {
            if before.get("accountType").is_some_and(|own| own == "group") {
                self.leave_each(id).await?;
            }
            self.join(id, Grouping::of_changed(&values), GROUPS).await?;
        }
        self.store_responses(id, &values).await?;
        Ok(json!({ "success": true }))
    }

    /// Stores values of a provider that is there.
    pub(super) async fn store_responses(&self, id: &str, values: &Body) -> Result<(), Failure> {
        let before = self.fields(KIND, id).await?.filter(|fields| has_id(fields.get("id")));
        let before = before.ok_or_else(|| Failure::fault("Account not found"))?;
        let patch = form_of::patch(&self.made(id, "", self.now_ms()), values)?;
        // A changed type leaves the shared set as it is; nothing selects by it.
        self.write(KIND, id, &before, &patch, Vec::new()).await
    }

    pub(in super::super) async fn delete_responses(&self, id: &str) -> Result<Value, Declined> {
        self.drop_responses(id).await.map_err(bare)
    }

    async fn drop_responses(&self, id: &str) -> Result<Value, Failure> {
        let fields = self.fields(KIND, id).await?.filter(|fields| has_id(fields.get("id")));
        let Some(fields) = fields else {
            return Err(unsaid(404, "Account not found").into());
        };
        let unbound = self.0.bindings.unbind(KIND.account_kind(), id).await;
        if fields.get("accountType").is_some_and(|own| own == "group") {
            self.forget_groups(id).await?;
        }
        let shared = shared_set(KIND).map(|set| Cmd::new("SREM").arg(set).arg(id));
        self.erase(KIND, id, shared.into_iter().collect()).await?;
        Ok(deleted("OpenAI-Responses", "，", unbound))
    }
}

/// A record without an id is none to the legacy service.
pub(super) fn has_id(id: Option<&String>) -> bool {
    id.is_some_and(|id| !id.is_empty())
}
