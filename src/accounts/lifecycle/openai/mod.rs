//! The `OpenAI` family: ChatGPT accounts, providers of the Responses API, Azure accounts. Their routes
//! check, answer and fail in other ways than those of the Claude kinds, each in its own.

mod azure;
mod chatgpt;
mod login;
mod prove;
mod responses;
mod state;

use compat::{
    js, keys,
    pool::{Fields, Kind},
    store::{Batch, Cmd},
};
use serde_json::{Value, json};

use super::{
    AccountAdmin,
    form::{Body, Named},
    shared_set,
};
use crate::domain::{Declined, Failure};

/// Platform of the groups that `OpenAI` accounts and providers belong to.
const GROUPS: &str = "openai";

/// A fault as routes tell it that say `{success: false, message, error}`.
fn told(failure: Failure, message: &str) -> Declined {
    match failure {
        Failure::Declined(declined) => declined,
        Failure::Fault(text) => Declined::new(500, text).saying(message).unsuccessful(),
    }
}

/// The same of routes that name the fault alone: `{success: false, error}`.
fn bare(failure: Failure) -> Declined {
    match failure {
        Failure::Declined(declined) => declined,
        Failure::Fault(text) => Declined::new(500, text).unsuccessful(),
    }
}

fn pairs(record: &Named) -> impl Iterator<Item = (&str, &str)> {
    record.iter().map(|(field, value)| (field.as_str(), value.as_str()))
}

/// A changed type moves an account into or out of the shared set.
fn shared_commands(kind: Kind, id: &str, values: &Body, before: &Fields) -> Vec<Cmd> {
    let was = before.get("accountType").map_or("", String::as_str);
    let new = js::or(values.get("accountType")).filter(|new| new.as_str() != Some(was));
    let (Some(new), Some(set)) = (new, shared_set(kind)) else { return Vec::new() };
    let name = if new == "shared" { "SADD" } else { "SREM" };
    vec![Cmd::new(name).arg(set).arg(id)]
}

/// What deleting says.
fn deleted(label: &str, comma: &str, unbound: usize) -> Value {
    let mut message = format!("{label}账号已成功删除");
    if unbound > 0 {
        message.push_str(&format!("{comma}{unbound} 个 API Key 已切换为共享池模式"));
    }
    json!({ "success": true, "message": message, "unboundKeys": unbound })
}

impl AccountAdmin {
    /// Removes a record and what points to it, and sees to it that it stays away.
    async fn erase(&self, kind: Kind, id: &str, with: Vec<Cmd>) -> Result<(), Failure> {
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

    /// Commands that forget the sessions which a ChatGPT account was chosen for.
    async fn forget_sessions(&self, id: &str) -> Result<Vec<Cmd>, Failure> {
        let list = keys::old_openai_account_sessions(id);
        let sessions = self.one(Cmd::new("SMEMBERS").arg(&list)).await?.texts()?;
        if sessions.is_empty() {
            return Ok(Vec::new());
        }
        let mut cmds: Vec<Cmd> = sessions
            .iter()
            .map(|session| Cmd::new("DEL").arg(keys::old_openai_session(session)))
            .collect();
        cmds.push(Cmd::new("DEL").arg(list));
        Ok(cmds)
    }
}
