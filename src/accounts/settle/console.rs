//! Console accounts (contract/anthropic.md §5.1).

use std::sync::Arc;

use compat::{
    account_state::{Phase, console},
    pool::Entry,
    store::Cmd,
};
use serde_json::Value;

use super::ProviderReply;
use crate::accounts::{Accounts, events::Event};

const PLATFORM: &str = "claude-console";

impl Accounts {
    /// The provider answered `count_tokens` with 404; it will not be asked again.
    pub async fn console_count_tokens_missing(&self, entry: &Arc<Entry>) {
        let entry = self.current(entry);
        let cmds = self.patch(&entry, &console::count_tokens_missing(self.now_ms()));
        self.write_now(cmds).await;
    }

    pub(super) fn console_success(&self, entry: &Arc<Entry>) -> Vec<Cmd> {
        let now_ms = self.now_ms();
        let mut cmds = Vec::new();
        if console::limit(entry, now_ms) != Phase::Off {
            cmds.extend(self.patch(entry, &console::lift_limit(entry)));
        }
        if console::overload(entry, now_ms) != Phase::Off {
            cmds.extend(self.patch(entry, &console::lift_overload(entry)));
        }
        cmds
    }

    pub(super) fn console_failure(
        &self,
        entry: &Arc<Entry>,
        reply: &ProviderReply<'_>,
    ) -> Vec<Cmd> {
        let protected = !entry.is("disableAutoProtection");
        match reply.status {
            400 if protected && is_account_disabled(reply.error_body, reply.stream) => {
                self.console_blocked(entry, reply.error_body)
            }
            // The quota is looked at even for accounts that are left alone otherwise. In streams the
            // legacy service does not wait for that look, so its writes come last.
            429 if reply.stream => {
                let mut cmds = Vec::new();
                if protected {
                    cmds.extend(self.console_limited(entry));
                    cmds.extend(self.cool_down(entry, 429, self.hint(reply.headers)));
                }
                cmds.extend(self.console_quota(entry).0);
                cmds
            }
            429 => {
                let (mut cmds, entry) = self.console_quota(entry);
                if protected {
                    cmds.extend(self.console_limited(&entry));
                    cmds.extend(self.cool_down(&entry, 429, self.hint(reply.headers)));
                }
                cmds
            }
            529 if protected => {
                let reason = "服务过载（529错误）。账户将暂时停止调度";
                self.report(
                    entry,
                    Event::new(PLATFORM, "error", "CLAUDE_CONSOLE_OVERLOADED", reason),
                );
                let mut cmds = self.patch(entry, &console::overloaded(self.now_ms()));
                cmds.extend(self.cool_down(entry, 529, None));
                cmds
            }
            status @ (401 | 500..) if protected => self.cool_down(entry, status, None),
            _ => Vec::new(),
        }
    }

    fn console_limited(&self, entry: &Arc<Entry>) -> Vec<Cmd> {
        let Some(patch) = console::limited(entry, self.now_ms()) else { return Vec::new() };
        let reason = console::limited_reason(entry);
        self.report(entry, Event::new(PLATFORM, "error", "CLAUDE_CONSOLE_RATE_LIMITED", reason));
        self.patch(entry, &patch)
    }

    fn console_blocked(&self, entry: &Arc<Entry>, body: &[u8]) -> Vec<Cmd> {
        let minutes = self.0.rules.console_block_minutes;
        if minutes <= 0 {
            // Handling is off: a block from before is lifted instead.
            return if entry.get("blockedStatus") == "blocked" {
                self.patch(entry, &console::lift_block(entry))
            } else {
                Vec::new()
            };
        }
        let reason = format!("账户临时被禁用（400错误）。账户将在 {minutes} 分钟后自动恢复。");
        let mut event = Event::new(PLATFORM, "error", "CLAUDE_CONSOLE_BLOCKED", reason);
        event.details = Some(String::from_utf8_lossy(body).into_owned());
        self.report(entry, event);
        self.patch(entry, &console::blocked(self.now_ms()))
    }

    /// Stops the account if its quota is spent; returns it as it then is.
    fn console_quota(&self, entry: &Arc<Entry>) -> (Vec<Cmd>, Arc<Entry>) {
        let spent = self.0.ports.pools.with(entry.kind).current().and_then(|snapshot| {
            let usage = snapshot.usage(&entry.id);
            console::spend_quota(entry, usage, &*self.0.ports.prices, self.now_ms())
        });
        let Some((patch, reason)) = spent else { return (Vec::new(), entry.clone()) };
        let code = "CLAUDE_CONSOLE_QUOTA_EXCEEDED";
        self.report(entry, Event::new(PLATFORM, "quota_exceeded", code, reason));
        (self.patch(entry, &patch), Arc::new(entry.patched(&patch)))
    }
}

/// Whether a 400 says that the provider has shut the account, not that the request was wrong.
/// For streams the legacy service searches the whole body, otherwise its message.
pub fn is_account_disabled(body: &[u8], stream: bool) -> bool {
    let text = String::from_utf8_lossy(body);
    let message = match serde_json::from_str::<Value>(&text) {
        _ if stream => text.into_owned(),
        Ok(Value::Object(body)) => {
            let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
            let own = text(body.get("message")).filter(|text| !text.is_empty());
            own.or_else(|| text(body.get("error").and_then(|error| error.get("message"))))
                .unwrap_or_default()
        }
        _ => text.into_owned(),
    };
    let message = message.to_lowercase();
    [
        "organization has been disabled",
        "account has been disabled",
        "account is disabled",
        "no account supporting",
        "account not found",
        "invalid account",
        "too many active sessions",
    ]
    .iter()
    .any(|text| message.contains(text))
}
