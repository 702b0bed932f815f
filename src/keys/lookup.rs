//! Finding and validating a key (contract/auth-limits-usage.md §1.5, table M).
//!
//! A validated record is shared for 50 ms, so that many requests of one key cost one read; what is not
//! valid is asked again every time. When Redis is down, a key validated within the last minute goes on
//! working.

use std::{collections::HashMap, sync::Arc};

use compat::{
    api_key_lookup::{self, Found},
    clock::iso,
    crypto,
    date::date_ms,
    number::parse_int,
    record::ApiKey,
    store::StoreError,
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;
use serde_json::Value;

use super::{ApiKeySnapshot, KeyFault, Keys, Refusal, Rejection};

/// How long a record serves without being read again.
const FRESH_MS: i64 = 50;
/// How long it serves while Redis cannot be asked.
const OUTAGE_MS: i64 = 60_000;
/// Keys remembered; when full, those that serve nobody any more go, then anyone.
const REMEMBERED_MAX: usize = 10_000;
/// Reads under way beyond this make room: those left behind by requests that went away are dropped.
const READING_MAX: usize = 1024;
const LENGTH: std::ops::RangeInclusive<usize> = 10..=512;

type Answer = Result<Option<Arc<Read>>, StoreError>;
type Reading = Shared<BoxFuture<'static, Answer>>;

/// What was read for one hash.
struct Read {
    found: Found,
    at_ms: i64,
}

/// A key that was valid when it was read.
#[derive(Clone)]
struct Remembered {
    snapshot: Arc<ApiKeySnapshot>,
    owner: Option<String>,
}

#[derive(Default)]
pub(super) struct Cache {
    keys: Mutex<HashMap<String, Remembered>>,
    /// Reads under way, with their start.
    reading: Mutex<HashMap<String, (i64, Reading)>>,
}

impl Keys {
    /// Finds the key that a request presents and checks everything that concerns the key alone. First
    /// use activates a key that waits for it, even when the request is refused later.
    ///
    /// # Errors
    /// The refusal to send.
    pub async fn lookup(&self, presented: Option<&str>) -> Result<Arc<ApiKeySnapshot>, Rejection> {
        let Some(presented) = presented else { return Err(Refusal::MissingKey.into()) };
        if !LENGTH.contains(&presented.encode_utf16().count()) {
            return Err(Refusal::KeyLength.into());
        }
        if !presented.starts_with(&self.settings.prefix) {
            return Err(Refusal::InvalidKey(KeyFault::Format).into());
        }
        let hash = crypto::key_hash(presented, self.settings.encryption_key.expose());
        if let Some(known) = self.remembered(&hash, FRESH_MS) {
            return self.still_valid(known);
        }
        let read = match self.read(&hash).await {
            Ok(read) => read,
            Err(StoreError::Shape(message)) => {
                tracing::error!(message, "an API key record cannot be read");
                return Err(Refusal::InvalidKey(KeyFault::Internal).into());
            }
            Err(error) => return self.without_redis(&hash, &error),
        };
        let valid = self.validate(&hash, read).await;
        match &valid {
            Ok(known) => self.remember(hash, known.clone()),
            Err(_) => {
                self.cache.keys.lock().remove(&hash);
            }
        }
        valid.map(|known| known.snapshot)
    }

    /// Drops what is remembered of a key, after a change by this process.
    pub fn forget(&self, key_id: &str) {
        self.cache.keys.lock().retain(|_, known| known.snapshot.record.id != key_id);
    }

    async fn validate(&self, hash: &str, read: Option<Arc<Read>>) -> Result<Remembered, Rejection> {
        let not_found = || Rejection::from(Refusal::InvalidKey(KeyFault::NotFound));
        let mut read = read.ok_or_else(not_found)?;
        // Twice at most: the second time another request has activated the key meanwhile.
        for _ in 0..2 {
            if let Some(cmd) = read.found.mend(hash) {
                self.keeper.note(cmd.into());
            }
            if read.found.fields.is_empty() {
                return Err(not_found());
            }
            let mut record = ApiKey::from_fields(&read.found.id, read.found.fields.clone());
            if !record.is_active {
                return Err(Refusal::InvalidKey(KeyFault::Disabled).into());
            }
            if record.awaits_activation() && is_unreadable(read.found.fields.get("activationDays"))
            {
                return Err(Refusal::InvalidKey(KeyFault::Internal).into());
            }
            if record.awaits_activation() {
                if !self.activate(&mut record).await? {
                    read = self.fetch(hash).await.map_err(unavailable)?.ok_or_else(not_found)?;
                    continue;
                }
                // Its time is up before anybody looks, however soon that is.
                if record.activation_period_ms() <= 0 {
                    return Err(Refusal::InvalidKey(KeyFault::Expired).into());
                }
            }
            let known = Remembered {
                snapshot: ApiKeySnapshot::new(record, read.at_ms),
                owner: read.found.owner.clone(),
            };
            self.still_valid(known.clone())?;
            return Ok(known);
        }
        Err(Refusal::InvalidKey(KeyFault::Internal).into())
    }

    /// Notes the first use; `false` when another request was first or the record is gone.
    async fn activate(&self, record: &mut ApiKey) -> Result<bool, Rejection> {
        let now = self.clock.now_ms();
        let (now_iso, expires) = (iso(now), iso(now.saturating_add(record.activation_period_ms())));
        let cmd = api_key_lookup::activate(&record.id, &now_iso, &expires);
        let reply = self.store.run(cmd.into()).await.map_err(unavailable)?.pop();
        let done = match reply.map(compat::store::Reply::int) {
            Some(Ok(done)) => done == 1,
            _ => return Err(Refusal::InvalidKey(KeyFault::Internal).into()),
        };
        if done {
            tracing::info!(key = record.id, expires, "API key activated");
            record.is_activated = true;
            record.activated_at = Some(now_iso.clone());
            record.last_used_at = Some(now_iso);
            record.expires_at = Some(expires);
        }
        Ok(done)
    }

    /// The checks that depend on the clock and the owner.
    fn still_valid(&self, known: Remembered) -> Result<Arc<ApiKeySnapshot>, Rejection> {
        let record = &known.snapshot.record;
        let expires = record.expires_at.as_deref().and_then(date_ms);
        if expires.is_some_and(|at| self.clock.now_ms() > at) {
            return Err(Refusal::InvalidKey(KeyFault::Expired).into());
        }
        if record.user_id.is_some() {
            check_owner(known.owner.as_deref()).map_err(Refusal::InvalidKey)?;
        }
        Ok(known.snapshot)
    }

    /// Redis cannot be asked: go on with what was valid lately.
    fn without_redis(
        &self,
        hash: &str,
        error: &StoreError,
    ) -> Result<Arc<ApiKeySnapshot>, Rejection> {
        match self.remembered(hash, OUTAGE_MS) {
            Some(known) => {
                tracing::warn!(%error, key = known.snapshot.record.id, "using an API key as last read");
                self.still_valid(known)
            }
            None => Err(Refusal::Unavailable.into()),
        }
    }

    /// Reads the record; requests that ask at the same time share one read.
    async fn read(&self, hash: &str) -> Answer {
        let now = self.clock.now_ms();
        let (started, reading) = {
            let mut readings = self.cache.reading.lock();
            match readings.get(hash) {
                // An old one belongs to requests that went away; its reply may be stale.
                Some((started, reading)) if (0..=FRESH_MS).contains(&(now - started)) => {
                    (*started, reading.clone())
                }
                _ => {
                    if readings.len() >= READING_MAX {
                        readings.retain(|_, (started, _)| now - *started <= FRESH_MS);
                    }
                    let reading = self.start_reading(hash).shared();
                    readings.insert(hash.to_owned(), (now, reading.clone()));
                    (now, reading)
                }
            }
        };
        let answer = reading.await;
        let mut readings = self.cache.reading.lock();
        if readings.get(hash).is_some_and(|(other, _)| *other == started) {
            readings.remove(hash);
        }
        answer
    }

    async fn fetch(&self, hash: &str) -> Answer {
        self.start_reading(hash).await
    }

    fn start_reading(&self, hash: &str) -> BoxFuture<'static, Answer> {
        let (store, hash, at_ms) = (Arc::clone(&self.store), hash.to_owned(), self.clock.now_ms());
        async move {
            let reply = store.run(api_key_lookup::by_hash(&hash)).await?.pop();
            let reply = reply.ok_or_else(|| StoreError::Shape("no reply".into()))?;
            Ok(api_key_lookup::found(reply)?.map(|found| Arc::new(Read { found, at_ms })))
        }
        .boxed()
    }

    fn remembered(&self, hash: &str, within_ms: i64) -> Option<Remembered> {
        let now = self.clock.now_ms();
        let keys = self.cache.keys.lock();
        keys.get(hash)
            .filter(|known| (0..within_ms).contains(&(now - known.snapshot.read_at_ms)))
            .cloned()
    }

    fn remember(&self, hash: String, known: Remembered) {
        let now = self.clock.now_ms();
        let mut keys = self.cache.keys.lock();
        if keys.len() >= REMEMBERED_MAX && !keys.contains_key(&hash) {
            keys.retain(|_, known| now - known.snapshot.read_at_ms < OUTAGE_MS);
            if keys.len() >= REMEMBERED_MAX
                && let Some(other) = keys.keys().next().cloned()
            {
                keys.remove(&other);
            }
        }
        keys.insert(hash, known);
    }
}

/// A period that is no number names no end of life, and the legacy service fails on it.
fn is_unreadable(days: Option<&String>) -> bool {
    days.is_some_and(|text| !text.is_empty() && parse_int(text).is_none())
}

fn check_owner(owner: Option<&str>) -> Result<(), KeyFault> {
    let Some(text) = owner.filter(|text| !text.is_empty()) else {
        return Err(KeyFault::UserDisabled);
    };
    let user: Value = serde_json::from_str(text).map_err(|_| KeyFault::UserUnreadable)?;
    let active = match user.get("isActive") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(active)) => *active,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => !text.is_empty(),
        Some(_) => true,
    };
    if active { Ok(()) } else { Err(KeyFault::UserDisabled) }
}

fn unavailable(error: StoreError) -> Rejection {
    match error {
        StoreError::Shape(message) => {
            tracing::error!(message, "an API key record cannot be read");
            Refusal::InvalidKey(KeyFault::Internal).into()
        }
        StoreError::Unreachable(_) | StoreError::Timeout => Refusal::Unavailable.into(),
    }
}
