//! One account as the scheduler sees it.

use std::{cmp::Ordering, collections::HashMap, sync::Arc};

use serde_json::Value;

use super::{Family, Patch};
use crate::{crypto::Service, js, keys::AccountKind, number};

/// Fields of a record.
pub type Fields = HashMap<String, String>;

/// Kinds of account that requests are relayed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `claude-official`.
    Official,
    /// `claude-console`.
    Console,
    /// `ccr`.
    Ccr,
    /// `bedrock`.
    Bedrock,
    /// `openai`: ChatGPT accounts, as Codex uses them.
    OpenAi,
    /// `openai-responses`: providers of the responses API with a key.
    OpenAiResponses,
    /// `azure-openai`.
    Azure,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Official,
        Self::Console,
        Self::Ccr,
        Self::Bedrock,
        Self::OpenAi,
        Self::OpenAiResponses,
        Self::Azure,
    ];

    /// The same among all kinds that there are.
    pub fn account_kind(self) -> AccountKind {
        match self {
            Self::Official => AccountKind::ClaudeOfficial,
            Self::Console => AccountKind::ClaudeConsole,
            Self::Ccr => AccountKind::Ccr,
            Self::Bedrock => AccountKind::Bedrock,
            Self::OpenAi => AccountKind::OpenAi,
            Self::OpenAiResponses => AccountKind::OpenAiResponses,
            Self::Azure => AccountKind::AzureOpenAi,
        }
    }

    /// Legacy account type text.
    pub fn as_str(self) -> &'static str {
        self.account_kind().as_str()
    }

    /// Whose requests it serves.
    pub fn family(self) -> Family {
        match self {
            Self::Official | Self::Console | Self::Ccr | Self::Bedrock => Family::Claude,
            Self::OpenAi | Self::OpenAiResponses => Family::OpenAi,
            Self::Azure => Family::Azure,
        }
    }

    /// Whose encryption its secrets are under; Bedrock has a form of its own.
    pub fn service(self) -> Option<Service> {
        self.account_kind().service()
    }

    /// Reads a legacy account type text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Key of the set that selection lists: the index, for Azure that of shared accounts.
    pub(super) fn list_key(self) -> &'static str {
        match self {
            Self::Azure => "shared_azure_openai_accounts",
            _ => self.index_key(),
        }
    }

    /// Whether what selection lists is the index, which may be lost and is then rebuilt.
    pub(super) fn lists_index(self) -> bool {
        self != Self::Azure
    }

    /// Key of the set of all ids.
    pub fn index_key(self) -> &'static str {
        match self {
            Self::Official => "claude:account:index",
            Self::Console => "claude_console_account:index",
            Self::Ccr => "ccr_account:index",
            Self::Bedrock => "bedrock_account:index",
            Self::OpenAi => "openai:account:index",
            Self::OpenAiResponses => "openai_responses_account:index",
            Self::Azure => "azure_openai:account:index",
        }
    }

    /// Key of one record.
    pub fn record_key(self, id: &str) -> String {
        format!("{}{id}", self.record_prefix())
    }

    pub(super) fn record_prefix(self) -> &'static str {
        match self {
            Self::Official => "claude:account:",
            Self::Console => "claude_console_account:",
            Self::Ccr => "ccr_account:",
            Self::Bedrock => "bedrock_account:",
            Self::OpenAi => "openai:account:",
            Self::OpenAiResponses => "openai_responses_account:",
            Self::Azure => "azure_openai:account:",
        }
    }
}

/// Members of a console account's concurrency set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leases {
    /// Leases still running.
    pub live: i64,
    /// Whether elapsed ones wait to be removed.
    pub stale: bool,
}

/// One account's tokens of one model on one local day (`account_usage:model:daily:*`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayUsage {
    /// Model as booked.
    pub model: String,
    /// Uncached input tokens.
    pub input: i64,
    /// Output tokens.
    pub output: i64,
    /// Tokens written to the cache.
    pub cache_create: i64,
    /// Tokens read from the cache.
    pub cache_read: i64,
    /// Of `cache_create`, to the five-minute cache.
    pub ephemeral_5m: i64,
    /// Of `cache_create`, to the one-hour cache.
    pub ephemeral_1h: i64,
}

/// One account: its record and what stands beside it in Redis.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Kind.
    pub kind: Kind,
    /// Id from the key.
    pub id: Arc<str>,
    /// Record fields; empty for Bedrock.
    pub fields: Fields,
    /// Bedrock's JSON record.
    pub document: Option<Value>,
    /// `TTL` of the cool-down mark: seconds, -1 without expiry, -2 none.
    pub cooldown_ttl: i64,
    /// Console only: concurrency set.
    pub leases: Leases,
    /// Official only: stored Claude Code headers, as JSON text.
    pub captured_headers: Option<String>,
    /// Bedrock only: whether its credentials decrypt (true for other kinds).
    pub credentials: bool,
    /// Whether the index set names it.
    pub indexed: bool,
}

impl Entry {
    /// Bedrock only: whether it has credentials at all, readable or not.
    pub fn has_own_credentials(&self) -> bool {
        let stored = |name: &str| self.document.as_ref().and_then(|document| document.get(name));
        ["awsCredentials", "bearerToken"]
            .into_iter()
            .any(|name| !matches!(stored(name), None | Some(Value::Null | Value::Bool(false))))
    }

    /// An account known by its record alone: nothing beside it in Redis was read.
    pub fn of_record(kind: Kind, id: &str, fields: Fields) -> Self {
        Self {
            kind,
            id: id.into(),
            fields,
            document: None,
            cooldown_ttl: -2,
            leases: Leases::default(),
            captured_headers: None,
            credentials: true,
            indexed: true,
        }
    }

    /// A field's text; missing is empty, as all legacy readers treat it.
    pub fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }

    /// Whether the field says exactly `true`.
    pub fn is(&self, field: &str) -> bool {
        self.get(field) == "true"
    }

    /// Whether `isActive` is exactly true.
    pub fn active(&self) -> bool {
        match &self.document {
            Some(document) => document.get("isActive") == Some(&Value::Bool(true)),
            None => self.is("isActive"),
        }
    }

    /// Anything but `false` is schedulable.
    pub fn schedulable(&self) -> bool {
        match &self.document {
            Some(document) => match document.get("schedulable") {
                Some(Value::Bool(yes)) => *yes,
                Some(Value::String(text)) => text != "false",
                _ => true,
            },
            None => self.get("schedulable") != "false",
        }
    }

    /// Status text; empty when missing.
    pub fn status(&self) -> &str {
        self.get("status")
    }

    /// Display name.
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// A text of the record, whichever form it has.
    pub fn text(&self, field: &str) -> &str {
        match &self.document {
            Some(document) => document.get(field).and_then(Value::as_str).unwrap_or_default(),
            None => self.get(field),
        }
    }

    /// Priority, lower first; missing, unreadable and 0 count as 50.
    pub fn priority(&self) -> i64 {
        let read = match self.document.as_ref().and_then(|document| document.get("priority")) {
            Some(Value::String(text)) => number::parse_int(text),
            Some(Value::Number(value)) => number::parse_int(&value.to_string()),
            Some(_) => None,
            None => number::parse_int(self.get("priority")),
        };
        read.filter(|priority| *priority != 0).unwrap_or(50)
    }

    /// Last use as a date; missing counts as the year 2000, `None` is an invalid date.
    pub fn last_used_ms(&self) -> Option<i64> {
        match self.text("lastUsedAt") {
            "" => js::date_ms("0"),
            text => js::date_ms(text),
        }
    }

    /// Creation as a date; missing counts as the epoch, `None` is an invalid date.
    pub fn created_ms(&self) -> Option<i64> {
        match self.text("createdAt") {
            "" => Some(0),
            text => js::date_ms(text),
        }
    }

    /// Whether the text that describes the account's proxy is JSON at all (or empty).
    pub fn proxy_readable(&self) -> bool {
        let text = self.get("proxy");
        text.is_empty() || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
    }

    /// Whether the cool-down mark is running.
    pub fn cooling(&self) -> bool {
        self.cooldown_ttl > 0
    }

    /// Most requests at once (console); 0 is unlimited.
    pub fn max_concurrent(&self) -> i64 {
        number::parse_int(self.get("maxConcurrentTasks")).unwrap_or(0)
    }

    /// Daily quota in dollars (console, CCR), when there is one.
    pub fn daily_quota(&self) -> Option<f64> {
        number::parse_float(self.get("dailyQuota")).filter(|quota| *quota > 0.0)
    }

    /// The entry after a write.
    pub fn patched(&self, patch: &Patch) -> Self {
        let mut entry = self.clone();
        patch.apply(&mut entry.fields);
        entry
    }
}

/// Where one Bedrock record stands before another in the legacy listing: by priority, then by name.
pub fn bedrock_order(names: &::js::Collation, [one, other]: [Option<&Value>; 2]) -> Ordering {
    let [one, other] = [one, other].map(|record| {
        let field = |name| record.and_then(|record| record.get(name));
        (field("priority"), field("name").and_then(Value::as_str).unwrap_or_default())
    });
    if one.0 == other.0 {
        return names.compare(one.1, other.1);
    }
    // What is no number is neither before nor after.
    js::number(one.0).partial_cmp(&js::number(other.0)).unwrap_or(Ordering::Equal)
}
