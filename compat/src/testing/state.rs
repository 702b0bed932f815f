//! Whole databases as values, for comparing what two services did to one.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Changes, dump};
use crate::store::Store;

/// One key.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Stored {
    /// Redis type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Text, object, or array (of members and scores for sorted sets).
    pub value: Value,
    /// Seconds to live, -1 without end.
    pub ttl: i64,
}

impl Stored {
    /// Equal values, the members of a set in any order, and lifetimes less than 20 s apart.
    pub fn matches(&self, other: &Self) -> bool {
        let members = |stored: &Self| {
            let mut texts: Vec<String> =
                stored.value.as_array().into_iter().flatten().map(Value::to_string).collect();
            texts.sort();
            texts
        };
        let values =
            self.value == other.value || self.kind == "set" && members(self) == members(other);
        let lifetimes = (self.ttl == -1) == (other.ttl == -1) && (self.ttl - other.ttl).abs() < 20;
        self.kind == other.kind && values && lifetimes
    }
}

/// All keys of a small database, by [`dump`].
///
/// # Panics
/// When Redis fails.
#[expect(clippy::expect_used, reason = "tests")]
pub async fn state(store: &dyn Store) -> HashMap<String, Stored> {
    serde_json::from_value(dump(store).await).expect("a dump has type, value and lifetime")
}

/// Keys that are not the same any more; `None` for those that are gone.
pub fn changes(before: &HashMap<String, Stored>, after: &HashMap<String, Stored>) -> Changes {
    before
        .keys()
        .chain(after.keys())
        .filter(|key| match (before.get(*key), after.get(*key)) {
            (Some(a), Some(b)) => !a.matches(b),
            _ => true,
        })
        .map(|key| (key.clone(), after.get(key).cloned()))
        .collect()
}
