//! New keys, and new secrets for old ones.

use compat::{
    api_key_index::{self, IndexChange, Indexed},
    clock::iso,
    keys,
    pool::Patch,
    store::{Batch, Cmd},
};
use serde_json::{Value, json};

use super::{
    KeyAdmin, LIFE_SECONDS,
    form::{self, Made},
    view,
};
use crate::domain::{Declined, Failure};

impl KeyAdmin {
    /// Makes a key. The answer's `data.apiKey` is the plain key, which nobody can show again.
    ///
    /// # Errors
    /// What is wrong with the body (400), or what failed (500).
    pub async fn create(&self, body: &Value) -> Result<Value, Declined> {
        let body = members(body);
        form::create(&body)?;
        let made = self.make(&body).await;
        let made = made.map_err(|error| error.under("Failed to create API key"))?;
        Ok(json!({ "success": true, "data": made }))
    }

    /// Makes many keys that differ in their names.
    ///
    /// # Errors
    /// What is wrong with the body, or that no key could be made (400).
    pub async fn create_many(&self, body: &Value) -> Result<Value, Declined> {
        let bodies = form::many(&members(body))?;
        let (mut made, mut errors) = (Vec::new(), Vec::new());
        for (place, one) in bodies.iter().enumerate() {
            match self.make(one).await {
                Ok(key) => made.push(key),
                Err(error) => errors.push(json!({
                    "index": place + 1,
                    "name": one.get("name"),
                    "error": error.under("").body.get("message"),
                })),
            }
        }
        if made.is_empty() {
            let mut none = Declined::invalid("Failed to create any API keys").unsuccessful();
            none.body.insert("errors".to_owned(), errors.into());
            return Err(none);
        }
        let summary =
            json!({ "requested": bodies.len(), "created": made.len(), "failed": errors.len() });
        let mut answer = json!({ "success": true, "data": made });
        if !errors.is_empty() {
            answer["errors"] = errors.into();
        }
        answer["summary"] = summary;
        Ok(answer)
    }

    async fn make(&self, body: &form::Body) -> Result<Value, Failure> {
        let (id, plain) = (uuid::Uuid::new_v4().to_string(), self.secret());
        let (hash, now_ms) = (self.hash(&plain), self.now_ms());
        let fields = Made { id: &id, hash: &hash, now_ms }.record(body)?;
        let key = keys::api_key(&id);
        let tags = body.get("tags").cloned().unwrap_or_else(|| json!([]));
        let name = fields.iter().find(|(field, _)| *field == "name").map_or("", |(_, name)| name);
        let indexed = Indexed { id: &id, name, active: true, deleted: false, tags: Some(&tags) };
        let record = fields
            .iter()
            .fold(Cmd::new("HSET").arg(&key), |cmd, (field, value)| cmd.arg(*field).arg(value));
        let mut batch = Batch::atomic();
        batch.push(Cmd::new("HSET").arg(keys::API_KEY_MAP).arg(&hash).arg(&id));
        batch.push(record);
        batch.push(Cmd::new("EXPIRE").arg(&key).arg(LIFE_SECONDS));
        batch.cmds.extend(api_key_index::ranked(&id));
        batch.cmds.extend(api_key_index::added(indexed, now_ms));
        self.run(batch).await?;
        Ok(view::made(&fields, body, &plain))
    }

    /// Gives a key a new secret; the old one stops working. The answer's `key` is the plain key.
    ///
    /// # Errors
    /// An unknown key, or Redis (500).
    pub async fn regenerate(&self, id: &str) -> Result<Value, Declined> {
        let done = self.renew(id).await;
        done.map_err(|error| error.under("Failed to regenerate API key"))
    }

    async fn renew(&self, id: &str) -> Result<Value, Failure> {
        let record = self.known(id).await?;
        let plain = self.secret();
        let (hash, old, now) = (self.hash(&plain), record.get("apiKey"), iso(self.now_ms()));
        let patch = Patch::new().set("apiKey", hash.clone()).set("updatedAt", now.clone());
        let mut with = forget_hash(old);
        with.push(Cmd::new("HSET").arg(keys::API_KEY_MAP).arg(&hash).arg(id));
        self.write(&record, &patch, with, IndexChange::default()).await?;
        Ok(json!({
            "id": id,
            "name": record.get("name"),
            "key": plain.expose(),
            "updatedAt": now,
        }))
    }
}

/// Commands after which a plain key is not found any more.
pub(super) fn forget_hash(hash: &str) -> Vec<Cmd> {
    if hash.is_empty() {
        return Vec::new();
    }
    vec![
        Cmd::new("DEL").arg(keys::old_api_key_hash(hash)),
        Cmd::new("HDEL").arg(keys::API_KEY_MAP).arg(hash),
    ]
}

/// Members of a body; anything but an object has none.
pub(super) fn members(body: &Value) -> form::Body {
    body.as_object().cloned().unwrap_or_default()
}
