//! From the key that a request presents to its id and tags, with no other effect: one read, kept for at
//! most a second. What the key may do is not asked here.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use compat::{api_key_lookup, clock::Clock, crypto, record::ApiKey, store::Store};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::domain::Secret;

/// How long an answer is used.
const FRESH_MS: i64 = 1000;
/// How long it is used while Redis cannot be asked: a key's id and place do not change.
const OUTAGE_MS: i64 = 60_000;
/// Answers kept. When full, those older than a minute go; when none is, all go and are read again.
const KEPT_MAX: usize = 10_000;
/// Keys that wait to be looked up, and looks at once.
const WANTED_MAX: usize = 1024;
const LOOKS_AT_ONCE: usize = 16;
/// Lengths that Node takes for a key, in UTF-16 units.
const LENGTH: std::ops::RangeInclusive<usize> = 10..=512;

/// What the share of crs depends on.
#[derive(Clone, Debug)]
pub struct KeyFacts {
    /// Id of the key.
    pub id: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// The record, for [`super::Fitness`].
    pub record: Arc<ApiKey>,
}

impl KeyFacts {
    /// Facts of a record.
    pub fn new(record: ApiKey) -> Self {
        Self { id: record.id.clone(), tags: record.tags.clone(), record: Arc::new(record) }
    }
}

#[derive(Clone)]
struct Known {
    facts: Option<Arc<KeyFacts>>,
    at_ms: i64,
}

/// Finds keys by what clients present.
pub struct KeyDirectory {
    store: Arc<dyn Store>,
    clock: Clock,
    prefix: String,
    encryption_key: Secret,
    known: Mutex<HashMap<String, Known>>,
    /// Hashes to be looked up in the background; further ones are dropped and asked for by the next
    /// request of their key.
    wanted: Mutex<HashSet<String>>,
    called: Notify,
}

impl KeyDirectory {
    /// A directory over Redis. `prefix` is `API_KEY_PREFIX`; the encryption key is part of each hash.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Clock,
        prefix: String,
        encryption_key: Secret,
    ) -> Self {
        Self {
            store,
            clock,
            prefix,
            encryption_key,
            known: Mutex::default(),
            wanted: Mutex::default(),
            called: Notify::new(),
        }
    }

    /// What is known of a key without asking Redis: `None` when nothing fresh is, else the key, if Redis
    /// knows it.
    pub fn remembered(&self, presented: &str) -> Option<Option<Arc<KeyFacts>>> {
        let Some(hash) = self.hash(presented) else { return Some(None) };
        let known = self.known.lock().get(&hash).cloned()?;
        self.is_fresh(&known).then_some(known.facts)
    }

    /// What was last known of a key, of any age, without waiting: the outer `None` when nothing was. What
    /// is not fresh is looked up in the background ([`KeyDirectory::learn`]).
    pub fn last_known(&self, presented: &str) -> Option<Option<Arc<KeyFacts>>> {
        let Some(hash) = self.hash(presented) else { return Some(None) };
        let known = self.known.lock().get(&hash).cloned();
        if known.as_ref().is_none_or(|known| !self.is_fresh(known)) {
            let mut wanted = self.wanted.lock();
            if wanted.len() < WANTED_MAX {
                wanted.insert(hash);
                self.called.notify_one();
            }
        }
        known.map(|known| known.facts)
    }

    /// Looks up in the background what was asked for; never ends.
    pub async fn learn(&self) {
        loop {
            self.called.notified().await;
            let wanted = std::mem::take(&mut *self.wanted.lock());
            let looks = wanted.into_iter().map(|hash| async move {
                let now = self.clock.now_ms();
                match self.read(&hash).await {
                    Ok(facts) => self.keep(hash, Known { facts, at_ms: now }),
                    Err(error) => tracing::debug!(%error, "an API key was not looked up"),
                }
            });
            stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE).collect::<()>().await;
        }
    }

    /// The key behind `presented` (what `keys::present` found), if Redis knows it.
    pub async fn find(&self, presented: &str) -> Option<Arc<KeyFacts>> {
        let hash = self.hash(presented)?;
        let now = self.clock.now_ms();
        let before = self.known.lock().get(&hash).cloned();
        if let Some(known) = before.as_ref().filter(|known| self.is_fresh(known)) {
            return known.facts.clone();
        }
        match self.read(&hash).await {
            Ok(facts) => {
                self.keep(hash, Known { facts: facts.clone(), at_ms: now });
                facts
            }
            Err(error) => {
                tracing::debug!(%error, "an API key was not looked up");
                before.filter(|known| now - known.at_ms < OUTAGE_MS)?.facts
            }
        }
    }

    /// Hash of what may be a key.
    fn hash(&self, presented: &str) -> Option<String> {
        let may_be = presented.starts_with(&self.prefix)
            && LENGTH.contains(&presented.encode_utf16().count());
        may_be.then(|| crypto::key_hash(presented, self.encryption_key.expose()))
    }

    fn is_fresh(&self, known: &Known) -> bool {
        (0..FRESH_MS).contains(&(self.clock.now_ms() - known.at_ms))
    }

    async fn read(&self, hash: &str) -> Result<Option<Arc<KeyFacts>>, compat::store::StoreError> {
        let reply = self.store.run(api_key_lookup::by_hash(hash)).await?.pop();
        let Some(reply) = reply else { return Ok(None) };
        let found = api_key_lookup::found(reply)?.filter(|found| !found.fields.is_empty());
        Ok(found.map(|found| {
            let mut facts = KeyFacts::new(ApiKey::from_fields(&found.id, found.fields));
            facts.id = found.id;
            Arc::new(facts)
        }))
    }

    fn keep(&self, hash: String, answer: Known) {
        let now = answer.at_ms;
        let mut known = self.known.lock();
        if known.len() >= KEPT_MAX && !known.contains_key(&hash) {
            known.retain(|_, answer| now - answer.at_ms < OUTAGE_MS);
            if known.len() >= KEPT_MAX {
                known.clear();
            }
        }
        known.insert(hash, answer);
    }
}
