//! Reading a snapshot: everything that is known to be needed in one pipeline, then what that turned
//! up, until nothing is missing.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use parking_lot::RwLock;
use serde_json::Value;

use super::{DayUsage, Entry, Family, Fields, Group, Kind, Leases, Need, Snapshot, scan::scan_ids};
use crate::{
    crypto::Vault,
    number,
    store::{Batch, Cmd, Reply, Store, StoreError},
};

type Id = Arc<str>;

/// Discovery goes list → records → slots and usage; a group adds members → records. Six suffice.
const ROUNDS_MAX: usize = 6;

/// One thing to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Read {
    EmptyMark(Kind),
    Index(Kind),
    Record(Kind, Id),
    Cooldown(Kind, Id),
    LeaseCount(Id),
    LeasesLive(Id),
    Captured(Id),
    Group(Id),
    Members(Id),
    Settings,
    ServiceRates,
    UserAgent,
    UsageIndex,
    Usage(Id, String),
}

pub(super) struct Loader<'a> {
    store: &'a dyn Store,
    family: Family,
    needs: &'a [Need],
    now_ms: i64,
    today: String,
    /// Only lists that the present request asks for are worth looking at all keys.
    demanded: &'a [Need],
    done: HashSet<Read>,
    found: Loaded,
}

#[derive(Default)]
pub(super) struct Loaded {
    scanned: Vec<Kind>,
    marked_empty: HashSet<Kind>,
    indexes: HashMap<Kind, Vec<Id>>,
    records: HashMap<(Kind, Id), Fields>,
    documents: HashMap<Id, Value>,
    /// Bedrock ids whose record is no JSON: the legacy listing then fails as a whole.
    broken_bedrock: bool,
    cooldowns: HashMap<(Kind, Id), i64>,
    lease_counts: HashMap<Id, i64>,
    leases_live: HashMap<Id, i64>,
    captured: HashMap<Id, String>,
    group_fields: HashMap<Id, Fields>,
    members: HashMap<Id, Vec<Id>>,
    settings: Option<String>,
    service_rates: Option<String>,
    user_agent: Option<String>,
    usage_members: Vec<(Id, String)>,
    usage: HashMap<(Id, String), Fields>,
    looked_up: HashSet<(Kind, Id)>,
    upkeep: HashMap<Kind, Vec<Cmd>>,
    wanted_lists: HashSet<Kind>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(
        store: &'a dyn Store,
        family: Family,
        needs: &'a [Need],
        demanded: &'a [Need],
        now_ms: i64,
        today: String,
    ) -> Self {
        let mut found = Loaded::default();
        found.wanted_lists.extend(needs.iter().filter_map(|need| match need {
            Need::List(kind) => Some(*kind),
            _ => None,
        }));
        Self { store, family, needs, demanded, now_ms, today, done: HashSet::new(), found }
    }

    pub(super) async fn run(mut self, previous: Option<&Snapshot>) -> Result<Loaded, StoreError> {
        let mut next = self.first(previous);
        for _ in 0..ROUNDS_MAX {
            next.retain(|read| !self.done.contains(read));
            if !next.is_empty() {
                self.fetch(&next).await?;
            }
            self.scan().await?;
            next = self.missing();
            if next.is_empty() {
                break;
            }
        }
        Ok(self.found)
    }

    /// Everything that the needs name and that the last read had.
    fn first(&self, previous: Option<&Snapshot>) -> Vec<Read> {
        let mut reads = vec![Read::Settings, Read::ServiceRates];
        if self.family == Family::Claude {
            reads.push(Read::UserAgent);
        }
        for need in self.needs {
            match need {
                Need::List(kind) if kind.lists_index() => {
                    reads.extend([Read::EmptyMark(*kind), Read::Index(*kind)]);
                }
                Need::List(kind) => reads.push(Read::Index(*kind)),
                Need::Account(kind, id) => reads.extend(account(*kind, id)),
                Need::Group(id) => {
                    reads.extend([Read::Group(id.clone()), Read::Members(id.clone())])
                }
            }
        }
        if let Some(previous) = previous {
            let group_members: HashSet<&Id> =
                previous.groups.values().flatten().flat_map(|group| &group.members).collect();
            // Members without a record are asked for again, or each read would take more rounds.
            for (kind, id) in previous.looked_up.iter().filter(|(_, id)| group_members.contains(id))
            {
                reads.extend(account(*kind, id));
            }
            for ((kind, id), entry) in previous.entries.read().iter() {
                let listed = entry.indexed && self.found.wanted_lists.contains(kind);
                if !listed && !group_members.contains(id) {
                    continue;
                }
                reads.extend(account(*kind, id));
                if *kind == Kind::Console {
                    reads.extend([Read::LeaseCount(id.clone()), Read::LeasesLive(id.clone())]);
                }
            }
            if !previous.usage.is_empty() {
                reads.push(Read::UsageIndex);
                reads.extend(
                    previous
                        .usage_members
                        .iter()
                        .map(|(id, model)| Read::Usage(id.clone(), model.clone())),
                );
            }
        }
        let mut seen = HashSet::new();
        reads.retain(|read| seen.insert(read.clone()));
        reads
    }

    /// What the finds so far call for.
    fn missing(&self) -> Vec<Read> {
        let found = &self.found;
        let mut reads = Vec::new();
        for kind in &found.wanted_lists {
            for id in found.indexes.get(kind).into_iter().flatten() {
                reads.extend(account(*kind, id));
            }
        }
        for id in found.members.values().flatten() {
            // A member is of the first kind that has a record of it.
            for kind in self.family.members() {
                reads.extend(account(*kind, id));
                let key = (*kind, id.clone());
                if !found.looked_up.contains(&key) || found.records.contains_key(&key) {
                    break;
                }
            }
        }
        let mut quota = false;
        for ((kind, id), fields) in &found.records {
            let field = |name: &str| fields.get(name).map_or("", String::as_str);
            if *kind == Kind::Console {
                reads.extend([Read::LeaseCount(id.clone()), Read::LeasesLive(id.clone())]);
            }
            quota |= matches!(kind, Kind::Console | Kind::Ccr)
                && number::parse_float(field("dailyQuota")).is_some_and(|quota| quota > 0.0);
        }
        if quota {
            reads.push(Read::UsageIndex);
            reads.extend(
                found
                    .usage_members
                    .iter()
                    .map(|(id, model)| Read::Usage(id.clone(), model.clone())),
            );
        }
        let mut seen = HashSet::new();
        reads.retain(|read| !self.done.contains(read) && seen.insert(read.clone()));
        reads
    }

    async fn fetch(&mut self, reads: &[Read]) -> Result<(), StoreError> {
        let batch: Batch = reads.iter().map(|read| self.cmd(read)).collect();
        let replies = self.store.run(batch).await?;
        if replies.len() != reads.len() {
            return Err(StoreError::Shape("wrong number of replies".into()));
        }
        for (read, reply) in reads.iter().zip(replies) {
            self.absorb(read, reply)?;
            self.done.insert(read.clone());
        }
        Ok(())
    }

    fn cmd(&self, read: &Read) -> Cmd {
        match read {
            Read::EmptyMark(kind) => Cmd::new("GET").arg(format!("{}:empty", kind.index_key())),
            Read::Index(kind) => Cmd::new("SMEMBERS").arg(kind.list_key()),
            Read::Record(Kind::Bedrock, id) => Cmd::new("GET").arg(Kind::Bedrock.record_key(id)),
            Read::Record(kind, id) => Cmd::new("HGETALL").arg(kind.record_key(id)),
            Read::Cooldown(kind, id) => {
                Cmd::new("TTL").arg(crate::cooldown::mark_key(kind.as_str(), id))
            }
            Read::LeaseCount(id) => Cmd::new("ZCARD").arg(lease_key(id)),
            Read::LeasesLive(id) => {
                Cmd::new("ZCOUNT").arg(lease_key(id)).arg(format!("({}", self.now_ms)).arg("+inf")
            }
            Read::Captured(id) => Cmd::new("GET").arg(format!("claude_code_headers:{id}")),
            Read::Group(id) => Cmd::new("HGETALL").arg(format!("account_group:{id}")),
            Read::Members(id) => Cmd::new("SMEMBERS").arg(format!("account_group_members:{id}")),
            Read::Settings => Cmd::new("GET").arg("claude_relay_config"),
            Read::ServiceRates => Cmd::new("GET").arg("system:service_rates"),
            Read::UserAgent => Cmd::new("GET").arg("claude_code_user_agent:daily"),
            Read::UsageIndex => {
                Cmd::new("SMEMBERS").arg(format!("account_usage:model:daily:index:{}", self.today))
            }
            Read::Usage(id, model) => Cmd::new("HGETALL")
                .arg(format!("account_usage:model:daily:{id}:{model}:{}", self.today)),
        }
    }

    fn absorb(&mut self, read: &Read, reply: Reply) -> Result<(), StoreError> {
        let found = &mut self.found;
        // A key of the wrong type makes one account unusable, not the whole pool.
        if let Reply::Error(message) = &reply
            && message.starts_with("WRONGTYPE")
        {
            tracing::warn!(?read, "unexpected type of a key");
            if let Read::Record(kind, id) = read {
                found.looked_up.insert((*kind, id.clone()));
            }
            return Ok(());
        }
        match read {
            Read::EmptyMark(kind) => {
                if reply.text()?.as_deref() == Some("1") {
                    found.marked_empty.insert(*kind);
                }
            }
            Read::Index(kind) => {
                found.indexes.insert(*kind, ids(reply)?);
            }
            Read::Record(Kind::Bedrock, id) => {
                found.looked_up.insert((Kind::Bedrock, id.clone()));
                if let Some(text) = reply.text()? {
                    match serde_json::from_str(&text) {
                        Ok(document) => {
                            found.documents.insert(id.clone(), document);
                        }
                        Err(_) => found.broken_bedrock = true,
                    }
                }
            }
            Read::Record(kind, id) => {
                found.looked_up.insert((*kind, id.clone()));
                let fields = reply.map()?;
                if !fields.is_empty() {
                    found.records.insert((*kind, id.clone()), fields);
                }
            }
            Read::Cooldown(kind, id) => {
                found.cooldowns.insert((*kind, id.clone()), reply.int()?);
            }
            Read::LeaseCount(id) => {
                found.lease_counts.insert(id.clone(), reply.int()?);
            }
            Read::LeasesLive(id) => {
                found.leases_live.insert(id.clone(), reply.int()?);
            }
            Read::Captured(id) => {
                if let Some(text) = reply.text()? {
                    found.captured.insert(id.clone(), text);
                }
            }
            Read::Group(id) => {
                found.group_fields.insert(id.clone(), reply.map()?);
            }
            Read::Members(id) => {
                found.members.insert(id.clone(), ids(reply)?);
            }
            Read::Settings => found.settings = reply.text()?,
            Read::ServiceRates => found.service_rates = reply.text()?,
            Read::UserAgent => found.user_agent = reply.text()?,
            Read::UsageIndex => {
                let quota_ids: HashSet<&str> = found
                    .records
                    .iter()
                    .filter(|((kind, _), _)| matches!(kind, Kind::Console | Kind::Ccr))
                    .map(|((_, id), _)| &**id)
                    .collect();
                found.usage_members = reply
                    .texts()?
                    .iter()
                    .filter_map(|member| member.split_once(':'))
                    .filter(|(id, _)| quota_ids.is_empty() || quota_ids.contains(id))
                    .map(|(id, model)| (Id::from(id), model.to_owned()))
                    .collect();
            }
            Read::Usage(id, model) => {
                found.usage.insert((id.clone(), model.clone()), reply.map()?);
            }
        }
        Ok(())
    }

    /// Rebuilds indexes that are empty though not marked so, by looking at all keys.
    async fn scan(&mut self) -> Result<(), StoreError> {
        let lost: Vec<Kind> = self
            .found
            .wanted_lists
            .iter()
            .copied()
            .filter(|kind| {
                kind.lists_index()
                    && self.found.indexes.get(kind).is_some_and(Vec::is_empty)
                    && !self.found.marked_empty.contains(kind)
                    && self.demanded.contains(&Need::List(*kind))
                    && !self.found.scanned.contains(kind)
            })
            .collect();
        for kind in lost {
            self.found.scanned.push(kind);
            let found = scan_ids(self.store, kind.record_prefix()).await?;
            let repair = if found.is_empty() {
                Cmd::new("SETEX").arg(format!("{}:empty", kind.index_key())).arg(3600_i64).arg("1")
            } else {
                Cmd::new("SADD").arg(kind.index_key()).args(found.iter().map(|id| &**id))
            };
            self.found.upkeep.insert(kind, vec![repair]);
            self.found.indexes.insert(kind, found);
        }
        Ok(())
    }
}

impl Loaded {
    pub(super) fn into_snapshot(
        mut self,
        started: Instant,
        read_at_ms: i64,
        vault: &Vault,
    ) -> Snapshot {
        // The mark beats the set, as in the legacy reader.
        let mut lists: HashMap<Kind, Vec<Id>> = HashMap::new();
        for kind in &self.wanted_lists {
            let ids = self.indexes.remove(kind).unwrap_or_default();
            let hidden =
                self.marked_empty.contains(kind) || (*kind == Kind::Bedrock && self.broken_bedrock);
            if hidden {
                lists.insert(*kind, Vec::new());
            } else if !ids.is_empty() || self.scanned.contains(kind) || !kind.lists_index() {
                lists.insert(*kind, ids);
            }
            // Else the index may be lost; who needs the list has to ask for it.
        }
        let indexed: HashSet<(Kind, &Id)> =
            lists.iter().flat_map(|(kind, ids)| ids.iter().map(|id| (*kind, id))).collect();
        let records = self.records.into_iter().map(|(key, fields)| (key, fields, None));
        let documents = self
            .documents
            .into_iter()
            .map(|(id, document)| ((Kind::Bedrock, id), Fields::new(), Some(document)));
        let entries: HashMap<(Kind, Id), Arc<Entry>> = records
            .chain(documents)
            .map(|(key, fields, document)| {
                let (kind, id) = key.clone();
                let live = self.leases_live.get(&id).copied().unwrap_or(0);
                let leases = Leases {
                    live,
                    stale: self.lease_counts.get(&id).is_some_and(|count| *count > live),
                };
                let entry = Entry {
                    kind,
                    credentials: document.as_ref().is_none_or(|document| opens(document, vault)),
                    fields,
                    document,
                    cooldown_ttl: self.cooldowns.get(&key).copied().unwrap_or(-2),
                    leases: if kind == Kind::Console { leases } else { Leases::default() },
                    captured_headers: self.captured.remove(&id).filter(|_| kind == Kind::Official),
                    indexed: indexed.contains(&(kind, &id)),
                    id,
                };
                (key, Arc::new(entry))
            })
            .collect();
        let groups = self
            .group_fields
            .into_iter()
            .map(|(id, mut fields)| {
                let members = self.members.remove(&id).unwrap_or_default();
                let group = (!fields.is_empty()).then(|| {
                    let mut take = |name: &str| fields.remove(name).unwrap_or_default();
                    let (name, platform) = (take("name"), take("platform"));
                    Arc::new(Group { id: id.clone(), name, platform, members })
                });
                (id, group)
            })
            .collect();
        let mut usage: HashMap<Id, Vec<DayUsage>> = HashMap::new();
        for (id, model) in &self.usage_members {
            if let Some(fields) = self.usage.get(&(id.clone(), model.clone()))
                && let Some(day) = day_usage(model, fields)
            {
                usage.entry(id.clone()).or_default().push(day);
            }
        }
        Snapshot {
            started,
            read_at_ms,
            settings: self.settings,
            service_rates: self.service_rates,
            user_agent: self.user_agent,
            lists,
            entries: RwLock::new(entries),
            groups,
            looked_up: self.looked_up,
            upkeep: self.upkeep,
            usage,
            usage_members: self.usage_members,
        }
    }
}

fn account(kind: Kind, id: &Id) -> impl Iterator<Item = Read> {
    let captured = (kind == Kind::Official).then(|| Read::Captured(id.clone()));
    [Read::Record(kind, id.clone()), Read::Cooldown(kind, id.clone())].into_iter().chain(captured)
}

/// Whether a Bedrock record has credentials that decrypt: of its declared type, or else of any.
fn opens(document: &Value, vault: &Vault) -> bool {
    let field = |name: &str| {
        document.get(name).filter(|stored| !matches!(stored, Value::Null | Value::Bool(false)))
    };
    let open = |stored: Option<&Value>| stored.map(|stored| vault.open_bedrock(stored).is_ok());
    let (keys, token) = (field("awsCredentials"), field("bearerToken"));
    match (document.get("credentialType").and_then(Value::as_str), keys, token) {
        (Some("access_key"), Some(keys), _) => open(Some(keys)) == Some(true),
        (Some("bearer_token"), _, Some(token)) => open(Some(token)) == Some(true),
        // Whatever exists has to open.
        _ => {
            let opened = [open(keys), open(token)];
            opened.iter().any(Option::is_some) && !opened.contains(&Some(false))
        }
    }
}

fn lease_key(id: &str) -> String {
    format!("concurrency:console_account:{id}")
}

fn ids(reply: Reply) -> Result<Vec<Id>, StoreError> {
    Ok(reply.texts()?.into_iter().map(Id::from).collect())
}

/// Token counts of a day; `None` when neither input nor output was ever booked.
fn day_usage(model: &str, fields: &Fields) -> Option<DayUsage> {
    let text = |name: &str| fields.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let count = |name: &str| text(name).and_then(number::parse_int).unwrap_or(0);
    text("inputTokens").or_else(|| text("outputTokens"))?;
    Some(DayUsage {
        model: model.to_owned(),
        input: count("inputTokens"),
        output: count("outputTokens"),
        cache_create: count("cacheCreateTokens"),
        cache_read: count("cacheReadTokens"),
        ephemeral_5m: count("ephemeral5mTokens"),
        ephemeral_1h: count("ephemeral1hTokens"),
    })
}
