//! References between records: keys to accounts, groups and users; groups to their members.

use std::collections::{HashMap, HashSet};

use compat::{
    keys::{self, AccountKind},
    store::{Cmd, StoreError},
};

use super::{
    Data,
    check::Check,
    reading::{run_all, set_members},
    records::{Records, Target},
    report::Findings,
};

const REVERSE: &str = "account_groups_reverse:{platform}:{account_id}";

/// Follows all references.
pub(super) async fn check(data: Data<'_>, findings: &mut Findings) -> Result<(), StoreError> {
    of_keys(data.records, findings);
    of_groups(data, findings).await?;
    of_names(data, findings).await
}

fn of_keys(records: &Records, findings: &mut Findings) {
    for key in records.keys.iter().filter(|key| !key.deleted) {
        for (field, target) in &key.bindings {
            let (found, missing) = match target {
                Target::Account(kind, id) => {
                    (records.accounts.contains_key(&(*kind, id.clone())), kind.record(id))
                }
                Target::Group(id) => (records.groups.contains_key(id), keys::group(id)),
            };
            if !found {
                let subject = format!("apikey:{{key_id}} {field}");
                findings.add(Check::Dangling, subject, format!("{} → {missing}", key.key()));
            }
        }
        if let Some(user) = key.user_id.as_ref().filter(|id| !records.users.contains_key(*id)) {
            let place = format!("{} → {}", key.key(), keys::user(user));
            findings.add(Check::Dangling, "apikey:{key_id} userId", place);
        }
    }
}

async fn of_groups(data: Data<'_>, findings: &mut Findings) -> Result<(), StoreError> {
    let Data { store, catalogue, census, records } = data;
    let forward = records.groups.keys().map(keys::group_members).collect::<Vec<_>>();
    let forward = set_members(store, forward).await?;
    let backward = set_members(store, census.keys(REVERSE).to_vec()).await?;
    let kept = !census.keys(keys::GROUPS_OF_ACCOUNTS_READY).is_empty();
    let none = HashSet::new();
    for (group, platform) in &records.groups {
        for account in forward.get(&keys::group_members(group)).unwrap_or(&none) {
            if !has_account(records, platform, account) {
                let place = format!("{} → {account}", keys::group_members(group));
                findings.add(Check::Dangling, "account_group_members:{group_id}", place);
            }
            let reverse = keys::groups_of_account(platform, account);
            let named = backward.get(&reverse).is_some_and(|groups| groups.contains(group));
            if kept && !named {
                findings.add(Check::HalfMember, REVERSE, format!("{reverse} lacks {group}"));
            }
        }
    }
    for (reverse, groups) in &backward {
        let entry = catalogue.classify(reverse);
        let account = entry.and_then(|entry| entry.value(reverse, "account_id"));
        let account = account.unwrap_or_default();
        for group in groups {
            let members = forward.get(&keys::group_members(group));
            if !members.is_some_and(|members| members.contains(account)) {
                let place = format!("{} lacks {account}", keys::group_members(group));
                findings.add(Check::HalfMember, "account_group_members:{group_id}", place);
            }
        }
    }
    Ok(())
}

/// Login names and the users they lead to.
async fn of_names(data: Data<'_>, findings: &mut Findings) -> Result<(), StoreError> {
    let Data { store, census, records, .. } = data;
    let names = census.keys("username:{username}");
    let replies =
        run_all(store, names.iter().map(|key| Cmd::new("GET").arg(key)).collect()).await?;
    let mut led: HashMap<&str, String> = HashMap::new();
    for (key, reply) in names.iter().zip(replies) {
        let id = reply.text()?.unwrap_or_default();
        if !records.users.contains_key(&id) {
            let place = format!("{key} → {}", keys::user(&id));
            findings.add(Check::Dangling, "username:{username}", place);
        }
        led.insert(key, id);
    }
    for (id, name) in records.users.iter().filter(|(_, name)| !name.is_empty()) {
        let key = keys::username(name);
        if led.get(key.as_str()) != Some(id) {
            findings.add(Check::NotIndexed, "username:{username}", format!("{key} of {id}"));
        }
    }
    Ok(())
}

fn has_account(records: &Records, platform: &str, id: &str) -> bool {
    AccountKind::ALL
        .into_iter()
        .filter(|kind| kind.group_platform() == Some(platform))
        .any(|kind| records.accounts.contains_key(&(kind, id.to_owned())))
}
