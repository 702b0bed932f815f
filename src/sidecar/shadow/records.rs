//! What was counted, in Redis: one hash, a field per instance, so that all of them add up.

use std::{collections::BTreeMap, sync::Arc};

use compat::store::{Batch, Cmd, Reply, Store, StoreError};
use shadow::Tally;

use super::desk::Shadow;

/// Key of the hash.
const TALLY: &str = "crs:rs:shadow:tally";
/// Its field that says when everything was forgotten; no instance can be called so.
const FORGOTTEN: &str = "#forgotten";
/// Seconds that counts outlive the last instance that wrote them.
const LIFE: i64 = 14 * 86_400;

/// One instance's part of the hash.
pub struct Records {
    store: Arc<dyn Store>,
    instance: String,
    /// When everything was forgotten, as this instance knows it.
    forgotten: Option<String>,
}

impl Records {
    /// Of the instance called so.
    pub fn new(store: Arc<dyn Store>, instance: String) -> Self {
        Self { store, instance, forgotten: None }
    }

    /// Takes up what this instance had counted before it was restarted.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn resume(&mut self, shadow: &Shadow) -> Result<(), StoreError> {
        let mut fields = fields(&*self.store).await?;
        self.forgotten = fields.remove(FORGOTTEN);
        if let Some(before) = fields.get(&self.instance).and_then(|text| read(text)) {
            shadow.resume(&before);
        }
        Ok(())
    }

    /// Writes what this instance has counted, if that is new; forgets it first when somebody said so.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn publish(&mut self, shadow: &Shadow) -> Result<(), StoreError> {
        let asked = Cmd::new("HGET").args([TALLY, FORGOTTEN]).into();
        let forgotten = self.store.run(asked).await?.into_iter().next().unwrap_or(Reply::Nil);
        let forgotten = forgotten.text()?;
        if forgotten.is_some() && forgotten != self.forgotten {
            self.forgotten = forgotten;
            shadow.reset();
        }
        write(shadow, &*self.store, &self.instance).await
    }
}

async fn write(shadow: &Shadow, store: &dyn Store, instance: &str) -> Result<(), StoreError> {
    let Some(tally) = shadow.news() else { return Ok(()) };
    let text =
        serde_json::to_string(&tally).map_err(|error| StoreError::Shape(error.to_string()))?;
    let mut batch = Batch::new().repeatable();
    batch.push(Cmd::new("HSET").arg(TALLY).arg(instance).arg(text));
    batch.push(Cmd::new("EXPIRE").arg(TALLY).arg(LIFE));
    let written = store.run(batch).await;
    if written.is_err() {
        shadow.not_published();
    }
    written.map(|_| ())
}

/// Counts by instance. What cannot be read is left out.
///
/// # Errors
/// When Redis does not answer.
pub async fn all(store: &dyn Store) -> Result<BTreeMap<String, Tally>, StoreError> {
    let fields = fields(store).await?;
    Ok(fields.into_iter().filter_map(|(name, text)| Some((name, read(&text)?))).collect())
}

async fn fields(store: &dyn Store) -> Result<BTreeMap<String, String>, StoreError> {
    let replies = store.run(Cmd::new("HGETALL").arg(TALLY).into()).await?;
    let pairs = replies.into_iter().next().unwrap_or(Reply::Nil).texts()?;
    Ok(pairs.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
}

fn read(text: &str) -> Option<Tally> {
    serde_json::from_str(text).ok()
}

/// Counts of all instances together.
///
/// # Errors
/// When Redis does not answer.
pub async fn together(store: &dyn Store) -> Result<Tally, StoreError> {
    let mut sum = Tally::default();
    for tally in all(store).await?.values() {
        sum.merge(tally);
    }
    Ok(sum)
}

/// Forgets the counts of all instances; running ones follow when they next write theirs.
///
/// # Errors
/// When Redis does not answer.
pub async fn forget(store: &dyn Store) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    batch.push(Cmd::new("DEL").arg(TALLY));
    let when = uuid::Uuid::new_v4().to_string();
    batch.push(Cmd::new("HSET").args([TALLY, FORGOTTEN, &when]));
    batch.push(Cmd::new("EXPIRE").arg(TALLY).arg(LIFE));
    store.run(batch).await.map(|_| ())
}
