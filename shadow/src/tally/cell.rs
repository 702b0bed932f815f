//! Coverage: which kinds of traffic have been compared, and how they came out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::CELLS;
use crate::{
    difference::Plane,
    observation::{Admission, Observation, Source},
    verdict::{PlaneVerdict, Verdict},
};

/// How a request ended for the client of the control.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeClass {
    /// Nobody knows.
    #[default]
    Unknown,
    /// A success.
    Ok,
    /// Turned away before an account was asked for.
    Refused,
    /// The vendor's 4xx.
    Upstream4xx,
    /// The vendor's 5xx, or no answer from it.
    Upstream5xx,
    /// The vendor broke off.
    Cut,
    /// The client left.
    ClientGone,
}

impl OutcomeClass {
    /// Of the control's observation.
    pub fn of(control: &Observation) -> Self {
        if matches!(control.admission, Admission::Rejected { .. }) {
            return Self::Refused;
        }
        let Some(response) = &control.response else { return Self::Unknown };
        match response.status {
            _ if !response.complete && control.upstream_cut() => Self::Cut,
            _ if !response.complete => Self::ClientGone,
            // The legacy service ended the answer with an error event of its own.
            200..400 if control.upstream_cut() => Self::Cut,
            200..400 => Self::Ok,
            400..500 => Self::Upstream4xx,
            _ => Self::Upstream5xx,
        }
    }

    /// Name as written in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "2xx",
            Self::Refused => "refused",
            Self::Upstream4xx => "upstream 4xx",
            Self::Upstream5xx => "upstream 5xx",
            Self::Cut => "cut",
            Self::ClientGone => "client gone",
        }
    }
}

/// One kind of traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct CellKey {
    /// Route.
    pub route: String,
    /// Platform; empty when no account was chosen or nobody knows.
    pub platform: String,
    /// Account type; likewise.
    pub account: String,
    /// Stream or not.
    pub stream: bool,
    /// How it ended.
    pub outcome: OutcomeClass,
}

impl CellKey {
    /// Of the control's observation.
    pub fn of(control: &Observation) -> Self {
        let account = control.account.as_ref();
        Self {
            route: control.request.route.clone(),
            platform: account.map(|account| account.platform.clone()).unwrap_or_default(),
            account: account.map(|account| account.kind.clone()).unwrap_or_default(),
            stream: control.request.stream,
            outcome: OutcomeClass::of(control),
        }
    }

    /// One line for people.
    pub fn shown(&self) -> String {
        let account = if self.account.is_empty() { "-" } else { &self.account };
        let stream = if self.stream { "stream" } else { "plain" };
        format!("{} {account} {stream} {}", self.route, self.outcome.name())
    }
}

/// Compared and matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Times compared.
    pub compared: u64,
    /// Times without a mismatch.
    pub matched: u64,
}

/// What is known of one kind of traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cell {
    /// Requests compared.
    pub compared: u64,
    /// Requests that only passed.
    pub passed: u64,
    /// Requests without any mismatch.
    pub agreeing: u64,
    /// By plane.
    pub planes: BTreeMap<Plane, Share>,
    /// By strength of the evidence.
    pub sources: BTreeMap<Source, u64>,
    /// First seen, milliseconds since 1970.
    pub first_ms: i64,
    /// Last seen.
    pub last_ms: i64,
}

impl Cell {
    fn seen(&mut self, at_ms: i64) {
        let fresh = self.compared + self.passed == 0;
        self.first_ms = if fresh { at_ms } else { self.first_ms.min(at_ms) };
        self.last_ms = self.last_ms.max(at_ms);
    }

    pub(super) fn pass(&mut self, at_ms: i64) {
        self.seen(at_ms);
        self.passed += 1;
    }

    pub(super) fn add(&mut self, at_ms: i64, verdict: &Verdict) {
        let compared = |(plane, outcome): (&Plane, &PlaneVerdict)| {
            *plane != Plane::Timing && !matches!(outcome, PlaneVerdict::NotCompared { .. })
        };
        if !verdict.planes.iter().any(compared) {
            // Nothing of it is evidence.
            return self.pass(at_ms);
        }
        self.seen(at_ms);
        self.compared += 1;
        self.agreeing += u64::from(verdict.agrees());
        *self.sources.entry(verdict.source).or_default() += 1;
        for (plane, outcome) in &verdict.planes {
            if !matches!(outcome, PlaneVerdict::NotCompared { .. }) {
                let share = self.planes.entry(*plane).or_default();
                share.compared += 1;
                share.matched += u64::from(outcome.matches());
            }
        }
    }

    /// Whether the change of the database was ever compared.
    pub fn has_effects(&self) -> bool {
        self.planes.get(&Plane::Effects).is_some_and(|share| share.compared > 0)
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let fresh = self.compared + self.passed == 0;
        self.first_ms = if fresh { other.first_ms } else { self.first_ms.min(other.first_ms) };
        self.last_ms = self.last_ms.max(other.last_ms);
        self.compared += other.compared;
        self.passed += other.passed;
        self.agreeing += other.agreeing;
        for (plane, theirs) in &other.planes {
            let own = self.planes.entry(*plane).or_default();
            own.compared += theirs.compared;
            own.matched += theirs.matched;
        }
        for (source, n) in &other.sources {
            *self.sources.entry(*source).or_default() += n;
        }
    }
}

/// The cell of a key, when there is room for it.
pub(super) fn slot(cells: &mut BTreeMap<CellKey, Cell>, key: CellKey) -> Option<&mut Cell> {
    if cells.len() >= CELLS && !cells.contains_key(&key) {
        return None;
    }
    Some(cells.entry(key).or_default())
}

/// What has been seen of the cells in use.
#[derive(Clone, Debug)]
pub struct Coverage<'a> {
    /// Every cell in use, least compared first.
    pub cells: Vec<(&'a CellKey, &'a Cell)>,
}

impl<'a> Coverage<'a> {
    pub(super) fn of(cells: &'a BTreeMap<CellKey, Cell>) -> Self {
        // Of a request that only passed, the account is not known; a compared cell of the same route,
        // stream and outcome covers it. Where not even its outcome is known, nobody saw more of it than its
        // head, and the route is all there is.
        let covered = |key: &CellKey| {
            cells.iter().any(|(other, cell)| {
                cell.compared > 0
                    && other.route == key.route
                    && (key.outcome == OutcomeClass::Unknown
                        || (other.stream, other.outcome) == (key.stream, key.outcome))
            })
        };
        let mut cells: Vec<_> = cells
            .iter()
            .filter(|(key, cell)| cell.compared > 0 || !key.account.is_empty() || !covered(key))
            .collect();
        cells.sort_by_key(|(key, cell)| (cell.compared, *key));
        Self { cells }
    }

    /// Cells in use that were compared fewer than `least` times.
    pub fn below(&self, least: u64) -> Vec<(&'a CellKey, &'a Cell)> {
        self.cells.iter().take_while(|(_, cell)| cell.compared < least).copied().collect()
    }
}
