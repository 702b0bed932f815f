//! A Redis in memory for runs without side effects.
//!
//! [`Memory`] is a [`Store`]: reads see a [`Base`] (the state when the request arrived), writes stay in
//! memory and are seen by later reads, and nothing reaches Redis except what a base reads. It also runs
//! [`Foreign`] commands, those that the legacy service sent, so that both services can be played on
//! equal bases and their [`NetChange`]s compared.
//!
//! Keys are loaded when first named, once per run. A script that asks for a key nobody named is undone,
//! the key is loaded, and it starts again.
//!
//! Never silently wrong: a command that is not known here is refused and noted in
//! [`Memory::unsupported`], and a run with such a note proves nothing.
//!
//! Limits: one database; `SELECT` and `AUTH` are answered and ignored. `SCAN` and its kin give
//! everything at once. "Random" members are the first ones. `XRANGE` shows only
//! what the run itself appended. Floats are exact as in
//! [`number`]; scores print as Redis 7.0 does (`%.17g`), while 7.2 and later print the shortest form.

mod base;
mod change;
mod cmd;
mod engine;
mod foreign;
mod glob;
mod keyspace;
mod learn;
mod number;
mod resp;
mod script;
mod snapshot;
#[cfg(test)]
mod tests;
mod value;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use self::{
    engine::{Engine, Needs},
    keyspace::Keyspace,
    resp::Resp,
    value::{Entry, Expiry},
};
use crate::{
    clock::Clock,
    store::{Batch, Cmd, Reply, Store, StoreError},
};

pub use base::{Base, EmptyBase, Facts, Layered, Listed, Loaded, MapBase, RedisBase};
pub use change::{Cut, Delta, Fate, KeyChange, NetChange};
pub use foreign::{Divergence, Foreign};
pub use learn::Learner;
pub use snapshot::Snapshot;
pub use value::{Hash, List, Set, Stream, Value, Zset};

/// How often a script may ask for further keys.
const MAX_ROUNDS: usize = 16;
/// Most keys that one run may load; more make it fail rather than fill the memory.
const MAX_KEYS: usize = 100_000;

/// One run: a base, what was written over it, and a clock.
pub struct Memory {
    engine: Mutex<Engine>,
    base: Arc<dyn Base>,
    /// Lifetimes of the base count from here.
    start: i64,
    divergences: Mutex<Vec<Divergence>>,
    /// Why the base could not be read the first time that happened.
    failed: Mutex<Option<StoreError>>,
}

impl Memory {
    /// A run over that base. A manual clock may be moved while it runs.
    pub fn new(base: Arc<dyn Base>, clock: Clock) -> Self {
        let start = clock.now_ms();
        let engine = Mutex::new(Engine::new(Keyspace::new(clock)));
        Self { engine, base, start, divergences: Mutex::default(), failed: Mutex::default() }
    }

    /// For a run that writes some time after it has read the clock and that never writes back what it has
    /// read: any moment since its start counts as the present one.
    #[must_use]
    pub fn writing_late(self) -> Self {
        self.engine.lock().keys.write_late();
        self
    }

    /// What the run changed so far.
    pub fn changes(&self) -> NetChange {
        NetChange::of(&self.engine.lock().keys)
    }

    /// Commands that are not known here and how often they were refused. Not empty: the run is
    /// incomplete.
    pub fn unsupported(&self) -> BTreeMap<String, u64> {
        self.engine.lock().unsupported.clone()
    }

    /// Why the base could not be read, if it could not. The run is incomplete then, even if whoever
    /// made it went on.
    pub fn failure(&self) -> Option<StoreError> {
        self.failed.lock().clone()
    }

    /// Keys loaded from the base.
    pub fn loaded(&self) -> Vec<String> {
        let engine = self.engine.lock();
        let mut keys: Vec<String> =
            engine.keys.slots().map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect();
        keys.sort();
        keys
    }

    /// Runs commands, loading what they need first.
    async fn execute(
        &self,
        commands: &[Vec<Bytes>],
        atomic: bool,
    ) -> Result<Vec<Resp>, StoreError> {
        let mut needs = self.engine.lock().needs(commands);
        for _ in 0..MAX_ROUNDS {
            if let Err(error) = self.load(needs).await {
                self.failed.lock().get_or_insert_with(|| error.clone());
                return Err(error);
            }
            match self.engine.lock().attempt(commands, atomic) {
                Ok(replies) => return Ok(replies),
                Err(more) => needs = more,
            }
        }
        Err(StoreError::Shape("a script keeps asking for more keys".into()))
    }

    async fn load(&self, needs: Needs) -> Result<(), StoreError> {
        if needs.is_empty() {
            return Ok(());
        }
        for pattern in needs.patterns {
            let Some(names) = self.base.scan(pattern.clone()).await? else {
                return Err(StoreError::Shape("the base cannot list keys".into()));
            };
            self.engine.lock().keys.list(pattern, names);
        }
        if needs.keys.is_empty() {
            return Ok(());
        }
        let keys: Vec<Bytes> = needs.keys.into_iter().collect();
        let found = self.base.load(keys.clone()).await?;
        if found.len() != keys.len() {
            return Err(StoreError::Shape("the base gave another number of values".into()));
        }
        let mut engine = self.engine.lock();
        for (key, loaded) in keys.into_iter().zip(found) {
            engine.keys.load(key, self.entry(loaded));
        }
        if engine.keys.slots().len() > MAX_KEYS {
            return Err(StoreError::Shape("a run asked for too many keys".into()));
        }
        Ok(())
    }

    fn entry(&self, loaded: Loaded) -> Option<Entry> {
        match loaded {
            Loaded::Unknown | Loaded::Absent => None,
            Loaded::Partial(facts) => self.entry(facts.alone()),
            Loaded::Value { value, .. } if value.is_empty() => None,
            Loaded::Value { value, ttl_ms } => {
                let expiry = ttl_ms.map(|ttl| Expiry { at: self.start + ttl, asked: None });
                Some(Entry { value: Arc::new(value), expiry })
            }
        }
    }
}

impl Store for Memory {
    fn run(&self, batch: Batch) -> BoxFuture<'_, Result<Vec<Reply>, StoreError>> {
        Box::pin(async move {
            let atomic = batch.atomic;
            let commands: Vec<Vec<Bytes>> = batch.cmds.into_iter().map(words).collect();
            let replies = self.execute(&commands, atomic).await?;
            Ok(replies.into_iter().map(Reply::from).collect())
        })
    }
}

fn words(cmd: Cmd) -> Vec<Bytes> {
    match cmd {
        Cmd::Words(words) => words,
        Cmd::Script { script, keys, args } => {
            let mut words = Vec::with_capacity(args.len() + 3);
            words.push(Bytes::from_static(b"EVAL"));
            words.push(Bytes::from_static(script.source.as_bytes()));
            words.push(Bytes::from(keys.to_string()));
            words.extend(args);
            words
        }
    }
}
