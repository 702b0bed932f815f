//! Usage data against its indexes: what an index leaves out, statistics do not show.

use std::collections::{HashMap, HashSet};

use compat::{catalogue::Entry, keys, store::StoreError};

use super::{Data, check::Check, reading::set_members, report::Findings};

/// Which index lists the keys of a pattern, and as what.
struct Listing {
    pattern: &'static str,
    index: fn(&Parts<'_>) -> String,
    member: fn(&Parts<'_>) -> String,
}

/// Placeholders of a usage key.
#[derive(Default)]
struct Parts<'a> {
    key_id: &'a str,
    account_id: &'a str,
    model: &'a str,
    date: &'a str,
    hour: &'a str,
    month: &'a str,
}

const LISTINGS: [Listing; 11] = [
    Listing {
        pattern: "usage:daily:{key_id}:{date}",
        index: |at| keys::usage_daily_index(at.date),
        member: |of| of.key_id.to_owned(),
    },
    Listing {
        pattern: "usage:hourly:{key_id}:{date}:{hour}",
        index: |at| keys::usage_hourly_index(at.date, at.hour),
        member: |of| of.key_id.to_owned(),
    },
    Listing {
        pattern: "usage:model:daily:{model}:{date}",
        index: |at| keys::usage_model_daily_index(at.date),
        member: |of| of.model.to_owned(),
    },
    Listing {
        pattern: "usage:model:hourly:{model}:{date}:{hour}",
        index: |at| keys::usage_model_hourly_index(at.date, at.hour),
        member: |of| of.model.to_owned(),
    },
    Listing {
        pattern: "usage:model:monthly:{model}:{month}",
        index: |at| keys::usage_model_monthly_index(at.month),
        member: |of| of.model.to_owned(),
    },
    Listing {
        pattern: "usage:{key_id}:model:daily:{model}:{date}",
        index: |at| keys::usage_key_model_daily_index(at.date),
        member: |of| format!("{}:{}", of.key_id, of.model),
    },
    Listing {
        pattern: "usage:{key_id}:model:hourly:{model}:{date}:{hour}",
        index: |at| keys::usage_key_model_hourly_index(at.date, at.hour),
        member: |of| format!("{}:{}", of.key_id, of.model),
    },
    Listing {
        pattern: "account_usage:daily:{account_id}:{date}",
        index: |at| keys::account_usage_daily_index(at.date),
        member: |of| of.account_id.to_owned(),
    },
    Listing {
        pattern: "account_usage:hourly:{account_id}:{date}:{hour}",
        index: |at| keys::account_usage_hourly_index(at.date, at.hour),
        member: |of| of.account_id.to_owned(),
    },
    Listing {
        pattern: "account_usage:model:daily:{account_id}:{model}:{date}",
        index: |at| keys::account_usage_model_daily_index(at.date),
        member: |of| format!("{}:{}", of.account_id, of.model),
    },
    Listing {
        pattern: "account_usage:model:hourly:{account_id}:{model}:{date}:{hour}",
        index: |at| keys::account_usage_model_hourly_index(at.date, at.hour),
        member: |of| format!("{}:{}", of.account_id, of.model),
    },
];

/// Compares usage keys with their indexes, and reports usage of what is no more.
pub(super) async fn check(data: Data<'_>, findings: &mut Findings) -> Result<(), StoreError> {
    for listing in &LISTINGS {
        let entry = data.catalogue.entries().iter().find(|entry| entry.pattern == listing.pattern);
        if let Some(entry) = entry {
            check_listing(data, listing, entry, findings).await?;
        }
    }
    left_over(data, findings);
    Ok(())
}

async fn check_listing(
    data: Data<'_>,
    listing: &Listing,
    entry: &Entry,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let Data { store, catalogue, census, .. } = data;
    let mut expected: HashMap<String, HashSet<String>> = HashMap::new();
    for key in census.keys(listing.pattern) {
        let part = |name| entry.value(key, name).unwrap_or_default();
        let parts = Parts {
            key_id: part("key_id"),
            account_id: part("account_id"),
            model: part("model"),
            date: part("date"),
            hour: part("hour"),
            month: part("month"),
        };
        expected.entry((listing.index)(&parts)).or_default().insert((listing.member)(&parts));
    }
    let sets = set_members(store, expected.keys().cloned().collect::<Vec<_>>()).await?;
    for (index, wanted) in expected {
        let marker = keys::empty_marker(&index);
        let marked = catalogue
            .classify(&marker)
            .is_some_and(|entry| census.keys(entry.pattern).binary_search(&marker).is_ok());
        if marked {
            let place = format!("{} entries hidden", wanted.len());
            findings.add(Check::HiddenByMarker, &marker, place);
        }
        // A missing index is rebuilt on reading; a partial one is believed.
        let Some(listed) = sets.get(&index).filter(|listed| !listed.is_empty()) else { continue };
        for member in wanted.iter().filter(|member| !listed.contains(*member)) {
            let subject = catalogue.classify(&index).map_or(index.as_str(), |entry| entry.pattern);
            findings.add(Check::NotIndexed, subject, format!("{index} lacks {member}"));
        }
    }
    Ok(())
}

fn left_over(data: Data<'_>, findings: &mut Findings) {
    let Data { catalogue, census, records, .. } = data;
    let keys: HashSet<&str> = records.keys.iter().map(|key| key.id.as_str()).collect();
    for id in census.ids(catalogue, "usage:{key_id}", "key_id").difference(&keys) {
        findings.add(Check::LeftOver, "usage:{key_id}", id);
    }
    let accounts: HashSet<&str> = records.accounts.keys().map(|(_, id)| id.as_str()).collect();
    for id in
        census.ids(catalogue, "account_usage:{account_id}", "account_id").difference(&accounts)
    {
        findings.add(Check::LeftOver, "account_usage:{account_id}", id);
    }
}
