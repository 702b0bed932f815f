//! Guards: what sends traffic back to the legacy service by itself.
//!
//! Pure functions over the counters of a recent window; whoever holds the phase acts on a trip.

use serde::{Deserialize, Serialize};

/// How much is borne.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardSettings {
    /// Requests below which shares say nothing.
    pub min_requests: u64,
    /// Largest share of answers with 5xx that `crs` caused itself.
    pub max_own_5xx: f64,
    /// Largest ratio of time to the first byte to that of the legacy service.
    pub max_latency_ratio: f64,
    /// Milliseconds that a slower first byte must amount to before the ratio counts.
    pub min_latency_excess_ms: f64,
    /// Largest number of requests in the settle journal.
    pub max_backlog: u64,
    /// Oldest entry of the settle journal, seconds.
    pub max_backlog_age_s: u64,
    /// Largest share of failed calls to Redis.
    pub max_redis_errors: f64,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self {
            min_requests: 50,
            max_own_5xx: 0.01,
            max_latency_ratio: 1.5,
            min_latency_excess_ms: 50.0,
            max_backlog: 5_000,
            max_backlog_age_s: 60,
            max_redis_errors: 0.02,
        }
    }
}

/// Counters of a recent window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GuardWindow {
    /// Length, seconds.
    pub seconds: u64,
    /// Requests that `crs` answered.
    pub requests: u64,
    /// Of them, 5xx that neither the vendor nor the client caused.
    pub own_5xx: u64,
    /// Median time to the first byte of `crs`, milliseconds.
    pub latency_ms: Option<f64>,
    /// That of the legacy service, in the same window or in the evidence.
    pub legacy_latency_ms: Option<f64>,
    /// Requests in the settle journal now.
    pub backlog: u64,
    /// Age of the oldest, seconds.
    pub backlog_age_s: u64,
    /// Calls to Redis.
    pub redis_calls: u64,
    /// Of them, failed.
    pub redis_errors: u64,
}

/// A reason to go back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    /// Name of the guard.
    pub guard: String,
    /// In words, with numbers.
    pub why: String,
}

/// Every guard that trips.
pub fn trips(settings: &GuardSettings, window: &GuardWindow) -> Vec<Trip> {
    let found = [
        ("own_5xx", own_5xx(settings, window)),
        ("latency", latency(settings, window)),
        ("backlog", backlog(settings, window)),
        ("redis", redis(settings, window)),
    ];
    let trip = |(guard, why): (&str, Option<String>)| Some(Trip { guard: guard.into(), why: why? });
    found.into_iter().filter_map(trip).collect()
}

fn own_5xx(settings: &GuardSettings, window: &GuardWindow) -> Option<String> {
    let share = window.own_5xx as f64 / window.requests.max(1) as f64;
    (window.requests >= settings.min_requests && share > settings.max_own_5xx).then(|| {
        let most = settings.max_own_5xx * 100.0;
        let (bad, all, seconds) = (window.own_5xx, window.requests, window.seconds);
        format!("{bad} of {all} answers in {seconds} s were 5xx caused by crs (at most {most} %)")
    })
}

fn latency(settings: &GuardSettings, window: &GuardWindow) -> Option<String> {
    let (own, legacy) = (window.latency_ms?, window.legacy_latency_ms?);
    let slower =
        own > legacy * settings.max_latency_ratio && own - legacy > settings.min_latency_excess_ms;
    (window.requests >= settings.min_requests && slower).then(|| {
        let most = settings.max_latency_ratio;
        format!(
            "first byte after {own:.0} ms, legacy service {legacy:.0} ms (at most {most} times)"
        )
    })
}

fn backlog(settings: &GuardSettings, window: &GuardWindow) -> Option<String> {
    if window.backlog > settings.max_backlog {
        let (n, most) = (window.backlog, settings.max_backlog);
        return Some(format!("{n} requests wait to be accounted for (at most {most})"));
    }
    let (age, most) = (window.backlog_age_s, settings.max_backlog_age_s);
    (window.backlog > 0 && age > most)
        .then(|| format!("usage has waited {age} s to be accounted for (at most {most} s)"))
}

fn redis(settings: &GuardSettings, window: &GuardWindow) -> Option<String> {
    let share = window.redis_errors as f64 / window.redis_calls.max(1) as f64;
    (window.redis_calls >= settings.min_requests && share > settings.max_redis_errors).then(|| {
        let most = settings.max_redis_errors * 100.0;
        let (bad, all) = (window.redis_errors, window.redis_calls);
        format!("{bad} of {all} calls to Redis failed (at most {most} %)")
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn calm() -> GuardWindow {
        GuardWindow {
            seconds: 60,
            requests: 100,
            own_5xx: 1,
            latency_ms: Some(140.0),
            legacy_latency_ms: Some(100.0),
            backlog: 10,
            backlog_age_s: 1,
            redis_calls: 1_000,
            redis_errors: 20,
        }
    }

    #[rstest]
    #[case(|_: &mut GuardWindow| {}, &[])]
    #[case(|w: &mut GuardWindow| w.own_5xx = 2, &["own_5xx"])]
    #[case(|w: &mut GuardWindow| { w.own_5xx = 40; w.requests = 49 }, &[])]
    #[case(|w: &mut GuardWindow| w.latency_ms = Some(151.0), &["latency"])]
    #[case(|w: &mut GuardWindow| { w.latency_ms = Some(40.0); w.legacy_latency_ms = Some(10.0) }, &[])]
    #[case(|w: &mut GuardWindow| w.legacy_latency_ms = None, &[])]
    #[case(|w: &mut GuardWindow| w.backlog = 5_001, &["backlog"])]
    #[case(|w: &mut GuardWindow| w.backlog_age_s = 61, &["backlog"])]
    #[case(|w: &mut GuardWindow| { w.backlog_age_s = 61; w.backlog = 0 }, &[])]
    #[case(|w: &mut GuardWindow| w.redis_errors = 21, &["redis"])]
    fn guards(#[case] change: fn(&mut GuardWindow), #[case] tripped: &[&str]) {
        let mut window = calm();
        change(&mut window);
        let trips = trips(&GuardSettings::default(), &window);
        let names: Vec<_> = trips.iter().map(|trip| trip.guard.as_str()).collect();
        assert_eq!(names, tripped);
        assert!(trips.iter().all(|trip| trip.why.contains("at most")));
    }
}
