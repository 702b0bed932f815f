//! Evidence: what was compared, how often it agreed, what differs, which cells have been seen.
//!
//! Bounded, so that it can be kept as one JSON record and added up over instances. Holds ids, routes
//! and normalised paths only; never a value that was compared.

mod cell;
mod group;
mod latency;
mod list;
mod window;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use cell::{Cell, CellKey, Coverage, OutcomeClass, Share};
pub use group::{Group, GroupKey};
pub use latency::Latency;
pub use window::Hours;

use crate::{
    difference::{Plane, Weight},
    observation::{Observation, Source},
    verdict::{PlaneVerdict, Verdict},
};

/// Groups that are counted apart. Further ones go to `groups_overflow`.
pub const GROUPS: usize = 2_000;
/// Cells that are counted apart. Further ones go to `cells_overflow`.
pub const CELLS: usize = 1_000;
/// Names in each of the small tables (rules, reasons for drops, routes). Further ones go to `other`.
pub const NAMES: usize = 500;

/// How one plane came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlaneCounts {
    /// Nothing differed.
    pub agree: u64,
    /// Only what rules speak for.
    pub ignored_only: u64,
    /// Something differed.
    pub differ: u64,
    /// Could not be compared.
    pub not_compared: u64,
}

impl PlaneCounts {
    /// How often it was compared.
    pub fn compared(&self) -> u64 {
        self.agree + self.ignored_only + self.differ
    }

    /// Share of mismatches; `None` when nothing was compared.
    pub fn mismatch_rate(&self) -> Option<f64> {
        let compared = self.compared();
        (compared > 0).then(|| self.differ as f64 / compared as f64)
    }
}

/// All the evidence of a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Requests compared.
    pub observations: u64,
    /// Requests without any mismatch.
    pub agreeing: u64,
    /// Requests with a difference in money that no rule explains.
    pub money: u64,
    /// When.
    pub hours: Hours,
    /// By strength of the evidence.
    pub sources: BTreeMap<Source, u64>,
    /// The control's time to the first byte.
    pub ttfb: Latency,
    /// The control's time to the end.
    pub total: Latency,
    /// By plane.
    pub planes: BTreeMap<Plane, PlaneCounts>,
    /// Why planes were not compared, as `plane: why`.
    pub not_compared: BTreeMap<String, u64>,
    /// By group of differences.
    #[serde(with = "list")]
    pub groups: BTreeMap<GroupKey, Group>,
    /// Differences beyond the cap of groups.
    pub groups_overflow: u64,
    /// By cell.
    #[serde(with = "list")]
    pub cells: BTreeMap<CellKey, Cell>,
    /// Requests beyond the cap of cells.
    pub cells_overflow: u64,
    /// Differences that each rule spoke for.
    pub rules: BTreeMap<String, u64>,
    /// Requests that should have been compared and were not, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Requests on routes that `crs` does not serve, by route.
    pub not_owned: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts a request.
    pub fn add(&mut self, control: &Observation, verdict: &Verdict) {
        let at = control.request.arrived_ms;
        self.observations += 1;
        self.agreeing += u64::from(verdict.agrees());
        self.money += u64::from(verdict.money());
        self.hours.note(at);
        self.ttfb.note(control.timing.ttfb_us);
        self.total.note(control.timing.total_us);
        *self.sources.entry(verdict.source).or_default() += 1;
        for (plane, outcome) in &verdict.planes {
            let counts = self.planes.entry(*plane).or_default();
            match outcome {
                PlaneVerdict::Agree => counts.agree += 1,
                PlaneVerdict::IgnoredOnly => counts.ignored_only += 1,
                PlaneVerdict::Differ => counts.differ += 1,
                PlaneVerdict::NotCompared { why } => {
                    counts.not_compared += 1;
                    count(&mut self.not_compared, &format!("{plane}: {why}"), 1);
                }
            }
        }
        self.add_groups(control, verdict);
        let key = CellKey::of(control);
        match cell::slot(&mut self.cells, key) {
            Some(cell) => cell.add(at, verdict),
            None => self.cells_overflow += 1,
        }
    }

    fn add_groups(&mut self, control: &Observation, verdict: &Verdict) {
        for found in &verdict.groups {
            if let Some(rule) = &found.rule {
                count(&mut self.rules, rule, found.count);
                continue;
            }
            if found.plane == Plane::Timing {
                continue;
            }
            let key = GroupKey {
                plane: found.plane,
                group: found.group.clone(),
                kind: found.kind,
                route: control.request.route.clone(),
            };
            let added = Group {
                weight: found.weight,
                requests: 1,
                occurrences: found.count,
                first_ms: control.request.arrived_ms,
                last_ms: control.request.arrived_ms,
                example: verdict.id.clone(),
                example_path: example_path(verdict, &key).unwrap_or_default(),
            };
            self.add_group(key, added);
        }
    }

    fn add_group(&mut self, key: GroupKey, added: Group) {
        if let Some(group) = self.groups.get_mut(&key) {
            group.merge(added);
        } else if self.groups.len() < GROUPS {
            self.groups.insert(key, added);
        } else {
            self.groups_overflow += added.occurrences;
        }
    }

    /// Counts a request that passed without being compared (not sampled, or observed only).
    pub fn passed(&mut self, key: CellKey, at_ms: i64) {
        match cell::slot(&mut self.cells, key) {
            Some(cell) => cell.pass(at_ms),
            None => self.cells_overflow += 1,
        }
    }

    /// Counts a request that should have been compared and was not.
    pub fn drop_one(&mut self, why: &str) {
        count(&mut self.dropped, why, 1);
    }

    /// Counts a request on a route that `crs` does not serve.
    pub fn not_owned(&mut self, route: &str) {
        count(&mut self.not_owned, route, 1);
    }

    /// Adds what another instance saw.
    pub fn merge(&mut self, other: &Self) {
        self.observations += other.observations;
        self.agreeing += other.agreeing;
        self.money += other.money;
        self.hours.merge(&other.hours);
        self.ttfb.merge(&other.ttfb);
        self.total.merge(&other.total);
        for (source, n) in &other.sources {
            *self.sources.entry(*source).or_default() += n;
        }
        for (plane, theirs) in &other.planes {
            let own = self.planes.entry(*plane).or_default();
            own.agree += theirs.agree;
            own.ignored_only += theirs.ignored_only;
            own.differ += theirs.differ;
            own.not_compared += theirs.not_compared;
        }
        for (key, group) in &other.groups {
            self.add_group(key.clone(), group.clone());
        }
        for (key, theirs) in &other.cells {
            match cell::slot(&mut self.cells, key.clone()) {
                Some(cell) => cell.merge(theirs),
                None => self.cells_overflow += theirs.compared + theirs.passed,
            }
        }
        self.groups_overflow += other.groups_overflow;
        self.cells_overflow += other.cells_overflow;
        for (own, theirs) in [
            (&mut self.rules, &other.rules),
            (&mut self.not_compared, &other.not_compared),
            (&mut self.dropped, &other.dropped),
            (&mut self.not_owned, &other.not_owned),
        ] {
            for (name, n) in theirs {
                count(own, name, *n);
            }
        }
    }

    /// How often a plane was compared and how it came out.
    pub fn plane(&self, plane: Plane) -> PlaneCounts {
        self.planes.get(&plane).copied().unwrap_or_default()
    }

    /// Requests that should have been compared and were not, over all that should have been.
    pub fn drop_share(&self) -> f64 {
        let dropped: u64 = self.dropped.values().sum();
        let all = dropped + self.observations;
        if all == 0 { 0.0 } else { dropped as f64 / all as f64 }
    }

    /// Groups that count as mismatches, those of money first, then by requests.
    pub fn mismatches(&self) -> Vec<(&GroupKey, &Group)> {
        let counts = |(_, group): &(&GroupKey, &Group)| group.weight != Weight::Note;
        let mut groups: Vec<_> = self.groups.iter().filter(counts).collect();
        groups.sort_by_key(|(_, group)| {
            std::cmp::Reverse((group.weight == Weight::Money, group.requests))
        });
        groups
    }

    /// What has been seen of the cells in use.
    pub fn coverage(&self) -> Coverage<'_> {
        Coverage::of(&self.cells)
    }
}

fn count(table: &mut BTreeMap<String, u64>, name: &str, n: u64) {
    let known = table.len() < NAMES || table.contains_key(name);
    *table.entry(if known { name } else { "other" }.to_owned()).or_default() += n;
}

fn example_path(verdict: &Verdict, key: &GroupKey) -> Option<String> {
    let of = |finding: &&crate::Finding| {
        finding.plane == key.plane
            && finding.group == key.group
            && finding.difference.kind == key.kind
    };
    let path = &verdict.findings.iter().find(of)?.difference.path;
    Some(path.chars().take(240).collect())
}

#[cfg(test)]
mod tests;
