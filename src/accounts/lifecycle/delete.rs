//! Deleting accounts.

use compat::{
    pool::Kind,
    store::{Batch, Cmd},
};
use serde_json::{Value, json};

use super::{AccountAdmin, label, shared_set};
use crate::domain::{Declined, Failure};

impl AccountAdmin {
    /// Deletes an account: keys bound to it use the shared pool from now on, groups forget it.
    ///
    /// # Errors
    /// An unknown account, or what failed (500); keys have been freed by then.
    pub async fn delete(&self, kind: Kind, id: &str) -> Result<Value, Declined> {
        match kind {
            Kind::OpenAi => return self.delete_chatgpt(id).await,
            Kind::OpenAiResponses => return self.delete_responses(id).await,
            Kind::Azure => return self.delete_azure(id).await,
            _ => {}
        }
        let unbound = self.0.bindings.unbind(kind.account_kind(), id).await;
        let done = match kind {
            Kind::Bedrock => self.delete_document(id).await,
            _ => self.delete_fields(kind, id).await,
        };
        done.map_err(|error| error.under(&format!("Failed to delete {} account", label(kind))))?;
        Ok(deleted(label(kind), "，", unbound))
    }

    async fn delete_fields(&self, kind: Kind, id: &str) -> Result<(), Failure> {
        let Some(fields) = self.fields(kind, id).await? else {
            return Err(self.not_there(kind, id).await);
        };
        let own = fields.get("accountType").map_or("", String::as_str);
        if own == "group" {
            self.leave_each(id).await?;
        }
        if kind == Kind::Official {
            self.forget_groups(id).await?;
        }
        let shared = shared_set(kind).filter(|_| kind == Kind::Ccr || own == "shared");
        let shared = shared.map(|set| Cmd::new("SREM").arg(set).arg(id));
        self.erase(kind, id, shared.into_iter().collect()).await
    }

    /// Removes a record and what points to it, and sees to it that it stays away: a stale write of another
    /// process would bring it back.
    pub(super) async fn erase(&self, kind: Kind, id: &str, with: Vec<Cmd>) -> Result<(), Failure> {
        let mut cmds = vec![
            Cmd::new("SREM").arg(kind.index_key()).arg(id),
            Cmd::new("DEL").arg(kind.record_key(id)),
        ];
        cmds.extend(with);
        let mut batch = Batch::atomic();
        batch.cmds.extend(cmds.iter().cloned());
        self.run(batch).await?;
        for pause in &self.0.looks {
            tokio::time::sleep(*pause).await;
            if self.one(Cmd::new("EXISTS").arg(kind.record_key(id))).await?.int()? > 0 {
                self.run(cmds.iter().cloned().collect::<Batch>()).await?;
            }
        }
        Ok(())
    }

    /// What the legacy service has done by the time it finds that there is no such account.
    async fn not_there(&self, kind: Kind, id: &str) -> Failure {
        let mut batch = Batch::new();
        if kind != Kind::Console {
            batch.push(Cmd::new("SREM").arg(kind.index_key()).arg(id));
        }
        if let Some(set) = shared_set(kind).filter(|_| kind == Kind::Ccr) {
            batch.push(Cmd::new("SREM").arg(set).arg(id));
        }
        let cleared = async {
            if kind == Kind::Official {
                self.forget_groups(id).await?;
            }
            if !batch.is_empty() {
                self.run(batch).await?;
            }
            Ok::<(), Failure>(())
        };
        if let Err(error) = cleared.await {
            return error;
        }
        Failure::fault(match kind {
            Kind::Ccr => "CCR Account not found or already deleted",
            _ => "Account not found",
        })
    }

    async fn delete_document(&self, id: &str) -> Result<(), Failure> {
        let Some((record, _)) = self.document(id).await? else {
            return Err(Failure::fault("Account not found"));
        };
        self.credentials(&record)?;
        let mut batch = Batch::atomic();
        batch.push(Cmd::new("DEL").arg(Kind::Bedrock.record_key(id)));
        batch.push(Cmd::new("SREM").arg(Kind::Bedrock.index_key()).arg(id));
        self.run(batch).await?;
        Ok(())
    }

    /// The legacy service touches a Bedrock account only if its credentials can be read.
    pub(super) fn credentials(
        &self,
        record: &serde_json::Map<String, Value>,
    ) -> Result<(), Failure> {
        let kind = record.get("credentialType").and_then(Value::as_str).unwrap_or_default();
        let there = |name: &str| compat::js::or(record.get(name));
        let (keys, token) = (there("awsCredentials"), there("bearerToken"));
        let wanted = match (kind, keys, token) {
            ("access_key", Some(keys), _) => vec![keys],
            ("bearer_token", _, Some(token)) => vec![token],
            (_, keys, token) => keys.into_iter().chain(token).collect(),
        };
        if wanted.is_empty() {
            return Err(Failure::fault("No valid credentials found in account data"));
        }
        for own in wanted {
            self.0.vault.open_bedrock(own).map_err(|_| {
                Failure::fault("Credentials decryption failed: Credentials decryption failed")
            })?;
        }
        Ok(())
    }
}

/// What deleting says.
pub(super) fn deleted(label: &str, comma: &str, unbound: usize) -> Value {
    let mut message = format!("{label}账号已成功删除");
    if unbound > 0 {
        message.push_str(&format!("{comma}{unbound} 个 API Key 已切换为共享池模式"));
    }
    json!({ "success": true, "message": message, "unboundKeys": unbound })
}
