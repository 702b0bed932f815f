//! What an account's state becomes after a vendor's answer.

mod ccr;
mod console;
mod official;
mod openai;
mod provider;
mod responses;

use std::sync::Arc;

use compat::{
    cooldown::{self, CooldownPolicy, Failure},
    pool::{Entry, Kind},
    sticky,
    store::Cmd,
};
use serde_json::Value;

pub use console::is_account_disabled;
pub use official::{ClientView, OfficialReply};
pub use provider::ProviderReply;
pub use responses::ResponsesLimit;

use super::Accounts;
use crate::domain::HeaderList;

impl Accounts {
    /// Cools an account down; in memory at once, and as commands for Redis.
    pub(super) fn cool_down(
        &self,
        entry: &Arc<Entry>,
        status: u16,
        hint_seconds: Option<i64>,
    ) -> Vec<Cmd> {
        let policy = match entry.kind {
            Kind::Official => {
                CooldownPolicy::read(|field| entry.fields.get(field).map(String::as_str))
            }
            _ => CooldownPolicy::default(),
        };
        let failure = Failure {
            account_type: entry.kind.as_str(),
            account_id: &entry.id,
            status,
            hint_seconds,
        };
        let mark = cooldown::mark(failure, policy, &self.0.rules.cooldowns, self.now_ms());
        if let Some(seconds) = mark.seconds {
            let ttl_s = if seconds > 0 { seconds } else { -2 };
            self.0.ports.pools.with(entry.kind).apply_cooldown(entry.kind, &entry.id, ttl_s);
        }
        mark.cmds
    }

    /// Seconds that the vendor asks to wait.
    pub(super) fn hint(&self, headers: &HeaderList) -> Option<i64> {
        cooldown::retry_after(|name| headers.get(name), self.now_ms())
    }

    /// One line of error history without a cool-down.
    fn history(&self, entry: &Entry, status: u16, kind: &str) -> Vec<Cmd> {
        cooldown::history(entry.kind.as_str(), &entry.id, status, kind, None, self.now_ms())
    }
}

/// Drops the conversation's mapping.
fn unstick(session_hash: Option<&str>) -> Option<Cmd> {
    session_hash.map(|hash| sticky::forget(&sticky::claude(hash)))
}

/// Likewise for a conversation with the OpenAI family.
fn unstick_openai(session: Option<&str>) -> Option<Cmd> {
    session.map(|hash| sticky::forget(&sticky::openai(hash)))
}

/// Drops the mapping of the oldest scheduler, which nothing writes any more but the legacy service
/// still deletes.
fn unstick_oldest(session_hash: Option<&str>) -> Option<Cmd> {
    session_hash.map(|hash| Cmd::new("DEL").arg(format!("sticky_session:{hash}")))
}

/// The message of an error body, as the official relay looks for it: `error` as text, `error.message`,
/// `error.error`, `message`; a body that is no JSON is the message itself.
pub fn error_message(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let Ok(body) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    let body = match &body {
        // JSON text may hold JSON once more.
        Value::String(inner) => return error_message(inner.as_bytes()),
        body => body,
    };
    let error = body.get("error");
    let found = [
        error,
        error.and_then(|error| error.get("message")),
        error.and_then(|error| error.get("error")),
        body.get("message"),
    ];
    found.into_iter().flatten().find_map(Value::as_str).unwrap_or_default().to_owned()
}
