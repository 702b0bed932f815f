//! Deleting keys: first so that they can be brought back, then for good.

use compat::{
    api_key_index::{self, IndexChange},
    clock::iso,
    js, keys,
    pool::Patch,
    store::{Batch, Cmd, scan_keys},
};
use serde_json::{Value, json};

use super::{
    KeyAdmin, Record,
    make::{forget_hash, members},
};
use crate::domain::{Declined, Failure};

impl KeyAdmin {
    /// Deletes a key so that it can be restored. `by` is the administrator's name.
    ///
    /// # Errors
    /// An unknown key, or Redis (500).
    pub async fn delete(&self, id: &str, by: &str) -> Result<Value, Declined> {
        let done = self.soft_delete(id, by, "admin").await;
        done.map_err(|error| error.under("Failed to delete API key"))?;
        Ok(json!({ "success": true, "message": "API key deleted successfully" }))
    }

    /// Deletes up to a hundred keys.
    ///
    /// # Errors
    /// What is wrong with the body (400). What went wrong with single keys is part of the answer.
    pub async fn delete_many(&self, body: &Value) -> Result<Value, Declined> {
        let body = members(body);
        let ids = body.get("keyIds").and_then(Value::as_array).filter(|ids| !ids.is_empty());
        let ids = ids.ok_or_else(|| {
            Declined::invalid("Invalid request").saying("keyIds 必须是一个非空数组")
        })?;
        if ids.len() > 100 {
            let why = "每次最多只能删除100个API Keys";
            return Err(Declined::invalid("Too many keys").saying(why));
        }
        if ids.iter().any(|id| id.as_str().is_none_or(str::is_empty)) {
            let why = "包含无效的API Key ID";
            return Err(Declined::invalid("Invalid key IDs").saying(why));
        }
        let (mut done, mut errors) = (0, Vec::new());
        for id in ids.iter().filter_map(Value::as_str) {
            let outcome = match self.record(id).await {
                Ok(None) => Err(Failure::fault("API Key 不存在")),
                Ok(Some(_)) => self.soft_delete(id, "system", "system").await,
                Err(error) => Err(error.into()),
            };
            match outcome {
                Ok(()) => done += 1,
                Err(error) => {
                    let why = error.under("").body.get("message").cloned();
                    errors.push(json!({ "keyId": id, "error": why }));
                }
            }
        }
        Ok(json!({
            "success": true,
            "message": "批量删除完成",
            "data": { "successCount": done, "failedCount": errors.len(), "errors": errors },
        }))
    }

    async fn soft_delete(&self, id: &str, by: &str, by_type: &str) -> Result<(), Failure> {
        let record = self.known(id).await?;
        let patch = Patch::new()
            .set("isDeleted", "true")
            .set("deletedAt", iso(self.now_ms()))
            .set("deletedBy", by)
            .set("deletedByType", by_type)
            .set("isActive", "false");
        let mut with = forget_hash(record.get("apiKey"));
        with.extend(api_key_index::unranked(id));
        let change =
            IndexChange { active: Some(false), deleted: Some(true), ..IndexChange::default() };
        self.write(&record, &patch, with, change).await
    }

    /// Deletes a deleted key for good, with what is recorded of its use.
    ///
    /// # Errors
    /// An unknown key (404), one that is not deleted (400), or what failed (500).
    pub async fn remove(&self, id: &str) -> Result<Value, Declined> {
        match self.purge(id).await {
            Ok(()) => Ok(json!({ "success": true, "message": "API Key 已彻底删除" })),
            Err(error) => Err(error.under("彻底删除 API Key 失败").unsuccessful()),
        }
    }

    async fn purge(&self, id: &str) -> Result<(), Failure> {
        let record = self.record(id).await?;
        let record = record.ok_or_else(|| Declined::new(404, "API Key 不存在"))?;
        if !record.is("isDeleted") {
            return Err(Declined::invalid("只能彻底删除已经删除的API Key").into());
        }
        self.purge_record(&record).await
    }

    async fn purge_record(&self, record: &Record) -> Result<(), Failure> {
        let usage = scan_keys(self.store.as_ref(), &format!("usage:*:{}*", record.id)).await?;
        for keys in usage.chunks(500) {
            self.run(Cmd::new("DEL").args(keys)).await?;
        }
        let (mut cmds, tags) = api_key_index::removed(record.indexed());
        if !record.get("apiKey").is_empty() {
            cmds.push(Cmd::new("HDEL").arg(keys::API_KEY_MAP).arg(record.get("apiKey")));
        }
        cmds.push(Cmd::new("DEL").arg(record.key()));
        self.run(cmds.iter().cloned().collect::<Batch>()).await?;
        self.forget(&tags).await?;
        // A stale write of another process would bring the record back.
        for pause in &self.settings.looks {
            tokio::time::sleep(*pause).await;
            let back = self.one(Cmd::new("EXISTS").arg(record.key())).await?.int()? > 0;
            if back {
                self.run(cmds.iter().cloned().collect::<Batch>()).await?;
            }
        }
        Ok(())
    }

    /// Deletes all deleted keys for good.
    ///
    /// # Errors
    /// Redis (500). What went wrong with single keys is part of the answer.
    pub async fn remove_deleted(&self) -> Result<Value, Declined> {
        let failed = "清空已删除的 API Keys 失败";
        let records = self.records().await;
        let records = records.map_err(|error| Failure::from(error).under(failed).unsuccessful())?;
        let deleted: Vec<&Record> =
            records.iter().filter(|record| record.is("isDeleted")).collect();
        let (mut done, mut errors) = (0, Vec::new());
        for record in &deleted {
            match self.purge_record(record).await {
                Ok(()) => done += 1,
                Err(error) => errors.push(json!({
                    "keyId": record.id,
                    "keyName": record.get("name"),
                    "error": error.under("").body.get("message"),
                })),
            }
        }
        Ok(json!({
            "success": true,
            "message": format!("成功清空 {done} 个已删除的 API Keys"),
            "details": {
                "total": deleted.len(),
                "successCount": done,
                "failedCount": errors.len(),
                "errors": errors,
            },
        }))
    }
}

/// Whether a value names something at all.
pub(super) fn named(text: &str) -> bool {
    !js::trim(text).is_empty()
}
