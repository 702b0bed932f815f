//! Guards over windows.

use super::*;
use crate::rollout::guard::{Sample, Window};

fn red(window: &Window) -> Vec<String> {
    let guards = window.evaluate(&GuardLimits::default());
    guards.into_iter().filter(|guard| !guard.passed).map(|guard| guard.name).collect()
}

fn sample(meter: &Meter) -> Sample {
    Sample { counted: meter.read(), backlog: 0, redis_failures: 0 }
}

#[test]
fn failures_count_as_a_share_of_enough_requests() {
    let (meter, mut window) = (Meter::default(), Window::default());
    window.add(sample(&meter), 60);
    for n in 0..49 {
        meter.own(n < 10, Duration::from_millis(5));
    }
    window.add(sample(&meter), 60);
    assert!(red(&window).is_empty(), "too few");
    meter.own(false, Duration::from_millis(5));
    window.add(sample(&meter), 60);
    assert_eq!(red(&window), ["faults"]);
    for _ in 0..60 {
        window.add(sample(&meter), 60);
    }
    assert!(red(&window).is_empty(), "the window has passed");
}

#[test]
fn latency_is_compared_with_nodes() {
    let (meter, mut window) = (Meter::default(), Window::default());
    window.add(sample(&meter), 60);
    for _ in 0..100 {
        meter.own(false, Duration::from_millis(3000));
    }
    window.add(sample(&meter), 60);
    assert!(red(&window).is_empty(), "nothing to compare with");
    for _ in 0..100 {
        meter.legacy(Duration::from_millis(900));
    }
    window.add(sample(&meter), 60);
    assert!(red(&window).is_empty(), "4096 is 4 times 1024");
    window.clear();
    window.add(sample(&meter), 60);
    for _ in 0..100 {
        meter.own(false, Duration::from_millis(5000));
        meter.legacy(Duration::from_millis(900));
    }
    window.add(sample(&meter), 60);
    assert_eq!(red(&window), ["latency"]);
}

#[test]
fn backlog_and_redis_are_watched() {
    let mut window = Window::default();
    window.add(Sample { redis_failures: 1000, ..Sample::default() }, 60);
    assert!(red(&window).is_empty(), "those were before");
    window.add(Sample { redis_failures: 1051, ..Sample::default() }, 60);
    assert_eq!(red(&window), ["redis_failures"]);
    window.add(Sample { redis_failures: 1051, backlog: 10_001, ..Sample::default() }, 60);
    assert_eq!(red(&window), ["journal_backlog", "redis_failures"]);
}
