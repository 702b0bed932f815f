//! The `OpenAI` family: ChatGPT accounts, providers of the Responses API, Azure accounts. Their routes
//! check, answer and fail in other ways than those of the Claude kinds, each in its own.

mod azure;
mod chatgpt;
mod login;
mod prove;
mod responses;
mod state;

use super::{AccountAdmin, create::pairs, delete::deleted, form::Body, shared_set};
use crate::domain::{Declined, Failure};
use compat::{
    js, keys,
    pool::{Fields, Kind},
    store::Cmd,
};

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

/// A changed type moves an account into or out of the shared set.
fn shared_commands(kind: Kind, id: &str, values: &Body, before: &Fields) -> Vec<Cmd> {
    let was = before.get("accountType").map_or("", String::as_str);
    let new = js::or(values.get("accountType")).filter(|new| new.as_str() != Some(was));
    let (Some(new), Some(set)) = (new, shared_set(kind)) else { return Vec::new() };
    let name = if new == "shared" { "SADD" } else { "SREM" };
    vec![Cmd::new(name).arg(set).arg(id)]
}

impl AccountAdmin {
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
