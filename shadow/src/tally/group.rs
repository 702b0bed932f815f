//! Differences counted by place, kind and route.

use serde::{Deserialize, Serialize};

use crate::difference::{DifferenceKind, Plane, Weight};

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupKey {
    /// Plane.
    pub plane: Plane,
    /// Normalised path.
    pub group: String,
    /// Kind.
    pub kind: DifferenceKind,
    /// Route.
    pub route: String,
}

/// How often, when, and where to look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The heaviest weight seen.
    pub weight: Weight,
    /// Requests it was seen in.
    pub requests: u64,
    /// Differences.
    pub occurrences: u64,
    /// First seen, milliseconds since 1970.
    pub first_ms: i64,
    /// Last seen.
    pub last_ms: i64,
    /// Id of the latest request it was seen in.
    pub example: String,
    /// The raw path there.
    pub example_path: String,
}

impl Group {
    pub(super) fn merge(&mut self, other: Self) {
        self.weight = self.weight.max(other.weight);
        self.requests += other.requests;
        self.occurrences += other.occurrences;
        self.first_ms = self.first_ms.min(other.first_ms);
        if other.last_ms >= self.last_ms {
            self.last_ms = other.last_ms;
            self.example = other.example;
            self.example_path = other.example_path;
        }
    }
}
