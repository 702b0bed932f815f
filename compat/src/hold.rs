//! Seeing to it that a written change stays.
//!
//! The legacy service reads a record, and moments later writes all of it back (contract/redis.md §k.1).
//! A change made in between is undone. What must not be undone (a switch, a limit, a deletion) is looked
//! at again a few times after it was written, and written again if the old value is back.

use std::time::Duration;

use crate::{
    pool::{Fields, Patch},
    store::{Batch, Cmd, Reply, Store, StoreError},
};

/// A change that was written.
#[derive(Clone, Debug)]
pub struct Held<'a> {
    /// Key of the record, a hash.
    pub key: &'a str,
    /// What was written.
    pub patch: &'a Patch,
    /// The record as it was before.
    pub before: &'a Fields,
    /// Commands that go with the change (indexes), made again with it.
    pub also: &'a [Cmd],
}

impl Held<'_> {
    /// Looks after each pause and writes again what was undone; tells how often.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be asked.
    pub async fn watch(&self, store: &dyn Store, pauses: &[Duration]) -> Result<usize, StoreError> {
        let mut undone = 0;
        for pause in pauses {
            tokio::time::sleep(*pause).await;
            if self.is_undone(store).await? {
                let mut batch = Batch::from(self.patch.cmd(self.key));
                batch.cmds.extend(self.also.iter().cloned());
                store.run(batch).await?;
                undone += 1;
            }
        }
        Ok(undone)
    }

    async fn is_undone(&self, store: &dyn Store) -> Result<bool, StoreError> {
        let fields: Vec<&str> =
            self.patch.sets().map(|(field, _)| field).chain(self.patch.dels()).collect();
        if fields.is_empty() {
            return Ok(false);
        }
        let ask = Cmd::new("HMGET").arg(self.key).args(fields.iter().copied());
        let Some(Reply::Array(now)) = store.run(ask.into()).await?.pop() else {
            return Err(StoreError::Shape("HMGET gave no list".into()));
        };
        for (field, now) in fields.into_iter().zip(now) {
            let now = now.text()?;
            let wanted = self.patch.sets().find(|(name, _)| *name == field).map(|(_, value)| value);
            let old = self.before.get(field).map(String::as_str);
            if now.as_deref() != wanted && now.is_some() && now.as_deref() == old {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        clock::Clock,
        memory::{EmptyBase, Memory},
    };

    #[tokio::test]
    async fn an_undone_switch_is_thrown_again() {
        let store = Memory::new(Arc::new(EmptyBase), Clock::manual(0));
        let set = |value: &str| Cmd::new("HSET").arg("apikey:k").arg("isActive").arg(value);
        let before = Fields::from_iter([("isActive".to_owned(), "true".to_owned())]);
        let patch = Patch::new().set("isActive", "false");
        store.run(set("true").into()).await.unwrap();
        store.run(patch.cmd("apikey:k").into()).await.unwrap();
        // The stale write of another process.
        store.run(set("true").into()).await.unwrap();
        let held = Held { key: "apikey:k", patch: &patch, before: &before, also: &[] };
        let pauses = [Duration::from_millis(1), Duration::from_millis(2)];
        assert_eq!(held.watch(&store, &pauses).await.unwrap(), 1);
        let now = store.run(Cmd::new("HGET").arg("apikey:k").arg("isActive").into()).await.unwrap();
        assert_eq!(now[0].clone().text().unwrap().as_deref(), Some("false"));
    }
}
