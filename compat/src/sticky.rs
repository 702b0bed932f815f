//! Sticky sessions: which account a conversation stays with (contract/redis.md §f).

use serde_json::Value;

use crate::{
    keys,
    pool::{Family, Kind},
    store::{Batch, Cmd, Reply, StoreError},
};

/// How long a mapping lives and when it is renewed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StickyTtl {
    /// Full lifetime, in seconds.
    pub full_s: i64,
    /// Remaining lifetime below which use renews it, in seconds; 0 never.
    pub renew_below_s: i64,
}

impl StickyTtl {
    /// From `STICKY_SESSION_TTL_HOURS` (0 counts as 1) and `STICKY_SESSION_RENEWAL_THRESHOLD_MINUTES`.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates; hours and minutes of an operator"
    )]
    pub fn new(ttl_hours: f64, renewal_threshold_minutes: i64) -> Self {
        let hours = if ttl_hours == 0.0 || ttl_hours.is_nan() { 1.0 } else { ttl_hours };
        Self {
            full_s: ((hours * 3600.0).floor() as i64).max(1),
            renew_below_s: renewal_threshold_minutes.saturating_mul(60).max(0),
        }
    }

    /// Whether a use renews a mapping whose `TTL` reply is `remaining_s` (-1 without expiry, -2 gone).
    pub fn renews(self, remaining_s: i64) -> bool {
        remaining_s >= 0 && self.renew_below_s > 0 && remaining_s < self.renew_below_s
    }
}

/// The account of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Account id.
    pub account_id: String,
    /// Account type as stored, e.g. `claude-official`.
    pub account_type: String,
}

/// A mapping as read, with its remaining lifetime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The account, when the value was readable.
    pub mapping: Option<Mapping>,
    /// `TTL` reply in seconds.
    pub remaining_s: i64,
}

/// Key of a conversation by what names it: a hash, for Azure the client's session id as it came.
pub fn key(family: Family, session: &str) -> String {
    match family {
        Family::Claude => claude(session),
        Family::OpenAi => openai(session),
        Family::Azure => azure(session),
    }
}

/// Key of a Claude conversation.
pub fn claude(session_hash: &str) -> String {
    format!("unified_claude_session_mapping:{session_hash}")
}

/// Key of an OpenAI conversation.
pub fn openai(session_hash: &str) -> String {
    format!("unified_openai_session_mapping:{session_hash}")
}

/// Key of a conversation with Azure; the value is the account's id alone.
pub fn azure(session_id: &str) -> String {
    keys::azure_session(session_id)
}

/// Key of a Gemini conversation, of one OAuth provider (`gemini-cli`, `antigravity`) or of none.
pub fn gemini(provider: Option<&str>, session_hash: &str) -> String {
    match provider {
        Some(provider) => format!("unified_gemini_session_mapping:{provider}:{session_hash}"),
        None => format!("unified_gemini_session_mapping:{session_hash}"),
    }
}

/// Reads value and remaining lifetime; read the replies with [`stuck`].
pub fn get(key: &str) -> [Cmd; 2] {
    [Cmd::new("GET").arg(key), Cmd::new("TTL").arg(key)]
}

/// Reads the replies to [`get`]; `None` when there is no mapping. An unreadable value counts as none,
/// with its lifetime.
///
/// # Errors
/// When Redis refused a command.
pub fn stuck(value: Reply, ttl: Reply) -> Result<Option<Stuck>, StoreError> {
    let Some(text) = value.text()? else { return Ok(None) };
    Ok(Some(Stuck { mapping: parse(&text), remaining_s: ttl.int()? }))
}

/// As [`stuck`], in the form that the family's mappings have.
///
/// # Errors
/// When Redis refused a command.
pub fn stuck_in(family: Family, value: Reply, ttl: Reply) -> Result<Option<Stuck>, StoreError> {
    if family != Family::Azure {
        return stuck(value, ttl);
    }
    let Some(account_id) = value.text()?.filter(|id| !id.is_empty()) else { return Ok(None) };
    let mapping = Mapping { account_id, account_type: Kind::Azure.as_str().to_owned() };
    Ok(Some(Stuck { mapping: Some(mapping), remaining_s: ttl.int()? }))
}

/// Stores a mapping for the full lifetime.
pub fn set(key: &str, mapping: &Mapping, ttl: StickyTtl) -> Cmd {
    let account_id = Value::from(mapping.account_id.as_str());
    let account_type = Value::from(mapping.account_type.as_str());
    let text = format!(r#"{{"accountId":{account_id},"accountType":{account_type}}}"#);
    Cmd::new("SETEX").arg(key).arg(ttl.full_s).arg(text)
}

/// Renews a mapping to the full lifetime.
pub fn renew(key: &str, ttl: StickyTtl) -> Cmd {
    Cmd::new("EXPIRE").arg(key).arg(ttl.full_s)
}

/// Forgets a mapping.
pub fn forget(key: &str) -> Cmd {
    Cmd::new("DEL").arg(key)
}

/// Reads `get` of several keys at once.
pub fn get_all<'a>(keys: impl IntoIterator<Item = &'a str>) -> Batch {
    keys.into_iter().flat_map(get).collect()
}

fn parse(text: &str) -> Option<Mapping> {
    let value: Value = serde_json::from_str(text).ok()?;
    let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    value
        .is_object()
        .then(|| Mapping { account_id: field("accountId"), account_type: field("accountType") })
}

#[cfg(test)]
mod tests;
