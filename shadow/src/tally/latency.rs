//! Durations as a histogram that adds up: four buckets per doubling, so a quantile is right to 9 %.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const PER_DOUBLING: f64 = 4.0;
/// Durations are counted from 1 µs to about 19 hours, so there are never more buckets than this.
const LAST: u16 = 144;

/// Durations of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    buckets: BTreeMap<u16, u64>,
}

impl Latency {
    pub(super) fn note(&mut self, micros: Option<u64>) {
        if let Some(micros) = micros {
            let bucket = (micros.max(1) as f64).log2() * PER_DOUBLING;
            *self.buckets.entry((bucket as u16).min(LAST)).or_default() += 1;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (bucket, n) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += n;
        }
    }

    /// The duration in milliseconds that such a share of all stays below; `None` without any.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        let all: u64 = self.buckets.values().sum();
        let wanted = (all as f64 * share).ceil().max(1.0);
        let mut seen = 0;
        for (bucket, n) in &self.buckets {
            seen += n;
            if seen as f64 >= wanted {
                // The middle of the bucket.
                return Some(((f64::from(*bucket) + 0.5) / PER_DOUBLING).exp2() / 1_000.0);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_about_right_and_add_up() {
        let mut all = Latency::default();
        for half in 0..2 {
            let mut own = Latency::default();
            (1..=500).for_each(|n| own.note(Some((half * 500 + n) * 1_000)));
            all.merge(&own);
        }
        let (median, late) = (all.quantile_ms(0.5).unwrap(), all.quantile_ms(0.95).unwrap());
        assert!((450.0..550.0).contains(&median), "{median}");
        assert!((860.0..1_050.0).contains(&late), "{late}");
        assert_eq!(Latency::default().quantile_ms(0.5), None);
    }

    #[test]
    fn odd_durations_have_a_bucket() {
        let mut latency = Latency::default();
        latency.note(Some(0));
        latency.note(Some(u64::MAX));
        latency.note(None);
        assert_eq!(latency.buckets.keys().copied().collect::<Vec<_>>(), [0, LAST]);
    }
}
