//! Durations, told in milliseconds. The candidate's are those of a run without a network, so they
//! are never a mismatch.

use super::Weighed;
use crate::{
    difference::{Difference, DifferenceKind, Weight},
    observation::Observation,
};

pub(super) fn compare(control: &Observation, candidate: &Observation) -> Vec<Weighed> {
    let (a, b) = (control.timing, candidate.timing);
    [("/ttfb", a.ttfb_us, b.ttfb_us), ("/total", a.total_us, b.total_us)]
        .into_iter()
        .filter_map(|(path, a, b)| match (a, b) {
            (Some(a), Some(b)) if a != b => Some(Weighed(
                Difference::between(DifferenceKind::Value, path, a / 1000, b / 1000),
                Weight::Note,
            )),
            _ => None,
        })
        .collect()
}
