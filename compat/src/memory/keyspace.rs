//! The keys of one run: what the base held, and what they hold now.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    resp::Fail,
    value::{Entry, Expiry, Kind, Value},
};
use crate::clock::Clock;

/// One key.
#[derive(Clone, Default)]
pub(super) struct Slot {
    /// What the run found.
    pub(super) base: Option<Entry>,
    pub(super) now: Option<Entry>,
    /// A command of this run changed it, or might have.
    pub(super) written: bool,
    /// Fields or members that were set to the present moment. That counts as a change even when another
    /// run did the same in the same millisecond, just before.
    pub(super) touched: BTreeSet<Bytes>,
}

/// How far a moment may be from the clock to be the present one, in ms; replayed commands go by the
/// clock of the first of a group.
const PRESENT: i64 = 250;

/// All keys that the run knows of.
pub(super) struct Keyspace {
    slots: HashMap<Bytes, Slot>,
    /// Names of keys of the base, found by patterns, whose values may not be loaded.
    names: HashSet<Bytes>,
    patterns: HashSet<Bytes>,
    /// Asked for before they were loaded, and taken as absent for the time being.
    missing: Vec<Bytes>,
    clock: Clock,
    /// Time while a script or transaction runs: it stands still there.
    frozen: Option<i64>,
    /// From when on a moment is the present one; without it, [`PRESENT`] before the clock.
    since: Option<i64>,
    /// When the run began: what is older, it has not made.
    start: i64,
}

impl Keyspace {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            start: clock.now_ms(),
            slots: HashMap::new(),
            names: HashSet::new(),
            patterns: HashSet::new(),
            missing: Vec::new(),
            clock,
            frozen: None,
            since: None,
        }
    }

    /// Moments from now on stay present ones.
    pub(super) fn write_late(&mut self) {
        self.since = Some(self.now() - PRESENT);
    }

    pub(super) fn now(&self) -> i64 {
        self.frozen.unwrap_or_else(|| self.clock.now_ms())
    }

    /// Stops time for the commands to come, or lets it go on.
    pub(super) fn freeze(&mut self, stop: bool) {
        self.frozen = stop.then(|| self.clock.now_ms());
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Whether the base was asked for keys of that pattern.
    pub(super) fn listed(&self, pattern: &[u8]) -> bool {
        self.patterns.contains(pattern)
    }

    /// Names of keys of the base that match a pattern.
    pub(super) fn list(&mut self, pattern: Bytes, names: Vec<Bytes>) {
        self.patterns.insert(pattern);
        self.names.extend(names);
    }

    pub(super) fn knows(&self, key: &[u8]) -> bool {
        self.slots.contains_key(key)
    }

    /// What the base holds under a key not known yet.
    pub(super) fn load(&mut self, key: Bytes, entry: Option<Entry>) {
        self.slots.entry(key).or_insert_with(|| Slot {
            base: entry.clone(),
            now: entry,
            ..Slot::default()
        });
    }

    /// State to come back to.
    pub(super) fn snapshot(&self) -> HashMap<Bytes, Slot> {
        self.slots.clone()
    }

    pub(super) fn restore(&mut self, slots: HashMap<Bytes, Slot>) {
        self.slots = slots;
    }

    /// Keys asked for but not loaded, since the last call.
    pub(super) fn take_missing(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.missing)
    }

    pub(super) fn slots(&self) -> impl ExactSizeIterator<Item = (&Bytes, &Slot)> {
        self.slots.iter()
    }

    /// The key's slot, with what has ended taken out.
    pub(super) fn slot(&mut self, key: &Bytes) -> &mut Slot {
        let now = self.now();
        if !self.slots.contains_key(key) {
            self.missing.push(key.clone());
        }
        let slot = self.slots.entry(key.clone()).or_default();
        let ended = |entry: &Option<Entry>| {
            entry.as_ref().and_then(|entry| entry.expiry).is_some_and(|expiry| expiry.at <= now)
        };
        if ended(&slot.now) {
            slot.now = None;
        }
        // A key that ended by itself is no change of this run.
        if !slot.written && ended(&slot.base) {
            slot.base = None;
        }
        slot
    }

    pub(super) fn entry(&mut self, key: &Bytes) -> Option<&Entry> {
        self.slot(key).now.as_ref()
    }

    pub(super) fn exists(&mut self, key: &Bytes) -> bool {
        self.entry(key).is_some()
    }

    /// The value, when it is of that kind.
    pub(super) fn get<T: Kind>(&mut self, key: &Bytes) -> Result<Option<&T>, Fail> {
        match self.slot(key).now.as_ref() {
            None => Ok(None),
            Some(entry) => T::of(&entry.value).map(Some).ok_or_else(Fail::wrong_type),
        }
    }

    /// Changes the value, an empty one when there is none; a value without members is dropped.
    pub(super) fn edit<T: Kind, R>(
        &mut self,
        key: &Bytes,
        change: impl FnOnce(&mut T) -> Result<R, Fail>,
    ) -> Result<R, Fail> {
        let slot = self.slot(key);
        let existed = slot.now.is_some();
        let entry = slot
            .now
            .get_or_insert_with(|| Entry { value: Arc::new(T::default().wrap()), expiry: None });
        // The kind is checked before the value is copied.
        if T::of(&entry.value).is_none() {
            return Err(Fail::wrong_type());
        }
        let value = T::of_mut(Arc::make_mut(&mut entry.value)).ok_or_else(Fail::wrong_type)?;
        let outcome = change(value);
        if entry.value.is_empty() || !existed && outcome.is_err() {
            slot.now = None;
        }
        slot.written = true;
        outcome
    }

    /// Notes that a member is set to a moment (epoch ms), if that is the present one.
    pub(super) fn touch(&mut self, key: &Bytes, member: &Bytes, moment: i64) {
        let now = self.now();
        // Node writes whole records back, with what another request has just noted in them.
        let since = self.since.unwrap_or_else(|| self.start.max(now - PRESENT));
        if (since..=now + PRESENT).contains(&moment) {
            self.slot(key).touched.insert(member.clone());
        }
    }

    /// Changes the value if there is one.
    pub(super) fn edit_existing<T: Kind, R>(
        &mut self,
        key: &Bytes,
        change: impl FnOnce(&mut T) -> Result<R, Fail>,
    ) -> Result<Option<R>, Fail> {
        if self.exists(key) { self.edit(key, change).map(Some) } else { Ok(None) }
    }

    /// Replaces key and expiry.
    pub(super) fn put(&mut self, key: &Bytes, value: Value, expiry: Option<Expiry>) {
        let slot = self.slot(key);
        slot.written = true;
        slot.now = (!value.is_empty()).then(|| Entry { value: Arc::new(value), expiry });
    }

    pub(super) fn remove(&mut self, key: &Bytes) -> Option<Entry> {
        let slot = self.slot(key);
        slot.written = true;
        slot.now.take()
    }

    pub(super) fn insert(&mut self, key: &Bytes, entry: Entry) {
        let slot = self.slot(key);
        slot.written = true;
        slot.now = Some(entry);
    }

    /// Sets or removes the end of a key that exists.
    pub(super) fn set_expiry(&mut self, key: &Bytes, expiry: Option<Expiry>) {
        let slot = self.slot(key);
        slot.written = true;
        if let Some(entry) = &mut slot.now {
            entry.expiry = expiry;
        }
    }

    /// An end at `at` (epoch ms).
    pub(super) fn expiry_at(&self, at: i64) -> Expiry {
        Expiry { at, asked: Some(at.saturating_sub(self.now())) }
    }

    /// Known keys that exist; of those only listed, the name is all that is known.
    pub(super) fn live(&mut self) -> Vec<Bytes> {
        let keys: Vec<Bytes> = self.slots.keys().cloned().collect();
        let loaded = keys.into_iter().filter(|key| self.exists(key)).collect::<Vec<Bytes>>();
        let listed = self.names.iter().filter(|name| !self.slots.contains_key(*name)).cloned();
        listed.chain(loaded).collect()
    }
}
