//! Indexes against the records they list.

use std::collections::HashSet;

use compat::{
    keys::{self, AccountKind},
    number,
    store::{Cmd, Store, StoreError},
};

use super::{
    Data,
    check::Check,
    reading::{hash_fields, set_members, zset_members},
    report::Findings,
};

/// Compares all indexes of records.
pub(super) async fn check(data: Data<'_>, findings: &mut Findings) -> Result<(), StoreError> {
    let Data { store, catalogue, census, records } = data;
    for kind in AccountKind::ALL {
        let of_kind = records.accounts.iter().filter(|((other, _), _)| *other == kind);
        let ids: HashSet<&str> = of_kind.clone().map(|((_, id), _)| id.as_str()).collect();
        rebuilt_index(store, &kind.index(), &ids, findings).await?;
        if let Some(set) = kind.shared() {
            let shared = of_kind.filter(|(_, account_type)| *account_type == "shared");
            let shared = shared.map(|((_, id), _)| id.as_str()).collect();
            compare(set, &shared, &members(store, set).await?, findings);
        }
    }
    let users = records.users.keys().map(String::as_str).collect();
    rebuilt_index(store, keys::USERS, &users, findings).await?;
    let groups = records.groups.keys().map(String::as_str).collect();
    compare(keys::GROUPS, &groups, &members(store, keys::GROUPS).await?, findings);

    let cards = census.ids(catalogue, "quota_card:{card_id}", "card_id");
    compare(keys::QUOTA_CARDS, &cards, &members(store, keys::QUOTA_CARDS).await?, findings);
    let redemptions = census.ids(catalogue, "redemption:{redemption_id}", "redemption_id");
    let listed = members(store, keys::REDEMPTIONS).await?;
    compare(keys::REDEMPTIONS, &redemptions, &listed, findings);

    lookup(data, findings).await?;
    key_indexes(data, findings).await
}

/// An index that the service rebuilds by itself when it is empty (contract/redis.md §0).
async fn rebuilt_index(
    store: &dyn Store,
    index: &str,
    ids: &HashSet<&str>,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let marker = keys::empty_marker(index);
    let listed = members(store, index).await?;
    if text(store, &marker).await?.as_deref() == Some("1") && !(ids.is_empty() && listed.is_empty())
    {
        let hidden = ids.len().max(listed.len());
        findings.add(Check::HiddenByMarker, marker, format!("{hidden} records hidden"));
    }
    if !listed.is_empty() {
        compare(index, ids, &listed, findings);
    }
    Ok(())
}

/// `apikey:hash_map`, which authentication reads.
async fn lookup(data: Data<'_>, findings: &mut Findings) -> Result<(), StoreError> {
    let Data { store, catalogue, census, records } = data;
    let map = hash_fields(store, keys::API_KEY_MAP).await?;
    let old = census.ids(catalogue, "apikey_hash:{hash}", "hash");
    let known: HashSet<&str> = records.keys.iter().map(|key| key.id.as_str()).collect();
    for key in &records.keys {
        match map.get(&key.hash) {
            Some(id) if *id == key.id && key.deleted => {
                findings.add(Check::DeletedLookup, keys::API_KEY_MAP, key.key());
            }
            Some(id) if *id == key.id => {}
            Some(other) if !key.deleted => {
                let place = format!("{} (leads to {other})", key.key());
                findings.add(Check::NoLookup, keys::API_KEY_MAP, place);
            }
            None if !key.deleted && !old.contains(key.hash.as_str()) => {
                findings.add(Check::NoLookup, keys::API_KEY_MAP, key.key());
            }
            _ => {}
        }
    }
    for id in map.values().filter(|id| !known.contains(id.as_str())) {
        findings.add(Check::GhostLookup, keys::API_KEY_MAP, id);
    }
    Ok(())
}

/// The sorted sets and sets behind the key list; trusted only when marked complete.
async fn key_indexes(data: Data<'_>, findings: &mut Findings) -> Result<(), StoreError> {
    let Data { store, catalogue, census, records } = data;
    let version = text(store, keys::API_KEY_INDEX_VERSION).await?;
    if version.as_deref().and_then(number::parse_int).unwrap_or(0) < 2 {
        if !records.keys.is_empty() {
            let place = version.unwrap_or_else(|| "not set".to_owned());
            findings.add(Check::IndexesNotReady, keys::API_KEY_INDEX_VERSION, place);
        }
        return Ok(());
    }
    let ids = || records.keys.iter();
    let all: HashSet<&str> = ids().map(|key| key.id.as_str()).collect();
    let deleted = ids().filter(|key| key.deleted).map(|key| key.id.as_str()).collect();
    let active =
        ids().filter(|key| key.active && !key.deleted).map(|key| key.id.as_str()).collect();
    compare(keys::API_KEYS_ALL, &all, &members(store, keys::API_KEYS_ALL).await?, findings);
    let listed = members(store, keys::API_KEYS_DELETED).await?;
    compare(keys::API_KEYS_DELETED, &deleted, &listed, findings);
    let listed = members(store, keys::API_KEYS_ACTIVE).await?;
    compare(keys::API_KEYS_ACTIVE, &active, &listed, findings);
    for index in [keys::API_KEYS_BY_CREATION, keys::API_KEYS_BY_LAST_USE] {
        compare(index, &all, &zset_members(store, index).await?, findings);
    }
    let names: Vec<String> =
        ids().map(|key| format!("{}\0{}", key.name.to_lowercase(), key.id)).collect();
    let names = names.iter().map(String::as_str).collect();
    let listed = zset_members(store, keys::API_KEYS_BY_NAME).await?;
    compare(keys::API_KEYS_BY_NAME, &names, &listed, findings);

    let tags: HashSet<&str> =
        ids().flat_map(|key| &key.tags).filter(|tag| !tag.is_empty()).map(String::as_str).collect();
    let listed = members(store, keys::API_KEY_TAGS).await?;
    for tag in tags.iter().filter(|tag| !listed.contains(**tag)) {
        findings.add(Check::NotIndexed, keys::API_KEY_TAGS, tag);
    }
    let stored = census.ids(catalogue, "apikey:tag:{tag}", "tag");
    let sets = tags.union(&stored).map(keys::api_keys_with_tag);
    let sets = set_members(store, sets.collect::<Vec<_>>()).await?;
    for tag in tags.union(&stored) {
        let set = keys::api_keys_with_tag(tag);
        let with_tag =
            ids().filter(|key| key.tags.iter().any(|own| own == tag)).map(|key| key.id.as_str());
        let empty = HashSet::new();
        compare(&set, &with_tag.collect(), sets.get(&set).unwrap_or(&empty), findings);
    }
    Ok(())
}

fn compare(
    index: &str,
    expected: &HashSet<&str>,
    listed: &HashSet<String>,
    findings: &mut Findings,
) {
    for id in expected.iter().filter(|id| !listed.contains(**id)) {
        findings.add(Check::NotIndexed, index, id.replace('\0', "␀"));
    }
    for id in listed.iter().filter(|id| !expected.contains(id.as_str())) {
        findings.add(Check::GhostMember, index, id.replace('\0', "␀"));
    }
}

async fn members(store: &dyn Store, key: &str) -> Result<HashSet<String>, StoreError> {
    let mut sets = set_members(store, [key.to_owned()]).await?;
    Ok(sets.remove(key).unwrap_or_default())
}

/// A text key; other types count as missing.
async fn text(store: &dyn Store, key: &str) -> Result<Option<String>, StoreError> {
    let reply = store.run(Cmd::new("GET").arg(key).into()).await?.pop();
    Ok(reply.and_then(|reply| reply.text().ok()).flatten())
}
