//! Bringing back deleted keys.

use compat::{
    api_key_index::{self, IndexChange},
    clock::iso,
    keys,
    pool::Patch,
    store::Cmd,
};
use serde_json::{Value, json};

use super::KeyAdmin;
use crate::domain::{Declined, Failure};

/// Fields of a deletion.
const DELETION: [&str; 4] = ["isDeleted", "deletedAt", "deletedBy", "deletedByType"];
/// What the legacy service notes for whoever restores: it looks for the name where none is.
const RESTORED_BY: &str = "unknown";

impl KeyAdmin {
    /// Makes a deleted key work again.
    ///
    /// # Errors
    /// An unknown key (404), one that is not deleted (400), or what failed (500).
    pub async fn restore(&self, id: &str) -> Result<Value, Declined> {
        match self.bring_back(id).await {
            Ok(record) => Ok(json!({
                "success": true,
                "message": "API Key 已成功恢复",
                "apiKey": record,
            })),
            Err(error) => Err(error.under("恢复 API Key 失败").unsuccessful()),
        }
    }

    async fn bring_back(&self, id: &str) -> Result<Value, Failure> {
        let record = self.record(id).await?;
        let record = record.ok_or_else(|| Declined::new(404, "API Key 不存在"))?;
        if !record.is("isDeleted") {
            return Err(Declined::invalid("该 API Key 未被删除，无需恢复").into());
        }
        let patch = Patch::new()
            .set("isActive", "true")
            .set("restoredAt", iso(self.now_ms()))
            .set("restoredBy", RESTORED_BY)
            .set("restoredByType", "admin")
            .del(DELETION);
        let mut with = Vec::new();
        let hash = record.get("apiKey");
        if !hash.is_empty() {
            let old = Cmd::new("HSET").arg(keys::old_api_key_hash(hash)).arg("id").arg(id);
            with.push(old.arg("name").arg(record.get("name")).arg("isActive").arg("true"));
            with.push(Cmd::new("HSET").arg(keys::API_KEY_MAP).arg(hash).arg(id));
        }
        with.extend(api_key_index::ranked(id));
        let change =
            IndexChange { active: Some(true), deleted: Some(false), ..IndexChange::default() };
        self.write(&record, &patch, with, change).await?;
        let mut fields = record.fields.clone();
        patch.apply(&mut fields);
        let sorted: std::collections::BTreeMap<_, _> = fields.into_iter().collect();
        Ok(json!(sorted))
    }
}
