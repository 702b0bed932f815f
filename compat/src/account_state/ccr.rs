//! States of Claude Code Router accounts, as far as selection looks at them.

use super::{Moment, Phase, UsageCost, day_cost, end_after, minutes, quota_text};
use crate::{
    clock::iso,
    pool::{DayUsage, Entry, Patch},
};

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

/// Whether the account is overloaded; lasts until an admin resets it.
pub fn overloaded(entry: &Entry) -> bool {
    entry.status() == "overloaded"
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
    let today = moment.calendar.date(moment.now_ms);
    if entry.get("lastResetDate") != today {
        let reset = Patch::new()
            .set("dailyUsage", "0")
            .set("lastResetDate", today)
            .set("quotaStoppedAt", "");
        return Some((reset, false));
    }
    let cost = day_cost(usage, prices);
    (cost >= quota).then(|| (stop(cost, quota, moment.now_ms), true))
}

fn stop(cost: f64, quota: f64, now_ms: i64) -> Patch {
    Patch::new()
        .set("status", "quota_exceeded")
        .set("errorMessage", quota_text(cost, quota))
        .set("quotaStoppedAt", iso(now_ms))
}
