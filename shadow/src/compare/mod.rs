//! Both sides of a request, compared plane by plane.
//!
//! Pure: no rule is applied here and nothing is left out; what cannot be compared is told with a
//! reason. When the sides part at an early plane, planes that can only repeat it are not compared.

mod account;
mod admission;
mod align;
mod content;
mod effects;
mod head;
mod response;
mod sse;
mod timing;
mod upstream;

use std::collections::BTreeMap;

pub use sse::{Event, parse as parse_events};

use crate::{
    difference::{Difference, DifferenceKind, Finding, Plane, Weight},
    group::group,
    keys,
    observation::{Observation, Source},
};

/// Everything found between two observations, before any rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Differences, plane by plane.
    pub findings: Vec<Finding>,
    /// Planes that could not be compared, and why.
    pub not_compared: BTreeMap<Plane, String>,
    /// Differences beyond [`FINDINGS`] per plane.
    pub dropped: u64,
}

/// Differences of one plane that are kept. Further ones are counted; where there are so many, the
/// first ones tell enough.
pub const FINDINGS: usize = 5_000;

/// What one plane's comparator says.
type Outcome = Result<Vec<Weighed>, String>;

/// A difference and its weight.
struct Weighed(Difference, Weight);

impl From<Difference> for Weighed {
    fn from(difference: Difference) -> Self {
        Self(difference, Weight::Plain)
    }
}

fn note(difference: Difference) -> Weighed {
    Weighed(difference, Weight::Note)
}

fn plain(differences: Vec<Difference>) -> Vec<Weighed> {
    differences.into_iter().map(Weighed::from).collect()
}

/// Compares both sides. The control is the legacy service.
pub fn compare(control: &Observation, candidate: &Observation) -> Comparison {
    let mut comparison = Comparison::default();
    for plane in Plane::ALL {
        let gap = control.gap(plane).or_else(|| candidate.gap(plane));
        let outcome = match gap {
            Some(why) => Err(format!("incomplete: {why}")),
            None => one(plane, control, candidate),
        };
        match outcome {
            Ok(found) => {
                comparison.dropped += found.len().saturating_sub(FINDINGS) as u64;
                let kept = found.into_iter().take(FINDINGS);
                comparison.findings.extend(kept.map(|weighed| finding(plane, weighed)));
            }
            Err(why) => {
                comparison.not_compared.insert(plane, why);
            }
        }
    }
    comparison
}

fn one(plane: Plane, control: &Observation, candidate: &Observation) -> Outcome {
    let parted = admission::parted(control, candidate);
    match plane {
        Plane::Admission => admission::compare(control, candidate),
        Plane::Timing => Ok(timing::compare(control, candidate)),
        _ if parted => Err("the sides part at admission".into()),
        Plane::Account => account::compare(control, candidate),
        Plane::UpstreamRequest if account::parted(control, candidate) => {
            Err("the sides chose different accounts".into())
        }
        Plane::UpstreamRequest => upstream::compare(control, candidate),
        Plane::ResponseHead => response::compare_head(control, candidate),
        Plane::ResponseBody if admission::refused(control) => {
            Err("a refusal: its body is compared as admission".into())
        }
        Plane::ResponseBody => response::compare_body(control, candidate),
        Plane::Effects => effects::compare(control, candidate),
    }
}

fn finding(plane: Plane, Weighed(difference, weight): Weighed) -> Finding {
    let money =
        plane == Plane::Effects && weight != Weight::Note && keys::is_money(&difference.path);
    Finding {
        plane,
        group: group(plane, &difference.path),
        weight: if money { Weight::Money } else { weight },
        difference,
        rule: None,
    }
}

/// Both values of something optional, or why there is nothing to compare.
fn both<'a, T>(
    what: &str,
    control: Option<&'a T>,
    candidate: Option<&'a T>,
) -> Result<(&'a T, &'a T), String> {
    match (control, candidate) {
        (Some(control), Some(candidate)) => Ok((control, candidate)),
        (None, None) => Err(format!("{what} of neither side is known")),
        (None, _) => Err(format!("{what} of the control is not known")),
        (_, None) => Err(format!("{what} of the candidate is not known")),
    }
}

/// A text or number that differs.
fn value<T: PartialEq + Clone + Into<serde_json::Value>>(
    path: &str,
    control: &T,
    candidate: &T,
) -> Option<Difference> {
    (control != candidate).then(|| {
        Difference::between(DifferenceKind::Value, path, control.clone(), candidate.clone())
    })
}

/// The weaker of both sides' sources.
pub fn strength(control: &Observation, candidate: &Observation) -> Source {
    control.source.min(candidate.source)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
