//! What keeps accounts from serving for a while, and the errors that vendors answered with.

use compat::{
    cooldown,
    pool::Kind,
    store::{Batch, Cmd},
};
use serde_json::{Value, json};

use super::{AccountAdmin, Shown};
use crate::domain::{Declined, Failure};

/// Most entries of a history that are shown at once, as in the legacy service.
const HISTORY_SHOWN: usize = 500;

impl AccountAdmin {
    /// What vendors answered lately when something went wrong with an account, the newest first.
    ///
    /// # Errors
    /// Redis (500).
    pub async fn errors(&self, kind: Kind, id: &str, most: usize) -> Result<Value, Declined> {
        let last = most.clamp(1, HISTORY_SHOWN) - 1;
        let key = cooldown::history_key(kind.as_str(), id);
        let read = Cmd::new("LRANGE").arg(key).arg(0_i64).arg(last.to_string());
        let entries = async { self.one(read).await?.texts() }.await;
        let entries =
            entries.map_err(|error| Failure::from(error).under("Failed to get error history"))?;
        let entries = entries.iter().filter_map(|entry| serde_json::from_str::<Value>(entry).ok());
        let data: Vec<Value> =
            entries.filter(|entry| compat::js::truthy(entry.get("time"))).collect();
        Ok(json!({ "success": true, "data": data }))
    }

    /// Forgets them.
    ///
    /// # Errors
    /// Redis (500).
    pub async fn clear_errors(&self, kind: Kind, id: &str) -> Result<Value, Declined> {
        let key = cooldown::history_key(kind.as_str(), id);
        let done = self.one(Cmd::new("DEL").arg(key)).await;
        done.map_err(|error| Failure::from(error).under("Failed to clear error history"))?;
        Ok(json!({ "success": true }))
    }

    /// Adds `tempUnavailable` to accounts that are kept out for a while: seconds left, and why.
    pub(super) async fn tell_cooling(&self, shown: &mut [Shown]) -> Result<(), Failure> {
        let mut asks = Batch::new();
        for own in shown.iter() {
            let key = cooldown::mark_key(own.kind.as_str(), own.text("id"));
            asks.push(Cmd::new("TTL").arg(&key));
            asks.push(Cmd::new("GET").arg(&key));
        }
        if asks.is_empty() {
            return Ok(());
        }
        let mut replies = self.run(asks).await?.into_iter();
        for own in shown {
            let (Some(left), Some(mark)) = (replies.next(), replies.next()) else { break };
            let left = left.int().unwrap_or_default();
            if left <= 0 {
                continue;
            }
            let mark: Value = mark
                .text()
                .ok()
                .flatten()
                .and_then(|mark| serde_json::from_str(&mark).ok())
                .unwrap_or_default();
            own.item["tempUnavailable"] = json!({
                "remainingSeconds": left,
                "statusCode": mark.get("statusCode"),
                "errorType": mark.get("errorType"),
            });
        }
        Ok(())
    }
}
