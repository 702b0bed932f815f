//! States of Claude Code Router accounts.
//!
//! In the legacy service they last until an admin resets them, because nothing looks at an account whose
//! status is not `active`. [`recover`] ends those that have outlived their reason (`MIGRATION.md` 45).

use super::{Moment, Phase, UsageCost, day_cost, end_after, minutes, quota_text};
use crate::{
    clock::iso,
    pool::{DayUsage, Entry, Patch},
};

/// Minutes that an overload lasts, as for console accounts.
const OVERLOAD_MINUTES: i64 = 10;

/// Whether the account is limited: judged by start and duration alone (0 counts as 60 minutes).
pub fn limit(entry: &Entry, now_ms: i64) -> Phase {
    let at = entry.get("rateLimitedAt");
    if at.is_empty() {
        return Phase::Off;
    }
    let duration = match minutes(entry, "rateLimitDuration", 60) {
        0 => 60,
        minutes => minutes,
    };
    match end_after(at, duration) {
        Some(end) if now_ms < end => Phase::On,
        _ => Phase::Elapsed,
    }
}

/// Lifts a limit; a spent quota stays.
pub fn lift_limit(entry: &Entry) -> Patch {
    let (status, message) = if entry.get("quotaStoppedAt").is_empty() {
        ("active", "")
    } else {
        ("quota_exceeded", "Account stopped due to quota exceeded")
    };
    Patch::new()
        .del(["rateLimitedAt", "rateLimitStatus"])
        .set("status", status)
        .set("errorMessage", message)
        .expect("rateLimitedAt", entry.get("rateLimitedAt"))
}

/// Limits the account; `None` when its limits are switched off. Judged by its start alone, the status of
/// the limit reads `active`.
pub fn limited(entry: &Entry, now_ms: i64) -> Option<Patch> {
    if minutes(entry, "rateLimitDuration", 60) == 0 {
        return None;
    }
    let patch = Patch::new()
        .set("status", "rate_limited")
        .set("rateLimitedAt", iso(now_ms))
        .set("rateLimitStatus", "active")
        .set("errorMessage", "Rate limited by upstream service");
    Some(patch)
}

/// Marks an overload.
pub fn overload(now_ms: i64) -> Patch {
    Patch::new()
        .set("status", "overloaded")
        .set("overloadedAt", iso(now_ms))
        .set("errorMessage", "Account overloaded")
}

/// Lifts an overload.
pub fn lift_overload(entry: &Entry) -> Patch {
    Patch::new()
        .del(["overloadedAt"])
        .set("status", "active")
        .set("errorMessage", "")
        .expect("status", entry.get("status"))
}

/// Whether the account is overloaded.
pub fn overloaded(entry: &Entry) -> bool {
    entry.status() == "overloaded"
}

/// Ends a state that has outlived its reason: a limit after its minutes, an overload after ten, a quota's
/// stop once the day's cost is below the quota. Other states wait for an admin.
pub fn recover(
    entry: &Entry,
    usage: &[DayUsage],
    prices: &dyn UsageCost,
    moment: Moment,
) -> Option<Patch> {
    let now_ms = moment.now_ms;
    match entry.status() {
        "rate_limited" => (limit(entry, now_ms) == Phase::Elapsed).then(|| lift_limit(entry)),
        "overloaded" => {
            let end = end_after(entry.get("overloadedAt"), OVERLOAD_MINUTES);
            (Phase::until(end, now_ms) == Phase::Elapsed).then(|| lift_overload(entry))
        }
        "quota_exceeded" => {
            let cost = day_cost(usage, prices);
            let spent = entry.daily_quota().is_some_and(|quota| cost >= quota);
            (!spent).then(|| {
                new_day(moment)
                    .set("status", "active")
                    .set("errorMessage", "")
                    .expect("status", "quota_exceeded")
                    .expect("quotaStoppedAt", entry.get("quotaStoppedAt"))
            })
        }
        _ => None,
    }
}

/// Whether the day has cost the quota, and the stop that follows when there is none yet.
pub fn quota(
    entry: &Entry,
    usage: &[DayUsage],
    prices: &dyn UsageCost,
    now_ms: i64,
) -> (bool, Option<Patch>) {
    let Some(quota) = entry.daily_quota() else { return (false, None) };
    let cost = day_cost(usage, prices);
    let exceeded = cost >= quota;
    let stop =
        (exceeded && entry.get("quotaStoppedAt").is_empty()).then(|| stop(cost, quota, now_ms));
    (exceeded, stop)
}

/// The check that a sticky session makes: a new local day resets, else a spent quota stops (again).
/// Tells whether operators should hear of a stop.
pub fn check_quota(
    entry: &Entry,
    usage: &[DayUsage],
    prices: &dyn UsageCost,
    moment: Moment,
) -> Option<(Patch, bool)> {
    let quota = entry.daily_quota()?;
    if entry.get("lastResetDate") != moment.calendar.date(moment.now_ms) {
        return Some((new_day(moment), false));
    }
    let cost = day_cost(usage, prices);
    (cost >= quota).then(|| (stop(cost, quota, moment.now_ms), true))
}

fn new_day(moment: Moment) -> Patch {
    Patch::new()
        .set("dailyUsage", "0")
        .set("lastResetDate", moment.calendar.date(moment.now_ms))
        .set("quotaStoppedAt", "")
}

fn stop(cost: f64, quota: f64, now_ms: i64) -> Patch {
    Patch::new()
        .set("status", "quota_exceeded")
        .set("errorMessage", quota_text(cost, quota))
        .set("quotaStoppedAt", iso(now_ms))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        clock::LocalCalendar,
        pool::{Kind, Leases},
    };

    /// 2026-07-24, 04:00 at +8.
    const NOW_MS: i64 = 1_784_836_800_000;

    struct Dollars(f64);

    impl UsageCost for Dollars {
        fn cost(&self, _: &DayUsage) -> f64 {
            self.0
        }
    }

    fn entry(fields: &[(&str, &str)]) -> Entry {
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        Entry {
            kind: Kind::Ccr,
            id: Arc::from("a"),
            fields: fields.iter().map(own).collect(),
            document: None,
            cooldown_ttl: -2,
            leases: Leases::default(),
            captured_headers: None,
            credentials: true,
            indexed: true,
        }
    }

    fn status_after(fields: &[(&str, &str)], cost: f64) -> String {
        let entry = entry(fields);
        let moment = Moment { now_ms: NOW_MS, calendar: LocalCalendar::new(8) };
        let usage = [DayUsage::default()];
        match recover(&entry, &usage, &Dollars(cost), moment) {
            Some(patch) => entry.patched(&patch).status().to_owned(),
            None => format!("still {}", entry.status()),
        }
    }

    #[test]
    fn a_state_ends_with_its_reason() {
        let ago = |minutes: i64| iso(NOW_MS - minutes * 60_000);
        let limited = |minutes, duration| {
            let at = ago(minutes);
            let fields = [
                ("status", "rate_limited"),
                ("rateLimitedAt", at.as_str()),
                ("rateLimitDuration", duration),
            ];
            status_after(&fields, 0.0)
        };
        assert_eq!(limited(59, "60"), "still rate_limited");
        assert_eq!(limited(60, "60"), "active");
        assert_eq!(limited(59, "0"), "still rate_limited", "0 counts as 60");
        assert_eq!(limited(6, "5"), "active");

        let overloaded =
            |at: &str| status_after(&[("status", "overloaded"), ("overloadedAt", at)], 0.0);
        assert_eq!(overloaded(&ago(9)), "still overloaded");
        assert_eq!(overloaded(&ago(10)), "active");
        assert_eq!(overloaded(""), "still overloaded", "nobody knows since when");

        let stopped = |quota, cost| {
            let fields =
                [("status", "quota_exceeded"), ("dailyQuota", quota), ("quotaStoppedAt", "x")];
            status_after(&fields, cost)
        };
        assert_eq!(stopped("5", 5.0), "still quota_exceeded");
        assert_eq!(stopped("5", 4.9), "active");
        assert_eq!(stopped("0", 9.0), "active", "the quota was taken away");
        assert_eq!(status_after(&[("status", "unauthorized")], 0.0), "still unauthorized");
    }

    #[test]
    fn a_limit_above_a_spent_quota_gives_way_to_it() {
        let fields = [
            ("status", "rate_limited"),
            ("rateLimitedAt", "2026-01-01T00:00:00.000Z"),
            ("quotaStoppedAt", "2026-01-01T00:00:00.000Z"),
        ];
        assert_eq!(status_after(&fields, 9.0), "quota_exceeded");
    }
}
