//! All keys of the database, sorted by pattern; their types and expiries.

use std::collections::{BTreeMap, HashMap, HashSet};

use compat::{
    catalogue::{Catalogue, Entry, TtlFault},
    keys::OWN_NAMESPACE,
    store::{Cmd, Store, StoreError},
};

use super::{
    check::Check,
    progress::Progress,
    reading::{run_all, scan},
    report::Findings,
};

/// Keys whose types and expiries are held at a time.
const CHUNK: usize = 5000;
/// Area of the keys that crs keeps for itself; those of other versions are in no pattern.
const OWN_AREA: &str = "crs";

/// The keys of the database. Keys of a wrong type are left out, nobody could read them.
pub(super) struct Census {
    by_pattern: HashMap<&'static str, Vec<String>>,
    /// Keys found in all.
    pub(super) total: u64,
    /// Keys of crs itself.
    pub(super) own: u64,
    /// Keys of no known pattern.
    pub(super) unknown: u64,
    /// Keys by area.
    pub(super) areas: BTreeMap<&'static str, u64>,
}

impl Census {
    /// Walks the database; reports unknown keys, wrong types and odd expiries.
    pub(super) async fn take(
        store: &dyn Store,
        catalogue: &Catalogue,
        findings: &mut Findings,
        progress: &Progress,
    ) -> Result<Self, StoreError> {
        let expected = store.run(Cmd::new("DBSIZE").into()).await?.pop();
        let expected = expected.map_or(Ok(0), compat::store::Reply::int)?;
        let bar = progress.start("keys", expected);
        let keys = scan(store, |found| bar.at(found)).await?;
        bar.end();

        let mut census = Self {
            by_pattern: HashMap::new(),
            total: keys.len() as u64,
            own: 0,
            unknown: 0,
            areas: BTreeMap::new(),
        };
        let mut known = Vec::with_capacity(keys.len());
        for key in keys {
            match catalogue.classify(&key) {
                Some(entry) => {
                    census.own += u64::from(entry.area == OWN_AREA);
                    known.push((key, entry));
                }
                None if key.starts_with(OWN_NAMESPACE) => census.own += 1,
                None => {
                    census.unknown += 1;
                    findings.add(Check::UnknownKey, stem(&key), &key);
                }
            }
        }
        known.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        census.sort_in(store, known, findings, progress).await?;
        Ok(census)
    }

    /// Keys of a pattern, in order.
    pub(super) fn keys(&self, pattern: &str) -> &[String] {
        self.by_pattern.get(pattern).map_or(&[], Vec::as_slice)
    }

    /// Values of a placeholder in the keys of a pattern.
    pub(super) fn ids<'a>(
        &'a self,
        catalogue: &Catalogue,
        pattern: &str,
        placeholder: &str,
    ) -> HashSet<&'a str> {
        let Some(entry) = catalogue.entries().iter().find(|entry| entry.pattern == pattern) else {
            return HashSet::new();
        };
        self.keys(pattern).iter().filter_map(|key| entry.value(key, placeholder)).collect()
    }

    async fn sort_in(
        &mut self,
        store: &dyn Store,
        known: Vec<(String, &Entry)>,
        findings: &mut Findings,
        progress: &Progress,
    ) -> Result<(), StoreError> {
        let bar = progress.start("types and expiries", known.len());
        for (at, chunk) in known.chunks(CHUNK).enumerate() {
            let cmds = chunk
                .iter()
                .flat_map(|(key, _)| [Cmd::new("TYPE").arg(key), Cmd::new("TTL").arg(key)]);
            let mut replies = run_all(store, cmds.collect()).await?.into_iter();
            for (key, entry) in chunk {
                let (Some(kind), Some(ttl)) = (replies.next(), replies.next()) else { continue };
                let kind = kind.text()?.unwrap_or_default();
                if kind == "none" {
                    continue;
                }
                *self.areas.entry(entry.area).or_default() += 1;
                if kind != entry.kind {
                    let subject = format!("{}: {kind}, not {}", entry.pattern, entry.kind);
                    findings.add(Check::WrongType, subject, shown(entry, key));
                    continue;
                }
                check_expiry(entry, key, ttl.int()?, findings);
                self.by_pattern.entry(entry.pattern).or_default().push(key.clone());
            }
            bar.at((at + 1) * CHUNK);
        }
        bar.end();
        Ok(())
    }
}

fn check_expiry(entry: &Entry, key: &str, remaining: i64, findings: &mut Findings) {
    let Some(fault) = entry.ttl.check(remaining) else { return };
    let check = match fault {
        TtlFault::Expires => Check::WillVanish,
        TtlFault::NeverExpires => Check::NeverExpires,
        TtlFault::TooLong => Check::LivesTooLong,
    };
    let life = match fault {
        TtlFault::NeverExpires => String::new(),
        TtlFault::Expires | TtlFault::TooLong => format!(" ({remaining} s left)"),
    };
    let subject = format!("{}: should have {}", entry.pattern, entry.ttl);
    findings.add(check, subject, format!("{}{life}", shown(entry, key)));
}

/// A key as it may be shown: login tokens are cut, since they would let anybody in.
pub(super) fn shown(entry: &Entry, key: &str) -> String {
    let secret = ["token", "session_id"].into_iter().find_map(|name| entry.value(key, name));
    match secret.filter(|_| matches!(entry.area, "admin" | "user" | "oauth")) {
        Some(secret) if secret.len() > 8 => {
            let start: String = secret.chars().take(6).collect();
            key.replace(secret, &format!("{start}…"))
        }
        _ => key.to_owned(),
    }
}

/// What unknown keys are counted by: the text before the first colon.
fn stem(key: &str) -> String {
    match key.split_once(':') {
        Some((stem, _)) => format!("{stem}:…"),
        None => key.to_owned(),
    }
}
