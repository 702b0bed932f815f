//! What a run reads before it wrote anything: the state at the moment the request arrived.
//!
//! A base only answers questions; it never writes. Layers are asked in order, and what a layer knows in
//! part is laid over what the next one knows whole.

mod facts;
mod map;
mod redis;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::value::Value;
use crate::store::StoreError;

pub use facts::Facts;
pub use map::MapBase;
pub use redis::RedisBase;
pub(super) use redis::parse;

/// What a base knows about one key.
#[derive(Clone, Debug, PartialEq)]
pub enum Loaded {
    /// Nothing: ask the next layer.
    Unknown,
    /// Some of it: the next layer may know the rest.
    Partial(Facts),
    /// There is no such key.
    Absent,
    /// All of it.
    Value {
        /// Type and data.
        value: Value,
        /// Lifetime left at the start of the run; `None` without end.
        ttl_ms: Option<i64>,
    },
}

/// Names of keys, or `None` when a base cannot list them.
pub type Listed = Option<Vec<Bytes>>;

/// The state that a run starts from.
pub trait Base: Send + Sync {
    /// One answer per key, in order.
    fn load(&self, keys: Vec<Bytes>) -> BoxFuture<'_, Result<Vec<Loaded>, StoreError>>;

    /// Names of existing keys that match a pattern.
    fn scan(&self, pattern: Bytes) -> BoxFuture<'_, Result<Listed, StoreError>> {
        drop(pattern);
        Box::pin(async { Ok(None) })
    }
}

/// Nothing exists.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyBase;

impl Base for EmptyBase {
    fn load(&self, keys: Vec<Bytes>) -> BoxFuture<'_, Result<Vec<Loaded>, StoreError>> {
        Box::pin(async move { Ok(vec![Loaded::Absent; keys.len()]) })
    }

    fn scan(&self, _: Bytes) -> BoxFuture<'_, Result<Listed, StoreError>> {
        Box::pin(async { Ok(Some(Vec::new())) })
    }
}

/// The first layer that knows; partial knowledge lies over what later layers say.
pub struct Layered(Vec<Arc<dyn Base>>);

impl Layered {
    /// Layers, the best first.
    pub fn new(layers: Vec<Arc<dyn Base>>) -> Self {
        Self(layers)
    }
}

impl Base for Layered {
    fn load(&self, keys: Vec<Bytes>) -> BoxFuture<'_, Result<Vec<Loaded>, StoreError>> {
        Box::pin(async move {
            let mut found = vec![Loaded::Unknown; keys.len()];
            for layer in &self.0 {
                let open: Vec<usize> = (0..found.len())
                    .filter(|at| matches!(found[*at], Loaded::Unknown | Loaded::Partial(_)))
                    .collect();
                if open.is_empty() {
                    break;
                }
                let asked = open.iter().map(|at| keys[*at].clone()).collect();
                for (at, below) in open.into_iter().zip(layer.load(asked).await?) {
                    let above = std::mem::replace(&mut found[at], Loaded::Unknown);
                    found[at] = match above {
                        Loaded::Partial(facts) => facts.over(below),
                        _ => below,
                    };
                }
            }
            Ok(found)
        })
    }

    fn scan(&self, pattern: Bytes) -> BoxFuture<'_, Result<Listed, StoreError>> {
        Box::pin(async move {
            let mut names: Listed = None;
            for layer in &self.0 {
                if let Some(listed) = layer.scan(pattern.clone()).await? {
                    names.get_or_insert_default().extend(listed);
                }
            }
            Ok(names)
        })
    }
}
