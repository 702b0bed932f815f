//! What the comparison of one request comes to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    compare::{compare, strength},
    difference::{DifferenceKind, Finding, Plane, Weight},
    observation::{Observation, Source},
    redact,
    rules::{Case, Rules},
};

/// Findings that a verdict lists; the rest is counted in `unlisted`.
pub const LISTED: usize = 300;
/// Groups that a verdict counts; findings beyond are counted in `unlisted` only.
pub const GROUPS: usize = 300;

/// What one plane comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum PlaneVerdict {
    /// Nothing differs.
    Agree,
    /// Only what rules speak for, and notes.
    IgnoredOnly,
    /// Something differs that no rule speaks for.
    Differ,
    /// Could not be compared.
    NotCompared {
        /// Why.
        why: String,
    },
}

impl PlaneVerdict {
    /// Compared, without a mismatch.
    pub fn matches(&self) -> bool {
        matches!(self, Self::Agree | Self::IgnoredOnly)
    }
}

/// A group of differences within one request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupCount {
    /// Plane.
    pub plane: Plane,
    /// Normalised path.
    pub group: String,
    /// Kind.
    pub kind: DifferenceKind,
    /// Weight.
    pub weight: Weight,
    /// Rule that speaks for it.
    pub rule: Option<String>,
    /// How often.
    pub count: u64,
}

/// What the comparison of one request comes to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Verdict {
    /// Id of the request.
    pub id: String,
    /// The weaker of both sides' sources.
    pub source: Source,
    /// Plane by plane.
    pub planes: BTreeMap<Plane, PlaneVerdict>,
    /// What differs, mismatches first; secrets are replaced.
    pub findings: Vec<Finding>,
    /// Findings that were not listed.
    pub unlisted: u64,
    /// Everything counted by group, listed or not.
    pub groups: Vec<GroupCount>,
}

impl Verdict {
    /// No plane differs.
    pub fn agrees(&self) -> bool {
        !self.planes.values().any(|verdict| *verdict == PlaneVerdict::Differ)
    }

    /// Money differs and no rule says why.
    pub fn money(&self) -> bool {
        self.groups.iter().any(|group| group.weight == Weight::Money && group.rule.is_none())
    }
}

/// Compares both sides under the rules.
pub fn judge(control: &Observation, candidate: &Observation, rules: &Rules) -> Verdict {
    let mut comparison = compare(control, candidate);
    rules.apply(&Case::of(control), &mut comparison.findings);
    let planes = Plane::ALL.into_iter().map(|plane| {
        let verdict = match comparison.not_compared.remove(&plane) {
            Some(why) => PlaneVerdict::NotCompared { why },
            None => of_plane(plane, &comparison.findings),
        };
        (plane, verdict)
    });
    let planes = planes.collect();
    let groups = grouped(&comparison.findings);
    let mut findings = comparison.findings;
    findings.sort_by_key(|finding| (!finding.counts(), std::cmp::Reverse(finding.weight)));
    let unlisted = comparison.dropped + findings.len().saturating_sub(LISTED) as u64;
    findings.truncate(LISTED);
    for finding in &mut findings {
        redact::finding(finding);
    }
    Verdict {
        id: control.request.id.clone(),
        source: strength(control, candidate),
        planes,
        findings,
        unlisted,
        groups,
    }
}

fn of_plane(plane: Plane, findings: &[Finding]) -> PlaneVerdict {
    let own = || findings.iter().filter(|finding| finding.plane == plane);
    if own().any(Finding::counts) {
        PlaneVerdict::Differ
    } else if own().next().is_some() {
        PlaneVerdict::IgnoredOnly
    } else {
        PlaneVerdict::Agree
    }
}

fn grouped(findings: &[Finding]) -> Vec<GroupCount> {
    let mut groups: BTreeMap<(Plane, &str, DifferenceKind, Option<&str>), GroupCount> =
        BTreeMap::new();
    for finding in findings {
        let kind = finding.difference.kind;
        let key = (finding.plane, finding.group.as_str(), kind, finding.rule.as_deref());
        if groups.len() >= GROUPS && !groups.contains_key(&key) {
            continue;
        }
        let group = groups.entry(key).or_insert_with(|| GroupCount {
            plane: finding.plane,
            group: finding.group.clone(),
            kind,
            weight: finding.weight,
            rule: finding.rule.clone(),
            count: 0,
        });
        group.count += 1;
        group.weight = group.weight.max(finding.weight);
    }
    groups.into_values().collect()
}

#[cfg(test)]
mod tests;
