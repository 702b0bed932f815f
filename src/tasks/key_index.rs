//! Indexes of API keys: the map that authentication reads is completed at every start, the others are built
//! anew when they are of an older layout (contract/redis.md §a).

use std::collections::HashMap;

use compat::{
    js::date_ms,
    keys, number,
    store::{Cmd, Reply, Scan, StoreError},
};
use serde_json::Value;

use super::{Done, Jobs, STEP, counted, joined};

/// Indexes of this layout or a newer one are complete.
const LAYOUT: i64 = 2;
const INDEXES: [&str; 7] = [
    keys::API_KEYS_BY_CREATION,
    keys::API_KEYS_BY_LAST_USE,
    keys::API_KEYS_BY_NAME,
    keys::API_KEYS_ACTIVE,
    keys::API_KEYS_DELETED,
    keys::API_KEYS_ALL,
    keys::API_KEY_TAGS,
];

impl Jobs {
    /// Completes the map and, if need be, builds the indexes anew.
    pub(super) async fn check_key_indexes(&self) -> Done {
        let ids = self.key_ids().await?;
        let mapped = self.complete_map(&ids).await?;
        let layout = self.one(Cmd::new("GET").arg(keys::API_KEY_INDEX_VERSION)).await?.text()?;
        let layout = layout.and_then(|text| number::parse_int(&text)).unwrap_or(0);
        let built = if layout >= LAYOUT {
            None
        } else {
            self.build_indexes(&ids).await?;
            Some(format!("indexes of {} keys built", ids.len()))
        };
        Ok(joined([counted(mapped, "key added to the map", "keys added to the map"), built]))
    }

    /// Deleted keys are added, too: authentication then says that they are switched off.
    async fn complete_map(&self, ids: &[String]) -> Result<usize, StoreError> {
        let read = ids.iter().map(|id| Cmd::new("HGET").arg(keys::api_key(id)).arg("apiKey"));
        let hashes = self.run(read.collect()).await?;
        let add = ids.iter().zip(hashes).filter_map(|(id, hash)| {
            let hash = hash.text().ok().flatten().filter(|hash| !hash.is_empty())?;
            Some(Cmd::new("HSETNX").arg(keys::API_KEY_MAP).arg(hash).arg(id))
        });
        let replies = self.run(add.collect()).await?;
        Ok(replies.into_iter().filter(|reply| matches!(reply, Reply::Int(1))).count())
    }

    async fn build_indexes(&self, ids: &[String]) -> Result<(), StoreError> {
        // Without a version readers look at the records themselves.
        self.one(Cmd::new("DEL").arg(keys::API_KEY_INDEX_VERSION)).await?;
        self.one(Cmd::new("DEL").args(INDEXES)).await?;
        let mut tags = Scan::new(keys::api_keys_with_tag("*"));
        while let Some(tags) = tags.next(&*self.0.store).await? {
            self.run(tags.into_iter().map(|tag| Cmd::new("DEL").arg(tag)).collect()).await?;
        }
        for ids in ids.chunks(STEP) {
            let read = ids.iter().map(|id| Cmd::new("HGETALL").arg(keys::api_key(id))).collect();
            let records = self.run(read).await?;
            let entries = ids.iter().zip(records).flat_map(|(id, record)| {
                record.map().map(|record| index_entries(id, &record)).unwrap_or_default()
            });
            self.run(entries.collect()).await?;
        }
        self.one(Cmd::new("SET").arg(keys::API_KEY_INDEX_VERSION).arg(LAYOUT)).await?;
        Ok(())
    }
}

fn index_entries(id: &str, record: &HashMap<String, String>) -> Vec<Cmd> {
    if record.is_empty() {
        return Vec::new();
    }
    let field = |name: &str| record.get(name).map_or("", String::as_str);
    let id = match field("id") {
        "" => id,
        own => own,
    };
    // A date that cannot be read has no place in the order, as with the legacy service.
    let by_moment = |index, name| {
        let at = if field(name).is_empty() { Some(0) } else { date_ms(field(name)) };
        at.map(|at| Cmd::new("ZADD").arg(index).arg(at).arg(id))
    };
    let name = format!("{}\0{id}", field("name").to_lowercase());
    let mut cmds = vec![
        Cmd::new("ZADD").arg(keys::API_KEYS_BY_NAME).arg(0_i64).arg(name),
        Cmd::new("SADD").arg(keys::API_KEYS_ALL).arg(id),
    ];
    cmds.extend(by_moment(keys::API_KEYS_BY_CREATION, "createdAt"));
    cmds.extend(by_moment(keys::API_KEYS_BY_LAST_USE, "lastUsedAt"));
    let state = match (field("isDeleted"), field("isActive")) {
        ("true", _) => Some(keys::API_KEYS_DELETED),
        (_, "true") => Some(keys::API_KEYS_ACTIVE),
        _ => None,
    };
    cmds.extend(state.map(|set| Cmd::new("SADD").arg(set).arg(id)));
    let tags = serde_json::from_str::<Value>(field("tags")).unwrap_or_default();
    for tag in tags.as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !tag.is_empty() {
            cmds.push(Cmd::new("SADD").arg(keys::api_keys_with_tag(tag)).arg(id));
            cmds.push(Cmd::new("SADD").arg(keys::API_KEY_TAGS).arg(tag));
        }
    }
    cmds
}
