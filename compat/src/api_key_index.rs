//! The sets in which the legacy service finds API keys without reading every record, and the commands
//! that keep them right (contract/redis.md §a).
//!
//! A list of keys is made from these alone once `apikey:index:version` says so; a writer of records has
//! to keep them all.

use serde_json::Value;

use crate::{keys, store::Cmd};

/// The four ranks of keys by cost.
const RANKS: [&str; 4] = ["today", "7days", "30days", "all"];

/// What the indexes know about a key.
#[derive(Clone, Copy, Debug)]
pub struct Indexed<'a> {
    /// Id of the record.
    pub id: &'a str,
    /// Display name.
    pub name: &'a str,
    /// `isActive`.
    pub active: bool,
    /// `isDeleted`.
    pub deleted: bool,
    /// Tags as stored, JSON; `None` when the text cannot be read, which stops the legacy service from
    /// touching any index.
    pub tags: Option<&'a Value>,
}

/// What an operation changes about it; `None` is left as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct IndexChange<'a> {
    /// New display name.
    pub name: Option<&'a str>,
    /// New `isActive`.
    pub active: Option<bool>,
    /// New `isDeleted`.
    pub deleted: Option<bool>,
    /// New tags, JSON.
    pub tags: Option<&'a Value>,
}

/// Commands for a new key, created at `created_ms` and never used.
pub fn added(key: Indexed<'_>, created_ms: i64) -> Vec<Cmd> {
    let score =
        |index: &'static str, score: i64| Cmd::new("ZADD").arg(index).arg(score).arg(key.id);
    let mut cmds = vec![
        score(keys::API_KEYS_BY_CREATION, created_ms),
        score(keys::API_KEYS_BY_LAST_USE, 0),
        Cmd::new("ZADD").arg(keys::API_KEYS_BY_NAME).arg(0_i64).arg(name_member(key.name, key.id)),
        Cmd::new("SADD").arg(keys::API_KEYS_ALL).arg(key.id),
    ];
    cmds.extend(state(key.id, key.active, key.deleted));
    cmds.extend(tags_of(key.tags).flat_map(|tag| tagged(tag, key.id)));
    cmds
}

/// Commands for a change, and the tags the key no longer carries: each leaves the list of all tags once
/// no key carries it, see [`forget_tag`].
pub fn changed<'a>(old: Indexed<'a>, change: IndexChange<'_>) -> (Vec<Cmd>, Vec<&'a str>) {
    let mut cmds = Vec::new();
    let Some(old_tags) = old.tags else { return (cmds, Vec::new()) };
    if let Some(name) = change.name.filter(|name| name.to_lowercase() != old.name.to_lowercase()) {
        cmds.push(Cmd::new("ZREM").arg(keys::API_KEYS_BY_NAME).arg(name_member(old.name, old.id)));
        cmds.push(
            Cmd::new("ZADD").arg(keys::API_KEYS_BY_NAME).arg(0_i64).arg(name_member(name, old.id)),
        );
    }
    if change.active.is_some() || change.deleted.is_some() {
        let active = change.active.unwrap_or(old.active);
        cmds.extend(state(old.id, active, change.deleted.unwrap_or(old.deleted)));
    }
    let mut gone = Vec::new();
    if let Some(new) = change.tags {
        gone =
            tags_of(Some(old_tags)).filter(|tag| !tags_of(Some(new)).any(|n| n == *tag)).collect();
        cmds.extend(gone.iter().map(|tag| untagged(tag, old.id)));
        cmds.extend(tags_of(Some(new)).flat_map(|tag| tagged(tag, old.id)));
    }
    (cmds, gone)
}

/// Commands that take a key out of every index, and the tags it carried.
pub fn removed<'a>(key: Indexed<'a>) -> (Vec<Cmd>, Vec<&'a str>) {
    let Some(tags) = key.tags else { return (Vec::new(), Vec::new()) };
    let mut cmds = vec![
        Cmd::new("ZREM").arg(keys::API_KEYS_BY_CREATION).arg(key.id),
        Cmd::new("ZREM").arg(keys::API_KEYS_BY_LAST_USE).arg(key.id),
        Cmd::new("ZREM").arg(keys::API_KEYS_BY_NAME).arg(name_member(key.name, key.id)),
    ];
    for set in [keys::API_KEYS_ALL, keys::API_KEYS_ACTIVE, keys::API_KEYS_DELETED] {
        cmds.push(Cmd::new("SREM").arg(set).arg(key.id));
    }
    let tags: Vec<&str> = tags_of(Some(tags)).collect();
    cmds.extend(tags.iter().map(|tag| untagged(tag, key.id)));
    (cmds, tags)
}

/// Puts a key at the end of the four ranks by cost.
pub fn ranked(id: &str) -> impl Iterator<Item = Cmd> {
    RANKS.map(|range| Cmd::new("ZADD").arg(keys::cost_rank(range)).arg(0_i64).arg(id)).into_iter()
}

/// Takes a key out of the four ranks by cost.
pub fn unranked(id: &str) -> impl Iterator<Item = Cmd> {
    RANKS.map(|range| Cmd::new("ZREM").arg(keys::cost_rank(range)).arg(id)).into_iter()
}

/// How many keys carry a tag; when none, [`forget_tag`] follows.
pub fn carriers(tag: &str) -> Cmd {
    Cmd::new("SCARD").arg(keys::api_keys_with_tag(tag))
}

/// Takes a tag out of the list of all tags.
pub fn forget_tag(tag: &str) -> Cmd {
    Cmd::new("SREM").arg(keys::API_KEY_TAGS).arg(tag)
}

/// Member of the index by name.
fn name_member(name: &str, id: &str) -> String {
    format!("{}\0{id}", name.to_lowercase())
}

fn state(id: &str, active: bool, deleted: bool) -> [Cmd; 2] {
    let (active_cmd, deleted_cmd) = match (deleted, active) {
        (true, _) => ("SREM", "SADD"),
        (false, true) => ("SADD", "SREM"),
        (false, false) => ("SREM", "SREM"),
    };
    [
        Cmd::new(active_cmd).arg(keys::API_KEYS_ACTIVE).arg(id),
        Cmd::new(deleted_cmd).arg(keys::API_KEYS_DELETED).arg(id),
    ]
}

/// Tags that can be indexed: texts that are not empty.
fn tags_of(tags: Option<&Value>) -> impl Iterator<Item = &str> {
    let items = tags.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).filter(|tag| !tag.is_empty())
}

fn tagged(tag: &str, id: &str) -> [Cmd; 2] {
    [
        Cmd::new("SADD").arg(keys::api_keys_with_tag(tag)).arg(id),
        Cmd::new("SADD").arg(keys::API_KEY_TAGS).arg(tag),
    ]
}

fn untagged(tag: &str, id: &str) -> Cmd {
    Cmd::new("SREM").arg(keys::api_keys_with_tag(tag)).arg(id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words(cmds: &[Cmd]) -> Vec<String> {
        let text = |cmd: &Cmd| match cmd {
            Cmd::Words(words) => words
                .iter()
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect::<Vec<_>>()
                .join(" "),
            Cmd::Script { .. } => String::new(),
        };
        cmds.iter().map(text).collect()
    }

    #[test]
    fn a_renamed_and_retagged_key_moves() {
        let tags = json!(["a", "b", 7]);
        let old = Indexed { id: "k", name: "Old", active: true, deleted: false, tags: Some(&tags) };
        let new_tags = json!(["b", "c"]);
        let change =
            IndexChange { name: Some("New"), tags: Some(&new_tags), ..IndexChange::default() };
        let (cmds, gone) = changed(old, change);
        assert_eq!(gone, ["a"]);
        assert_eq!(
            words(&cmds),
            [
                "ZREM apikey:idx:name old\0k",
                "ZADD apikey:idx:name 0 new\0k",
                "SREM apikey:tag:a k",
                "SADD apikey:tag:b k",
                "SADD apikey:tags:all b",
                "SADD apikey:tag:c k",
                "SADD apikey:tags:all c",
            ]
        );
    }

    #[test]
    fn unreadable_tags_stop_every_index() {
        let old = Indexed { id: "k", name: "Old", active: true, deleted: false, tags: None };
        let change = IndexChange { active: Some(false), ..IndexChange::default() };
        assert_eq!(changed(old, change), (Vec::new(), Vec::new()));
    }
}
