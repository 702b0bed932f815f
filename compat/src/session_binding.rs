//! The explicit binding of a client session to an account (`original_session_binding:*`,
//! contract/redis.md §f), used when the operator has switched it on.

use serde_json::{Map, Value};

use crate::store::{Cmd, Reply, StoreError};

/// A stored binding. Fields that are not named here survive a [`touch`].
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    fields: Map<String, Value>,
}

impl Binding {
    /// A new binding; `now_iso` is `YYYY-MM-DDTHH:mm:ss.sssZ`.
    pub fn new(account_id: &str, account_type: &str, now_iso: &str) -> Self {
        let pairs = [
            ("accountId", account_id),
            ("accountType", account_type),
            ("createdAt", now_iso),
            ("lastUsedAt", now_iso),
        ];
        Self {
            fields: pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect(),
        }
    }

    /// Account id.
    pub fn account_id(&self) -> &str {
        self.text("accountId")
    }

    /// Account type as stored, e.g. `claude-official`.
    pub fn account_type(&self) -> &str {
        self.text("accountType")
    }

    fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn json(&self) -> String {
        Value::Object(self.fields.clone()).to_string()
    }
}

/// Lifetime from `sessionBindingTtlDays` (0 counts as 1), in seconds.
#[expect(clippy::cast_possible_truncation, reason = "saturates; days of an operator")]
pub fn ttl_s(days: f64) -> i64 {
    let days = if days == 0.0 || days.is_nan() { 1.0 } else { days };
    (days * 86_400.0).floor() as i64
}

/// Reads a binding; read the reply with [`binding`].
pub fn get(session_id: &str) -> Cmd {
    Cmd::new("GET").arg(key(session_id))
}

/// Reads the reply to [`get`]; an unreadable value counts as none.
///
/// # Errors
/// When Redis refused the command.
pub fn binding(reply: Reply) -> Result<Option<Binding>, StoreError> {
    let Some(text) = reply.text()? else { return Ok(None) };
    Ok(match serde_json::from_str(&text) {
        Ok(Value::Object(fields)) => Some(Binding { fields }),
        _ => None,
    })
}

/// Stores a binding.
pub fn set(session_id: &str, binding: &Binding, ttl_s: i64) -> Cmd {
    Cmd::new("SET").arg(key(session_id)).arg(binding.json()).arg("EX").arg(ttl_s)
}

/// Stores a binding again with a new time of use and its full lifetime.
pub fn touch(session_id: &str, binding: &Binding, now_iso: &str, ttl_s: i64) -> Cmd {
    let mut used = binding.clone();
    used.fields.insert("lastUsedAt".into(), now_iso.into());
    set(session_id, &used, ttl_s)
}

fn key(session_id: &str) -> String {
    format!("original_session_binding:{session_id}")
}
