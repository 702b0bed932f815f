//! What keeps accounts from serving for a while, and the errors that vendors answered with.

use compat::{
    cooldown,
    crypto::Outcome,
    keys,
    pool::Kind,
    store::{Batch, Cmd},
};
use serde_json::{Value, json};

use super::{AccountAdmin, Shown};
use crate::domain::{Declined, Failure};

/// Most entries of a history that are shown at once, as in the legacy service.
const HISTORY_SHOWN: usize = 500;
/// Accounts of a kind whose secrets are tried.
const TRIED: usize = 5;
/// Length of what stands before the colon of a sealed secret.
const SEAL: usize = 32;

/// How many stored secrets can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readable {
    /// Secrets that look encrypted.
    pub tried: usize,
    /// Those that this `ENCRYPTION_KEY` opens.
    pub opened: usize,
}

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

    /// Tries some stored secrets of each kind: a wrong `ENCRYPTION_KEY` opens none of them.
    ///
    /// # Errors
    /// Redis (500).
    pub async fn readable(&self) -> Result<Readable, Declined> {
        let read = self.try_secrets().await;
        read.map_err(|error| error.under("Failed to get accounts"))
    }

    async fn try_secrets(&self) -> Result<Readable, Failure> {
        let mut readable = Readable::default();
        for kind in Kind::ALL {
            let Some(service) = kind.service() else { continue };
            let ids = self.one(Cmd::new("SMEMBERS").arg(kind.index_key())).await?.texts()?;
            let asks: Batch = ids
                .iter()
                .take(TRIED)
                .map(|id| {
                    let fields = ["apiKey", "accessToken", "refreshToken"];
                    Cmd::new("HMGET").arg(kind.record_key(id)).args(fields)
                })
                .collect();
            if asks.is_empty() {
                continue;
            }
            for reply in self.run(asks).await? {
                for stored in reply.texts().unwrap_or_default() {
                    if !is_sealed(&stored) {
                        continue;
                    }
                    readable.tried += 1;
                    let outcome = self.0.vault.decrypt(service, &stored).outcome;
                    let opened = matches!(outcome, Outcome::Opened | Outcome::OpenedOld);
                    readable.opened += usize::from(opened);
                }
            }
        }
        Ok(readable)
    }

    /// Id of the group with this id or, where it is unique, this name.
    ///
    /// # Errors
    /// No such group (404), several of that name (400), or Redis (500).
    pub async fn find_group(&self, which: &str) -> Result<String, Declined> {
        let groups = self.list_groups(None).await?;
        let groups = groups["data"].as_array().cloned().unwrap_or_default();
        let text = |group: &Value, name: &str| compat::js::field(group.get(name));
        if groups.iter().any(|group| text(group, "id") == which) {
            return Ok(which.to_owned());
        }
        let named: Vec<String> = groups
            .iter()
            .filter(|group| text(group, "name") == which)
            .map(|group| text(group, "id"))
            .collect();
        match named.as_slice() {
            [id] => Ok(id.clone()),
            // The id of no group is declined by whatever is to be done with it, in its own words.
            [] => Ok(which.to_owned()),
            several => Err(Declined::invalid(format!(
                "{} groups have this name; give the id: {}",
                several.len(),
                several.join(", ")
            ))),
        }
    }

    /// The accounts of a group.
    ///
    /// # Errors
    /// An unknown group (404), or Redis (500).
    pub async fn group_members(&self, id: &str) -> Result<Vec<Shown>, Declined> {
        let found = self.members_of(id).await;
        let found = found.map_err(|error| error.under("Failed to get group members"))?;
        found.ok_or_else(|| Declined::new(404, "分组不存在"))
    }

    async fn members_of(&self, group: &str) -> Result<Option<Vec<Shown>>, Failure> {
        let mut asks = Batch::from(Cmd::new("EXISTS").arg(keys::group(group)));
        asks.push(Cmd::new("SMEMBERS").arg(keys::group_members(group)));
        let mut replies = self.run(asks).await?.into_iter();
        let there = replies.next().map(|reply| reply.int()).transpose()?;
        let mut ids = replies.next().map(|reply| reply.texts()).transpose()?.unwrap_or_default();
        if there != Some(1) {
            return Ok(None);
        }
        ids.sort_unstable();
        let mut shown = Vec::new();
        for id in &ids {
            for kind in Kind::ALL {
                if let Some(item) = self.item(kind, id).await? {
                    shown.push(Shown { kind, item });
                    break;
                }
            }
        }
        self.tell_cooling(&mut shown).await?;
        Ok(Some(shown))
    }
}

/// Whether a stored text has the form of an encrypted one.
fn is_sealed(stored: &str) -> bool {
    let Some((iv, body)) = stored.split_once(':') else { return false };
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    iv.len() == SEAL && !body.is_empty() && body.len() % SEAL == 0 && hex(iv) && hex(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_encrypted_is_tried() {
        let sealed = format!("{}:{}", "0f".repeat(16), "a1".repeat(32));
        assert!(is_sealed(&sealed));
        for open in ["", "sk-ant-api03-x", "a:b", "http://u:p@h", sealed.trim_end_matches('1')] {
            assert!(!is_sealed(open), "{open}");
        }
    }
}
