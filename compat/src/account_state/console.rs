//! States of Claude console accounts.

use super::{Moment, Phase, UsageCost, day_cost, end_after, minutes, quota_text};
use crate::{
    clock::iso,
    number,
    pool::{DayUsage, Entry, Patch},
};

const HOUR_MS: i64 = 3_600_000;
/// `errorMessage` of an overloaded account.
pub const OVERLOADED_MESSAGE: &str = "服务过载（529错误）";
/// `errorMessage` of a blocked account.
pub const BLOCKED_MESSAGE: &str = "账户临时被禁用（400错误）";

/// Minutes that a limit lasts; 0 = limits are switched off for the account.
pub fn limit_minutes(entry: &Entry) -> i64 {
    minutes(entry, "rateLimitDuration", 60)
}

/// Whether the account is limited.
pub fn limit(entry: &Entry, now_ms: i64) -> Phase {
    let at = entry.get("rateLimitedAt");
    match limit_minutes(entry) {
        0 => Phase::Off,
        _ if entry.get("rateLimitStatus") != "limited" || at.is_empty() => Phase::Off,
        minutes => Phase::until(end_after(at, minutes), now_ms),
    }
}

/// Lifts a limit; the account returns unless its quota keeps it out.
pub fn lift_limit(entry: &Entry) -> Patch {
    let patch = Patch::new()
        .del(["rateLimitedAt", "rateLimitStatus"])
        .expect("rateLimitedAt", entry.get("rateLimitedAt"));
    restore(entry, patch, "rate_limited", "rateLimitAutoStopped")
}

/// Limits the account; `None` when its limits are switched off.
pub fn limited(entry: &Entry, now_ms: i64) -> Option<Patch> {
    if limit_minutes(entry) == 0 {
        return None;
    }
    let now = iso(now_ms);
    let patch = Patch::new()
        .set("rateLimitedAt", &*now)
        .set("rateLimitStatus", "limited")
        .set("isActive", "false")
        .set("schedulable", "false")
        .set("errorMessage", format!("Rate limited at {now}"))
        .set("rateLimitAutoStopped", "true");
    // A spent quota is the more lasting state.
    Some(if entry.status() == "quota_exceeded" {
        patch
    } else {
        patch.set("status", "rate_limited")
    })
}

/// Whether the vendor had blocked the account for `block_minutes`; with 0 blocks end at the next look.
pub fn block(entry: &Entry, block_minutes: i64, now_ms: i64) -> Phase {
    let at = entry.get("blockedAt");
    if entry.get("blockedStatus") != "blocked" || at.is_empty() {
        Phase::Off
    } else if block_minutes <= 0 {
        Phase::Elapsed
    } else {
        Phase::until(end_after(at, block_minutes), now_ms)
    }
}

/// Lifts a block.
pub fn lift_block(entry: &Entry) -> Patch {
    let patch = Patch::new()
        .del(["blockedAt", "blockedStatus"])
        .expect("blockedAt", entry.get("blockedAt"));
    restore(entry, patch, "account_blocked", "blockedAutoStopped")
}

/// Blocks the account.
pub fn blocked(now_ms: i64) -> Patch {
    Patch::new()
        .set("blockedAt", iso(now_ms))
        .set("blockedStatus", "blocked")
        .set("isActive", "false")
        .set("schedulable", "false")
        .set("status", "account_blocked")
        .set("errorMessage", BLOCKED_MESSAGE)
        .set("blockedAutoStopped", "true")
}

/// Whether the account is overloaded; ten minutes.
pub fn overload(entry: &Entry, now_ms: i64) -> Phase {
    let at = entry.get("overloadedAt");
    if entry.get("overloadStatus") != "overloaded" || at.is_empty() {
        return Phase::Off;
    }
    Phase::until(end_after(at, 10), now_ms)
}

/// Lifts an overload.
pub fn lift_overload(entry: &Entry) -> Patch {
    Patch::new()
        .del(["overloadedAt", "overloadStatus"])
        .expect("overloadedAt", entry.get("overloadedAt"))
}

/// Marks an overload.
pub fn overloaded(now_ms: i64) -> Patch {
    Patch::new()
        .set("overloadedAt", iso(now_ms))
        .set("overloadStatus", "overloaded")
        .set("errorMessage", OVERLOADED_MESSAGE)
}

/// Whether the account was stopped by its daily quota.
pub fn quota(entry: &Entry, moment: Moment) -> Phase {
    if entry.daily_quota().is_none() || entry.get("quotaStoppedAt").is_empty() {
        Phase::Off
    } else if quota_resets(entry, moment) {
        Phase::Elapsed
    } else {
        Phase::On
    }
}

/// Stops the account when its day has cost the quota; `None` when it has not, or is stopped already.
///
/// Legacy quirk (`claudeConsoleAccountService.js:updateAccount`): the reason and the flag that would
/// bring the account back are dropped on the way to Redis, so the account stays unschedulable after the
/// quota's reset until an admin acts.
pub fn spend_quota(
    entry: &Entry,
    usage: &[DayUsage],
    prices: &dyn UsageCost,
    now_ms: i64,
) -> Option<(Patch, String)> {
    let quota = entry.daily_quota()?;
    let cost = day_cost(usage, prices);
    if !entry.get("quotaStoppedAt").is_empty() || cost < quota {
        return None;
    }
    let now = iso(now_ms);
    let patch = by_hand(Patch::new().set("schedulable", "false"))
        .set("quotaStoppedAt", &*now)
        .set("updatedAt", now)
        .expect("quotaStoppedAt", "");
    Some((patch, quota_text(cost, quota)))
}

/// Begins a new quota day.
pub fn reset_quota(entry: &Entry, moment: Moment) -> Patch {
    let mut patch = Patch::new()
        .set("lastResetDate", moment.calendar.date(moment.now_ms))
        .set("updatedAt", iso(moment.now_ms))
        .expect("quotaStoppedAt", entry.get("quotaStoppedAt"));
    if !entry.get("quotaStoppedAt").is_empty() {
        patch = patch.set("quotaStoppedAt", "");
        if entry.is("quotaAutoStopped") {
            patch = by_hand(patch.set("schedulable", "true"));
        }
    }
    patch
}

/// The provider has no `count_tokens`.
pub fn count_tokens_missing(now_ms: i64) -> Patch {
    Patch::new().set("countTokensUnavailable", "true").set("countTokensUnavailableAt", iso(now_ms))
}

/// What operators read when the account was limited.
pub fn limited_reason(entry: &Entry) -> String {
    let minutes = limit_minutes(entry);
    format!(
        "Account rate limited (429 error) and has been disabled. Will be automatically re-enabled after {minutes} minutes"
    )
}

/// A quota day ends at `quotaResetTime` on the operator's clock.
///
/// Legacy quirk: "today" is shifted by the time zone twice, while `lastResetDate` is shifted once.
fn quota_resets(entry: &Entry, moment: Moment) -> bool {
    let Moment { now_ms, calendar } = moment;
    let shift = calendar.offset_hours() * HOUR_MS;
    if entry.get("lastResetDate") == calendar.date(now_ms + shift) {
        return false;
    }
    let text = match entry.get("quotaResetTime") {
        "" => "00:00",
        text => text,
    };
    let mut parts = text.split(':').map(number::parse_int);
    let (hour, minute) = (parts.next().flatten(), parts.next().flatten());
    let (now_hour, now_minute) =
        (calendar.hour_of_day(now_ms), (now_ms + shift).div_euclid(60_000).rem_euclid(60));
    hour.is_some_and(|hour| {
        now_hour > hour || (now_hour == hour && minute.is_some_and(|minute| now_minute >= minute))
    })
}

/// Writing `schedulable` through the legacy update blanks every mark of an automatic stop.
fn by_hand(patch: Patch) -> Patch {
    ["rateLimitAutoStopped", "quotaAutoStopped", "autoStoppedAt", "stoppedReason"]
        .into_iter()
        .fold(patch, |patch, field| patch.set(field, ""))
}

/// End of a temporary stop: back to active, or on to the quota stop that lies beneath.
fn restore(entry: &Entry, patch: Patch, stopped_status: &str, auto_flag: &'static str) -> Patch {
    if entry.status() != stopped_status {
        return patch.del([auto_flag]);
    }
    if !entry.get("quotaStoppedAt").is_empty() {
        return patch.set("status", "quota_exceeded");
    }
    let mut patch = patch.set("isActive", "true").set("status", "active").set("errorMessage", "");
    if entry.is(auto_flag) {
        patch = patch.del([auto_flag]);
        if entry.get("schedulable") == "false" {
            patch = patch.set("schedulable", "true");
        }
    }
    patch
}
