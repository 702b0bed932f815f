//! Making, changing and deleting API keys, with exactly the records, lookups and indexes that the legacy
//! admin API leaves (contract/admin-api.md §4, redis.md §a). The command line and the admin API both
//! stand on this.
//!
//! Every operation takes a request body in the admin API's form and gives its answer; `form` holds what
//! may be sent, `view` what is shown, the rest is order of commands. Single fields are written, never a
//! whole record, and a change that a stale write of another process undoes is made again.

mod bind;
mod change;
mod find;
mod form;
mod make;
mod remove;
mod restore;
mod tags;
mod view;

use std::{sync::Arc, time::Duration};

use compat::{
    api_key_index::{self, IndexChange, Indexed},
    clock::Clock,
    crypto,
    hold::Held,
    keys,
    pool::{Fields, Patch},
    store::{Batch, Cmd, Reply, Store, StoreError, scan_keys},
};
use serde_json::Value;

use crate::domain::{Failure, Secret};

pub use change::Changed;
pub use find::{Filter, Order};

/// Seconds that a record lives after a whole save: a year.
const LIFE_SECONDS: i64 = 86_400 * 365;

/// What the operator configured about keys.
#[derive(Clone, Debug)]
pub struct KeyAdminSettings {
    /// `API_KEY_PREFIX`, default `cr_`.
    pub prefix: String,
    /// `ENCRYPTION_KEY`; part of every key's lookup hash.
    pub encryption_key: Secret,
    /// Pauses after which a change is looked at again, see [`compat::hold`].
    pub looks: Vec<Duration>,
}

/// Administration of API keys. Cheap to clone.
#[derive(Clone)]
pub struct KeyAdmin {
    store: Arc<dyn Store>,
    clock: Clock,
    settings: Arc<KeyAdminSettings>,
}

/// A key's record.
struct Record {
    id: String,
    fields: Fields,
    /// Tags, when their text can be read.
    tags: Option<Value>,
}

impl Record {
    fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }

    fn is(&self, field: &str) -> bool {
        self.get(field) == "true"
    }

    fn key(&self) -> String {
        keys::api_key(&self.id)
    }

    fn indexed(&self) -> Indexed<'_> {
        Indexed {
            id: &self.id,
            name: self.get("name"),
            active: self.is("isActive"),
            deleted: self.is("isDeleted"),
            tags: self.tags.as_ref(),
        }
    }
}

impl KeyAdmin {
    /// Administration over this database.
    pub fn new(store: Arc<dyn Store>, clock: Clock, settings: KeyAdminSettings) -> Self {
        Self { store, clock, settings: Arc::new(settings) }
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    async fn run(&self, batch: impl Into<Batch>) -> Result<Vec<Reply>, StoreError> {
        self.store.run(batch.into()).await
    }

    async fn one(&self, cmd: Cmd) -> Result<Reply, StoreError> {
        self.run(cmd).await?.pop().ok_or_else(|| StoreError::Shape("no reply".into()))
    }

    /// The record of a key; `None` when there is none.
    async fn record(&self, id: &str) -> Result<Option<Record>, StoreError> {
        let fields = self.one(Cmd::new("HGETALL").arg(keys::api_key(id))).await?.map()?;
        Ok(record_of(id, fields))
    }

    async fn known(&self, id: &str) -> Result<Record, Failure> {
        self.record(id).await?.ok_or_else(|| Failure::fault("API key not found"))
    }

    /// All records, deleted ones too, in order of their ids.
    async fn records(&self) -> Result<Vec<Record>, StoreError> {
        let prefix = keys::api_key("");
        let all = scan_keys(self.store.as_ref(), &format!("{prefix}*")).await?;
        // Index keys share the prefix; a record's name has no further colon.
        let ids: Vec<&str> = all
            .iter()
            .filter(|key| !key.starts_with(keys::API_KEY_MAP))
            .filter_map(|key| key.strip_prefix(&prefix))
            .filter(|id| !id.is_empty() && !id.contains(':'))
            .collect();
        self.records_of(&ids).await
    }

    /// The records of these ids, as far as there are any.
    async fn records_of<I: AsRef<str>>(&self, ids: &[I]) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::with_capacity(ids.len());
        for ids in ids.chunks(500) {
            let reads = ids.iter().map(|id| Cmd::new("HGETALL").arg(keys::api_key(id.as_ref())));
            for (id, reply) in ids.iter().zip(self.run(reads.collect::<Batch>()).await?) {
                // A key of another type is no record.
                let fields = reply.map().ok();
                records.extend(fields.and_then(|fields| record_of(id.as_ref(), fields)));
            }
        }
        Ok(records)
    }

    /// Writes a change of a record, then what goes with it, and sees to it that it stays.
    async fn write(
        &self,
        record: &Record,
        patch: &Patch,
        with: Vec<Cmd>,
        change: IndexChange<'_>,
    ) -> Result<(), Failure> {
        let key = record.key();
        if self.one(patch.cmd(&key)).await?.int()? == 0 {
            return Err(Failure::fault("API key not found"));
        }
        let (index, gone) = api_key_index::changed(record.indexed(), change);
        let mut also = vec![Cmd::new("EXPIRE").arg(&key).arg(LIFE_SECONDS)];
        also.extend(with);
        also.extend(index);
        self.run(also.iter().cloned().collect::<Batch>()).await?;
        self.forget(&gone).await?;
        let held = Held { key: &key, patch, before: &record.fields, also: &also };
        held.watch(self.store.as_ref(), &self.settings.looks).await?;
        Ok(())
    }

    /// Takes tags that no key carries any more out of the list of all tags.
    async fn forget(&self, tags: &[&str]) -> Result<(), StoreError> {
        let asks: Batch = tags.iter().map(|tag| api_key_index::carriers(tag)).collect();
        if asks.is_empty() {
            return Ok(());
        }
        let mut unused = Batch::new();
        for (tag, carriers) in tags.iter().zip(self.run(asks).await?) {
            if carriers.int()? == 0 {
                unused.push(api_key_index::forget_tag(tag));
            }
        }
        if !unused.is_empty() {
            self.run(unused).await?;
        }
        Ok(())
    }

    fn hash(&self, plain: &Secret) -> String {
        crypto::key_hash(plain.expose(), self.settings.encryption_key.expose())
    }

    /// A fresh plain key.
    fn secret(&self) -> Secret {
        let random: [u8; 32] = rand::random();
        Secret::from(format!("{}{}", self.settings.prefix, hex::encode(random)))
    }
}

fn record_of(id: &str, fields: Fields) -> Option<Record> {
    if fields.is_empty() {
        return None;
    }
    let tags = match fields.get("tags").map(String::as_str) {
        None | Some("") => Some(Value::Array(Vec::new())),
        Some(text) => serde_json::from_str(text).ok(),
    };
    Some(Record { id: id.to_owned(), fields, tags })
}
