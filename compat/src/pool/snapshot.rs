//! What one read of the pool found.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use parking_lot::RwLock;

use super::{DayUsage, Entry, Kind, Need, Own};
use crate::store::Cmd;

/// Kind and id of an account.
pub(super) type AccountKey = (Kind, Arc<str>);

/// An account group (`account_group:{id}`) and its members in the order Redis lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Group id.
    pub id: Arc<str>,
    /// Display name.
    pub name: String,
    /// `claude`, `gemini`, `openai` or `droid`.
    pub platform: String,
    /// Account ids.
    pub members: Vec<Arc<str>>,
}

/// Accounts and what selection needs beside them, as of one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// When the read began.
    pub started: Instant,
    /// The same by the wall clock, epoch milliseconds.
    pub read_at_ms: i64,
    /// Stored relay settings (`claude_relay_config`), as JSON text.
    pub settings: Option<String>,
    /// Stored global rates (`system:service_rates`), as JSON text.
    pub service_rates: Option<String>,
    /// Unified Claude Code User-Agent (`claude_code_user_agent:daily`).
    pub user_agent: Option<String>,
    pub(super) lists: HashMap<Kind, Vec<Arc<str>>>,
    pub(super) entries: RwLock<HashMap<AccountKey, Arc<Entry>>>,
    pub(super) groups: HashMap<Arc<str>, Option<Arc<Group>>>,
    pub(super) looked_up: HashSet<AccountKey>,
    pub(super) upkeep: HashMap<Kind, Vec<Cmd>>,
    pub(super) usage: HashMap<Arc<str>, Vec<DayUsage>>,
    /// `(account, model)` pairs to read again next time.
    pub(super) usage_members: Vec<(Arc<str>, String)>,
}

impl Snapshot {
    /// A snapshot of exactly these accounts, all indexed in the order given.
    #[cfg(any(test, feature = "testing"))]
    pub fn of(accounts: impl IntoIterator<Item = Entry>) -> Self {
        let mut lists: HashMap<Kind, Vec<Arc<str>>> =
            Kind::ALL.into_iter().map(|kind| (kind, Vec::new())).collect();
        let mut entries = HashMap::new();
        for entry in accounts {
            lists.entry(entry.kind).or_default().push(entry.id.clone());
            entries.insert((entry.kind, entry.id.clone()), Arc::new(entry));
        }
        Self {
            started: Instant::now(),
            read_at_ms: 0,
            settings: None,
            service_rates: None,
            user_agent: None,
            looked_up: entries.keys().cloned().collect(),
            lists,
            entries: RwLock::new(entries),
            groups: HashMap::new(),
            upkeep: HashMap::new(),
            usage: HashMap::new(),
            usage_members: Vec::new(),
        }
    }

    /// One account, if it has a record.
    pub fn get(&self, kind: Kind, id: &str) -> Option<Arc<Entry>> {
        self.entries.read().get(&(kind, Arc::from(id))).cloned()
    }

    /// All indexed accounts of a kind that have a record, in index order.
    pub fn list(&self, kind: Kind) -> Vec<Arc<Entry>> {
        let entries = self.entries.read();
        self.lists
            .get(&kind)
            .into_iter()
            .flatten()
            .filter_map(|id| entries.get(&(kind, id.clone())).cloned())
            .collect()
    }

    /// A group, if it exists.
    pub fn group(&self, id: &str) -> Option<Arc<Group>> {
        self.groups.get(id).cloned().flatten()
    }

    /// Index repairs that a listing of this kind makes: a rebuilt index, or the mark of an empty one.
    pub fn upkeep(&self, kind: Kind) -> &[Cmd] {
        self.upkeep.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// The account's usage on the local day of the read; only known for accounts with a daily quota.
    pub fn usage(&self, id: &str) -> &[DayUsage] {
        self.usage.get(id).map_or(&[], Vec::as_slice)
    }

    /// Whether all needs were looked up, found or not.
    pub fn covers(&self, needs: &[Need]) -> bool {
        needs.iter().all(|need| match need {
            Need::List(kind) => self.lists.contains_key(kind),
            Need::Account(kind, id) => self.looked_up.contains(&(*kind, id.clone())),
            Need::Group(id) => self.groups.contains_key(id),
        })
    }

    /// Number of accounts.
    pub fn len(&self) -> usize {
        self.entries.read().len()
    }

    /// Whether there is no account.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn change(&self, kind: Kind, id: &Arc<str>, own: &Own) {
        let mut entries = self.entries.write();
        if let Some(entry) = entries.get_mut(&(kind, id.clone())) {
            let mut changed = (**entry).clone();
            match own {
                Own::Fields(patch) => patch.apply(&mut changed.fields),
                Own::Cooldown(ttl_s) => changed.cooldown_ttl = *ttl_s,
            }
            *entry = Arc::new(changed);
        }
    }
}
