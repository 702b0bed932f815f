//! What was counted, in Redis: one hash, a field per instance, so that all of them add up.

use std::collections::BTreeMap;

use compat::store::{Batch, Cmd, Reply, Store, StoreError};
use shadow::Tally;

use super::desk::Shadow;

/// Key of the hash.
const TALLY: &str = "crs:rs:shadow:tally";
/// Seconds that counts outlive the last instance that wrote them.
const LIFE: i64 = 14 * 86_400;

/// Takes up what this instance had counted before it was restarted.
///
/// # Errors
/// When Redis does not answer.
pub async fn resume(shadow: &Shadow, store: &dyn Store, instance: &str) -> Result<(), StoreError> {
    if let Some(before) = all(store).await?.remove(instance) {
        shadow.resume(&before);
    }
    Ok(())
}

/// Writes what this instance has counted, if that is new.
///
/// # Errors
/// When Redis does not answer.
pub async fn publish(shadow: &Shadow, store: &dyn Store, instance: &str) -> Result<(), StoreError> {
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
    let replies = store.run(Cmd::new("HGETALL").arg(TALLY).into()).await?;
    let pairs = replies.into_iter().next().unwrap_or(Reply::Nil).texts()?;
    let tallies = pairs
        .chunks_exact(2)
        .filter_map(|pair| Some((pair[0].clone(), serde_json::from_str(&pair[1]).ok()?)));
    Ok(tallies.collect())
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

/// Forgets the counts of all instances. Running ones go on from what they have.
///
/// # Errors
/// When Redis does not answer.
pub async fn forget(store: &dyn Store) -> Result<(), StoreError> {
    store.run(Cmd::new("DEL").arg(TALLY).into()).await.map(|_| ())
}
