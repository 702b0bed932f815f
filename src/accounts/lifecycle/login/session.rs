//! What a login over the browser remembers between its two steps: `oauth:{uuid}`, for ten minutes, in the
//! legacy service's form, so that either service can finish what the other began.

use std::collections::HashMap;

use compat::{
    clock::iso,
    js, keys,
    store::{Batch, Cmd, StoreError},
};
use serde_json::Value;

use super::AccountAdmin;

/// Seconds that a begun login may take.
const SECONDS: i64 = 600;

/// A login that was begun.
pub(in super::super) struct Begun {
    key: String,
    fields: HashMap<String, String>,
}

impl Begun {
    /// A field; empty when it is not there.
    pub(in super::super) fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }
}

impl AccountAdmin {
    /// Remembers a login with these fields and the proxy that the exchange is to go through; gives its id.
    pub(in super::super) async fn remember_login(
        &self,
        fields: &[(&str, &str)],
        proxy: Option<&Value>,
    ) -> Result<String, StoreError> {
        let (session, now_ms) = (uuid::Uuid::new_v4().to_string(), self.now_ms());
        let key = keys::oauth_session(&session);
        let proxy = match js::or(proxy) {
            Some(own @ (Value::Object(_) | Value::Array(_))) => js::stringify(own),
            own => js::field(own),
        };
        let (created, end) = (iso(now_ms), iso(now_ms + SECONDS * 1000));
        let common = [("proxy", &*proxy), ("createdAt", &*created), ("expiresAt", &*end)];
        let mut hset = Cmd::new("HSET").arg(&key);
        for (field, value) in fields.iter().chain(&common) {
            hset = hset.arg(*field).arg(*value);
        }
        let mut batch = Batch::atomic();
        batch.push(hset);
        batch.push(Cmd::new("EXPIRE").arg(&key).arg(SECONDS));
        self.run(batch).await?;
        Ok(session)
    }

    /// The login that `sessionId` names, unless it is over or never was.
    pub(in super::super) async fn begun_login(
        &self,
        session: &Value,
    ) -> Result<Option<Begun>, StoreError> {
        let key = keys::oauth_session(js::text(session));
        let fields = self.one(Cmd::new("HGETALL").arg(&key)).await?.map()?;
        Ok((!fields.is_empty()).then_some(Begun { key, fields }))
    }

    /// Forgets a login that was finished or is over.
    pub(in super::super) async fn forget_login(&self, begun: &Begun) -> Result<(), StoreError> {
        self.run(Cmd::new("DEL").arg(&begun.key)).await?;
        Ok(())
    }
}
