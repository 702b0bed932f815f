//! Values known in advance.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{Base, Listed, Loaded};
use crate::{memory::glob::matches, store::StoreError};

/// Keys and what is known about them; any other key is unknown.
#[derive(Clone, Debug, Default)]
pub struct MapBase(HashMap<Bytes, Loaded>);

impl MapBase {
    /// Adds or replaces a key.
    pub fn insert(&mut self, key: impl Into<Bytes>, loaded: Loaded) {
        self.0.insert(key.into(), loaded);
    }

    /// What is known about a key.
    pub fn get(&self, key: &[u8]) -> Option<&Loaded> {
        self.0.get(key)
    }

    /// Number of keys with some knowledge.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Bytes, Loaded)> for MapBase {
    fn from_iter<I: IntoIterator<Item = (Bytes, Loaded)>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

impl Base for MapBase {
    fn load(&self, keys: Vec<Bytes>) -> BoxFuture<'_, Result<Vec<Loaded>, StoreError>> {
        Box::pin(async move {
            let known = |key| self.0.get(&key).cloned().unwrap_or(Loaded::Unknown);
            Ok(keys.into_iter().map(known).collect())
        })
    }

    fn scan(&self, pattern: Bytes) -> BoxFuture<'_, Result<Listed, StoreError>> {
        Box::pin(async move {
            let there = self.0.iter().filter(|(_, loaded)| matches!(loaded, Loaded::Value { .. }));
            Ok(Some(
                there.map(|(key, _)| key).filter(|key| matches(&pattern, key)).cloned().collect(),
            ))
        })
    }
}
