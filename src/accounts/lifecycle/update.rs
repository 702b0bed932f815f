//! Changes of accounts.

use compat::{
    pool::{Fields, Kind},
    store::Cmd,
};
use serde_json::{Value, json};

use super::{
    AccountAdmin,
    form::{self, Body, Grouping, bedrock, claude, console, console::Flavour},
    label, members, shared_set,
};
use crate::domain::{Declined, Failure};

impl AccountAdmin {
    /// Changes an account.
    ///
    /// # Errors
    /// What is wrong with the body (400), an unknown account (404; 500 for Bedrock), or what failed
    /// (500).
    pub async fn update(&self, kind: Kind, id: &str, body: &Value) -> Result<Value, Declined> {
        let sent = body;
        let body = form::with_expiry(&members(body));
        match kind {
            Kind::Official => claude::check_change(&body)?,
            Kind::Console => console::check(&body, Flavour::Console)?,
            Kind::Ccr => console::check(&body, Flavour::Ccr)?,
            Kind::Bedrock => bedrock::check(&body)?,
            Kind::OpenAi => return self.update_chatgpt(id, sent).await,
            Kind::OpenAiResponses => return self.update_responses(id, sent).await,
            Kind::Azure => return self.update_azure(id, sent).await,
        }
        let done = self.change(kind, id, &body).await;
        done.map_err(|error| error.under(&format!("Failed to update {} account", label(kind))))?;
        let message = format!("{} account updated successfully", label(kind));
        Ok(json!({ "success": true, "message": message }))
    }

    async fn change(&self, kind: Kind, id: &str, body: &Body) -> Result<(), Failure> {
        if kind == Kind::Bedrock {
            return self.change_document(id, body).await;
        }
        let Some(before) = self.fields(kind, id).await? else {
            return Err(Declined::new(404, "Account not found").into());
        };
        if body.contains_key("accountType") {
            if before.get("accountType").is_some_and(|own| own == "group") {
                self.leave_all(kind, id).await?;
            }
            self.join(id, Grouping::of_changed(body), "claude").await?;
        }
        self.change_fields(kind, id, body, &before).await
    }

    /// The change itself, once groups are seen to.
    pub(super) async fn change_fields(
        &self,
        kind: Kind,
        id: &str,
        body: &Body,
        before: &Fields,
    ) -> Result<(), Failure> {
        let made = self.made(id, "", self.now_ms());
        let own = |field: &str| before.get(field).map_or("", String::as_str);
        let (patch, with) = match kind {
            Kind::Official => (claude::patch(&made, body, before)?, Self::index_again(kind, id)),
            Kind::Console | Kind::Ccr => {
                let flavour = if kind == Kind::Ccr { Flavour::Ccr } else { Flavour::Console };
                let patch = console::patch(&made, body, own("accountType"), flavour)?;
                (patch, shared_commands(kind, id, body, own("accountType")))
            }
            _ => return Ok(()),
        };
        if !patch.is_empty() {
            self.write(kind, id, before, &patch, with).await?;
        } else {
            if !with.is_empty() {
                self.run(with.into_iter().collect::<compat::store::Batch>()).await?;
            }
            if kind == Kind::Ccr {
                // The legacy service writes no field at all then, which Redis refuses.
                return Err(Failure::fault("ERR wrong number of arguments for 'hset' command"));
            }
        }
        let name = patch.sets().find(|(field, _)| *field == "name").map(|(_, name)| name);
        self.tell_disabled(kind, id, name.unwrap_or(own("name")), body, own("isActive"));
        Ok(())
    }

    pub(super) async fn change_document(&self, id: &str, body: &Body) -> Result<(), Failure> {
        let made = self.made(id, "", self.now_ms());
        self.replace_document(id, |record| bedrock::changed(&made, body, record)).await
    }

    /// An account that was switched off by hand is told of; which value says so differs by kind.
    fn tell_disabled(&self, kind: Kind, id: &str, name: &str, body: &Body, was: &str) {
        let (off, platform, code) = match kind {
            Kind::Official => {
                (Value::from("false"), "claude-oauth", "CLAUDE_OAUTH_MANUALLY_DISABLED")
            }
            Kind::Console => {
                (Value::from(false), "claude-console", "CLAUDE_CONSOLE_MANUALLY_DISABLED")
            }
            _ => return,
        };
        if body.get("isActive") == Some(&off) && was == "true" {
            let name = if name.is_empty() { "Unknown Account" } else { name };
            let reason = "Account manually disabled by administrator";
            self.report(id, name, platform, "disabled", code, reason);
        }
    }
}

/// A changed type moves an account into or out of the shared set.
fn shared_commands(kind: Kind, id: &str, body: &Body, was: &str) -> Vec<Cmd> {
    let new = match body.get("accountType") {
        // Whatever is sent of a CCR account counts, null as well.
        Some(new) if kind == Kind::Ccr => new.as_str().unwrap_or_default(),
        Some(Value::String(new)) if !new.is_empty() && new != was => new,
        _ => return Vec::new(),
    };
    let Some(set) = shared_set(kind) else { return Vec::new() };
    let name = if new == "shared" { "SADD" } else { "SREM" };
    vec![Cmd::new(name).arg(set).arg(id)]
}
