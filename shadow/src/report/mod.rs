//! Evidence for people: one screen, the same as JSON, and single cases as text differences.

mod case;
mod screen;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use case::{show, show_json};

use crate::{
    difference::{DifferenceKind, Plane, Weight},
    gates::{Gate, GateSettings, all_green, evaluate},
    observation::Source,
    rules::Rules,
    tally::{CellKey, Group, GroupKey, Latency, Tally},
};

/// Widest line of a report.
pub const WIDTH: usize = 100;
/// Groups, cells, rules and routes that a report lists.
const LISTED: usize = 8;

/// What a report says; [`Report::screen`] is the same as text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Requests compared.
    pub observations: u64,
    /// Of them, without any mismatch.
    pub agreeing: u64,
    /// With an unexplained difference in money.
    pub money: u64,
    /// First and last, milliseconds since 1970; 0 when nothing was seen.
    pub first_ms: i64,
    /// See `first_ms`.
    pub last_ms: i64,
    /// Hours in which something was compared.
    pub hours: u64,
    /// By strength of the evidence.
    pub sources: BTreeMap<Source, u64>,
    /// The legacy service's time to the first byte and to the end, each median and 95 %, in ms.
    pub timing: Option<[[f64; 2]; 2]>,
    /// Requests that should have been compared and were not, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Agreement by plane.
    pub planes: Vec<PlaneLine>,
    /// What differs most.
    pub differs: Vec<GroupLine>,
    /// Further groups that differ.
    pub more_groups: u64,
    /// Cells in use that were not compared often enough.
    pub uncovered: Vec<CellLine>,
    /// Further such cells.
    pub more_cells: u64,
    /// Cells in use.
    pub cells: u64,
    /// Differences that rules spoke for, most first.
    pub ignored: Vec<RuleLine>,
    /// Rules that spoke for nothing.
    pub unused_rules: Vec<String>,
    /// Routes that always go to the legacy service, most used first.
    pub not_owned: Vec<(String, u64)>,
    /// The gates.
    pub gates: Vec<Gate>,
    /// All gates are green.
    pub may_advance: bool,
}

/// One plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlaneLine {
    /// Plane.
    pub plane: Plane,
    /// Times compared.
    pub compared: u64,
    /// Times nothing differed.
    pub agree: u64,
    /// Times only what rules speak for differed.
    pub ignored_only: u64,
    /// Times it differed.
    pub differ: u64,
    /// Times it could not be compared.
    pub not_compared: u64,
    /// Most frequent reason for that.
    pub why_not: Option<String>,
}

/// One group of differences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupLine {
    /// Plane.
    pub plane: Plane,
    /// Normalised path.
    pub path: String,
    /// Kind.
    pub kind: DifferenceKind,
    /// Route.
    pub route: String,
    /// Weight.
    pub weight: Weight,
    /// Requests.
    pub requests: u64,
    /// Id of one.
    pub example: String,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellLine {
    /// Which.
    #[serde(flatten)]
    pub cell: CellKey,
    /// Times compared.
    pub compared: u64,
    /// Times it only passed.
    pub passed: u64,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleLine {
    /// Name.
    pub rule: String,
    /// Differences it spoke for.
    pub count: u64,
    /// Why.
    pub reason: String,
}

impl Report {
    /// Sums up the evidence.
    pub fn new(tally: &Tally, rules: &Rules, settings: &GateSettings) -> Self {
        let gates = evaluate(settings, tally);
        let mismatches = tally.mismatches();
        let coverage = tally.coverage();
        let below = coverage.below(settings.min_per_cell);
        Self {
            observations: tally.observations,
            agreeing: tally.agreeing,
            money: tally.money,
            first_ms: tally.hours.first_ms,
            last_ms: tally.hours.last_ms,
            hours: tally.hours.covered(),
            sources: tally.sources.clone(),
            timing: timing(tally),
            dropped: tally.dropped.clone(),
            planes: planes(tally),
            differs: listed(&mismatches)
                .map(|(key, group)| GroupLine {
                    plane: key.plane,
                    path: key.group.clone(),
                    kind: key.kind,
                    route: key.route.clone(),
                    weight: group.weight,
                    requests: group.requests,
                    example: group.example.clone(),
                })
                .collect(),
            more_groups: mismatches.len().saturating_sub(LISTED) as u64,
            uncovered: below
                .iter()
                .take(LISTED)
                .map(|(key, cell)| CellLine {
                    cell: (*key).clone(),
                    compared: cell.compared,
                    passed: cell.passed,
                })
                .collect(),
            more_cells: below.len().saturating_sub(LISTED) as u64,
            cells: coverage.cells.len() as u64,
            ignored: ignored(tally, rules),
            unused_rules: rules.unused(&tally.rules).iter().map(|rule| rule.id.clone()).collect(),
            not_owned: most(&tally.not_owned),
            may_advance: all_green(&gates),
            gates,
        }
    }

    /// The report as one screen of text, at most [`WIDTH`] columns wide.
    pub fn screen(&self) -> String {
        screen::render(self)
    }
}

fn timing(tally: &Tally) -> Option<[[f64; 2]; 2]> {
    let both = |latency: &Latency| {
        let whole = |ms: f64| (ms * 10.0).round() / 10.0;
        Some([whole(latency.quantile_ms(0.5)?), whole(latency.quantile_ms(0.95)?)])
    };
    Some([both(&tally.ttfb)?, both(&tally.total)?])
}

fn planes(tally: &Tally) -> Vec<PlaneLine> {
    let line = |plane: Plane| {
        let counts = tally.plane(plane);
        let prefix = format!("{plane}: ");
        let whys = tally.not_compared.iter().filter(|(why, _)| why.starts_with(&prefix));
        let why_not = whys.max_by_key(|(_, n)| **n).map(|(why, _)| why[prefix.len()..].to_owned());
        PlaneLine {
            plane,
            compared: counts.compared(),
            agree: counts.agree,
            ignored_only: counts.ignored_only,
            differ: counts.differ,
            not_compared: counts.not_compared,
            why_not,
        }
    };
    Plane::ALL.into_iter().filter(|plane| *plane != Plane::Timing).map(line).collect()
}

fn ignored(tally: &Tally, rules: &Rules) -> Vec<RuleLine> {
    let line = |(rule, count): (String, u64)| {
        let reason = rules.all().iter().find(|known| known.id == rule);
        let reason = reason.map_or("a rule that is gone", |rule| rule.reason.as_str()).to_owned();
        RuleLine { rule, count, reason }
    };
    most(&tally.rules).into_iter().map(line).collect()
}

/// The first of each plane, so that one difference in many places does not hide another, and then as many
/// as there is room for.
fn listed<'a>(
    mismatches: &'a [(&'a GroupKey, &'a Group)],
) -> impl Iterator<Item = &'a (&'a GroupKey, &'a Group)> {
    let mut seen = BTreeSet::new();
    let first: Vec<bool> = mismatches.iter().map(|(key, _)| seen.insert(key.plane)).collect();
    let mut room = LISTED.saturating_sub(seen.len());
    mismatches.iter().zip(first).filter_map(move |(group, first)| {
        let shown = first || room > 0;
        room -= usize::from(shown && !first);
        shown.then_some(group)
    })
}

fn most(table: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut list: Vec<_> = table.iter().map(|(name, n)| (name.clone(), *n)).collect();
    list.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    list.truncate(LISTED);
    list
}

#[cfg(test)]
mod tests;
