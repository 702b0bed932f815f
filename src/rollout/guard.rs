//! Guards: limits that, when exceeded over a window, take the rollout back. Pure.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{
    meter::{Counted, p95_ms},
    ports::GateResult,
};

/// When guards trip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GuardLimits {
    /// `false`: none trips.
    pub enabled: bool,
    /// Length of the window, at most 600 s.
    pub window_seconds: u32,
    /// Requests in the window below which rates and latencies say nothing.
    pub min_requests: u64,
    /// Failures caused by crs, percent of what it answered.
    pub fault_percent: f64,
    /// 95th percentile of the time to first byte, as a multiple of Node's. Times are known in classes
    /// that double, so multiples below 2 mean nothing.
    pub latency_factor: f64,
    /// Latencies below this trip nothing.
    pub latency_floor_ms: u64,
    /// Usage records that wait to be written.
    pub journal_backlog: u64,
    /// Redis calls that failed in the window.
    pub redis_failures: u64,
    /// After a trip, no step forward for this long.
    pub cool_down_minutes: u32,
}

impl Default for GuardLimits {
    fn default() -> Self {
        Self {
            enabled: true,
            window_seconds: 60,
            min_requests: 50,
            fault_percent: 2.0,
            latency_factor: 4.0,
            latency_floor_ms: 1000,
            journal_backlog: 10_000,
            redis_failures: 50,
            cool_down_minutes: 30,
        }
    }
}

/// All that guards look at, at one time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Requests.
    pub counted: Counted,
    /// Usage records that wait.
    pub backlog: u64,
    /// Failed Redis calls since the start.
    pub redis_failures: u64,
}

/// The last samples, one a second; the oldest go.
#[derive(Default)]
pub struct Window(VecDeque<Sample>);

/// The longest window.
const WINDOW_MAX: usize = 600;

impl Window {
    /// Adds the sample of this second.
    pub fn add(&mut self, sample: Sample, seconds: u32) {
        let length = usize::try_from(seconds).unwrap_or(WINDOW_MAX).clamp(1, WINDOW_MAX);
        self.0.push_back(sample);
        while self.0.len() > length + 1 {
            self.0.pop_front();
        }
    }

    /// Forgets what was before a change.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The guards over the window; those that are not `passed` trip.
    pub fn evaluate(&self, limits: &GuardLimits) -> Vec<GateResult> {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else { return Vec::new() };
        let counted = last.counted.since(&first.counted);
        let failures = last.redis_failures.saturating_sub(first.redis_failures);
        vec![
            faults(&counted, limits),
            latency(&counted, limits),
            GateResult::new(
                "journal_backlog",
                last.backlog <= limits.journal_backlog,
                format!("{} usage records wait, at most {}", last.backlog, limits.journal_backlog),
            ),
            GateResult::new(
                "redis_failures",
                failures <= limits.redis_failures,
                format!("{failures} Redis calls failed, at most {}", limits.redis_failures),
            ),
        ]
    }
}

fn faults(counted: &Counted, limits: &GuardLimits) -> GateResult {
    #[expect(clippy::cast_precision_loss, reason = "counts of a window")]
    let percent = counted.faults as f64 * 100.0 / counted.own.max(1) as f64;
    let enough = counted.own >= limits.min_requests;
    GateResult::new(
        "faults",
        !enough || percent <= limits.fault_percent,
        format!(
            "{} of {} requests failed through crs, at most {} %",
            counted.faults, counted.own, limits.fault_percent
        ),
    )
}

fn latency(counted: &Counted, limits: &GuardLimits) -> GateResult {
    let requests = |classes: &[u64]| classes.iter().sum::<u64>();
    let enough = requests(&counted.own_latency) >= limits.min_requests
        && requests(&counted.legacy_latency) >= limits.min_requests;
    let (own, legacy) = (p95_ms(&counted.own_latency), p95_ms(&counted.legacy_latency));
    let (Some(own), Some(legacy)) = (own.filter(|_| enough), legacy) else {
        return GateResult::new("latency", true, "too few requests to compare with Node");
    };
    #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
    let fine =
        own <= limits.latency_floor_ms || own as f64 <= legacy as f64 * limits.latency_factor;
    GateResult::new(
        "latency",
        fine,
        format!(
            "first byte after {own} ms (95 %), Node {legacy} ms, at most {} times as long",
            limits.latency_factor
        ),
    )
}
