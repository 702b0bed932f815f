//! Counts what guards watch, on the request path: a few atomic additions per request.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Bounds of the latency classes double from 1 ms; the last takes everything longer.
pub const CLASSES: usize = 20;

/// Latencies by class.
#[derive(Default)]
struct Latencies([AtomicU64; CLASSES]);

/// Counters since the start.
#[derive(Default)]
pub struct Meter {
    own: AtomicU64,
    faults: AtomicU64,
    own_latency: Latencies,
    legacy_latency: Latencies,
}

/// The counters at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Requests that crs answered.
    pub own: u64,
    /// Of these, failures (5xx) that crs caused: neither the vendor's nor the client's.
    pub faults: u64,
    /// Times to first byte of crs.
    pub own_latency: [u64; CLASSES],
    /// Times to first byte of Node.
    pub legacy_latency: [u64; CLASSES],
}

impl Meter {
    /// crs answered a request. `fault`: with a 5xx that it caused itself.
    pub fn own(&self, fault: bool, first_byte: Duration) {
        self.own.fetch_add(1, Relaxed);
        self.faults.fetch_add(u64::from(fault), Relaxed);
        self.own_latency.add(first_byte);
    }

    /// Node answered a request to a route that crs owns.
    pub fn legacy(&self, first_byte: Duration) {
        self.legacy_latency.add(first_byte);
    }

    /// The counters now.
    pub fn read(&self) -> Counted {
        Counted {
            own: self.own.load(Relaxed),
            faults: self.faults.load(Relaxed),
            own_latency: self.own_latency.read(),
            legacy_latency: self.legacy_latency.read(),
        }
    }
}

impl Latencies {
    fn add(&self, time: Duration) {
        if let Some(class) = self.0.get(class_of(time)) {
            class.fetch_add(1, Relaxed);
        }
    }

    fn read(&self) -> [u64; CLASSES] {
        std::array::from_fn(|class| self.0.get(class).map_or(0, |count| count.load(Relaxed)))
    }
}

fn class_of(time: Duration) -> usize {
    let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let bits = u64::BITS - ms.leading_zeros();
    (bits as usize).min(CLASSES - 1)
}

/// Upper bound in milliseconds of the class that the 95th percentile lies in; `None` without samples.
pub fn p95_ms(counts: &[u64; CLASSES]) -> Option<u64> {
    let total: u64 = counts.iter().sum();
    let rank = (total * 95).div_ceil(100);
    let mut seen = 0;
    let class = counts.iter().position(|count| {
        seen += count;
        total > 0 && seen >= rank
    })?;
    Some(1 << class)
}

impl Counted {
    /// What was counted since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let minus = |a: &[u64; CLASSES], b: &[u64; CLASSES]| {
            std::array::from_fn(|class| a[class].saturating_sub(b[class]))
        };
        Self {
            own: self.own.saturating_sub(before.own),
            faults: self.faults.saturating_sub(before.faults),
            own_latency: minus(&self.own_latency, &before.own_latency),
            legacy_latency: minus(&self.legacy_latency, &before.legacy_latency),
        }
    }
}
