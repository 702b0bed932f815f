//! When evidence was gathered: the hours in which something was seen.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Hours that are remembered; the oldest are forgotten.
const HOURS: usize = 24 * 60;
const HOUR_MS: i64 = 3_600_000;

/// The hours in which something was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hours {
    /// First, milliseconds since 1970; 0 when nothing was seen.
    pub first_ms: i64,
    /// Last.
    pub last_ms: i64,
    /// Hours since 1970 in which something was seen.
    pub seen: BTreeSet<i64>,
}

impl Hours {
    pub(super) fn note(&mut self, at_ms: i64) {
        self.first_ms = if self.seen.is_empty() { at_ms } else { self.first_ms.min(at_ms) };
        self.last_ms = self.last_ms.max(at_ms);
        self.seen.insert(at_ms.div_euclid(HOUR_MS));
        self.bound();
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.seen.is_empty() {
            return;
        }
        self.first_ms =
            if self.seen.is_empty() { other.first_ms } else { self.first_ms.min(other.first_ms) };
        self.last_ms = self.last_ms.max(other.last_ms);
        self.seen.extend(&other.seen);
        self.bound();
    }

    fn bound(&mut self) {
        while self.seen.len() > HOURS {
            self.seen.pop_first();
        }
    }

    /// Hours in which something was seen; quiet hours do not count.
    pub fn covered(&self) -> u64 {
        self.seen.len() as u64
    }
}
