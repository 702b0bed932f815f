//! Accounts come back when what kept them is over (contract/anthropic.md §10), and operators hear of it. What
//! the states mean is `accounts`' business.

use compat::{clock::iso, pool::Kind};
use serde_json::{Map, Value, json};

use super::{Done, Jobs, counted};
use crate::{
    accounts::{Kept, Recovered},
    notify::Notice,
};

impl Jobs {
    /// Limits, quotas and five-hour stops that are over; tokens of waiting accounts that would run out.
    pub(super) async fn recover_accounts(&self) -> Done {
        let recovered = self.0.accounts.recover().await?;
        if let (Some(notifier), false) = (&self.0.notifier, recovered.is_empty()) {
            notifier.tell(notice(&recovered, &iso(self.now_ms())));
        }
        Ok(counted(recovered.len(), "account returned", "accounts returned"))
    }
}

/// One notice for all of them, in the legacy service's words.
fn notice(recovered: &[Recovered], at: &str) -> Notice {
    let mut platforms: Vec<&str> = Vec::new();
    for platform in recovered.iter().map(platform) {
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    let mut message = format!("🎉 共有 {} 个账户的限流状态已恢复\n\n", recovered.len());
    for &name in &platforms {
        let accounts: Vec<_> = recovered.iter().filter(|one| platform(one) == name).collect();
        message.push_str(&format!("**{name}** ({} 个):\n", accounts.len()));
        for account in accounts {
            message.push_str(&format!("• {} (ID: {})\n", account.name, account.id));
        }
        message.push('\n');
    }
    let fields = [
        ("title", json!("限流恢复通知")),
        ("message", json!(message)),
        ("totalAccounts", json!(recovered.len())),
        ("platforms", json!(platforms)),
        ("accounts", recovered.iter().map(shown).collect()),
        ("timestamp", json!(at)),
    ];
    let data: Map<String, Value> =
        fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
    Notice::new("rateLimitRecovery", data)
}

fn platform(account: &Recovered) -> &'static str {
    match account.kind {
        Kind::Official => "Claude",
        Kind::Console => "Claude Console",
        Kind::Ccr => "CCR",
        Kind::Bedrock => "Bedrock",
        Kind::OpenAi | Kind::OpenAiResponses => "OpenAI",
        Kind::Azure => "Azure OpenAI",
    }
}

fn shown(account: &Recovered) -> Value {
    let before = match account.from {
        Kept::Limit => "rate_limited",
        Kept::FiveHours => "5hour_limited",
        Kept::Quota => "quota_exceeded",
    };
    let mut shown = json!({
        "platform": platform(account),
        "accountId": account.id,
        "accountName": account.name,
        "previousStatus": before,
        "currentStatus": "active",
    });
    if let Some((start, end)) = &account.window {
        shown["windowInfo"] = json!({ "start": start, "end": end });
    }
    shown
}
