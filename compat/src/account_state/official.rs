//! States of official Claude accounts.

use jiff::{Timestamp, tz::TimeZone};

use super::{Change, Family, Phase, end_after};
use crate::{
    clock::iso,
    js, number,
    pool::{Entry, Patch},
};

const HOUR_MS: i64 = 3_600_000;
const WINDOW_MS: i64 = 5 * HOUR_MS;
const WARNING_FIELDS: [&str; 3] =
    ["fiveHourWarningWindow", "fiveHourWarningCount", "fiveHourWarningLastSentAt"];
/// Shown in the console as the reason of the stop; also the reason in the notification.
pub const FIVE_HOUR_REASON: &str = "5小时使用量接近限制，已自动停止调度";
/// `errorMessage` of a blocked account.
pub const BLOCKED_MESSAGE: &str =
    "Account blocked (403 error detected - account may be suspended by Claude)";

/// Whether automatic state changes are switched off for the account.
pub fn unprotected(entry: &Entry) -> bool {
    entry.is("disableAutoProtection")
}

/// Whether the account as a whole is limited.
pub fn limit(entry: &Entry, now_ms: i64) -> Phase {
    let (at, end) = (entry.get("rateLimitedAt"), entry.get("rateLimitEndAt"));
    let stated = entry.get("rateLimitStatus") == "limited" && !at.is_empty();
    let stopped = entry.is("rateLimitAutoStopped") && !end.is_empty();
    if !stated && !stopped {
        Phase::Off
    } else if !end.is_empty() {
        Phase::until(js::date_ms(end), now_ms)
    } else {
        // Old records have no end: one hour.
        Phase::until(end_after(at, 60), now_ms)
    }
}

/// Lifts the account's limit. Scheduling returns only if the limit had stopped it.
pub fn lift_limit(entry: &Entry) -> Patch {
    let mut patch = Patch::new()
        .del(["rateLimitedAt", "rateLimitStatus", "rateLimitEndAt", "rateLimitAutoStopped"])
        .expect("rateLimitedAt", entry.get("rateLimitedAt"))
        .expect("rateLimitEndAt", entry.get("rateLimitEndAt"));
    if entry.is("rateLimitAutoStopped") && entry.get("schedulable") == "false" {
        patch = patch.set("schedulable", "true");
    }
    patch
}

/// When the account's limit ends, as text for a message: the record's own end, else one hour after the
/// limit began.
pub fn limit_end(entry: &Entry) -> Option<String> {
    let stored = entry.get("rateLimitEndAt");
    if !stored.is_empty() {
        return Some(stored.to_owned());
    }
    let at = entry.get("rateLimitedAt");
    (entry.get("rateLimitStatus") == "limited").then(|| end_after(at, 60).map(iso)).flatten()
}

/// Whether one model family is limited. An unreadable end counts as over.
pub fn family_limit(entry: &Entry, family: Family, now_ms: i64) -> Phase {
    match entry.get(family.limit_end_field()) {
        "" => Phase::Off,
        end if js::date_ms(end).is_some_and(|end| now_ms < end) => Phase::On,
        _ => Phase::Elapsed,
    }
}

/// Lifts a family's limit.
pub fn lift_family_limit(entry: &Entry, family: Family) -> Patch {
    Patch::new()
        .del([family.limited_at_field(), family.limit_end_field()])
        .expect(family.limit_end_field(), entry.get(family.limit_end_field()))
}

/// Limits the account until `reset_s` (Unix seconds) and moves its session window to that end.
pub fn limited(reset_s: i64, now_ms: i64) -> Patch {
    let end_ms = reset_s.saturating_mul(1000);
    Patch::new()
        .set("rateLimitedAt", iso(now_ms))
        .set("rateLimitStatus", "limited")
        .set("schedulable", "false")
        .set("rateLimitAutoStopped", "true")
        .set("rateLimitEndAt", iso(end_ms))
        .set("sessionWindowStart", iso(end_ms - WINDOW_MS))
        .set("sessionWindowEnd", iso(end_ms))
}

/// Limits one family until `reset_s` (Unix seconds; 0 leaves the end as it is).
pub fn family_limited(family: Family, reset_s: i64, now_ms: i64) -> Patch {
    let patch = Patch::new().set(family.limited_at_field(), iso(now_ms));
    match reset_s {
        0 => patch,
        reset_s => patch.set(family.limit_end_field(), iso(reset_s.saturating_mul(1000))),
    }
}

/// Blocks the account until an admin resets it.
pub fn blocked(now_ms: i64) -> Patch {
    Patch::new()
        .set("status", "blocked")
        .set("schedulable", "false")
        .set("errorMessage", BLOCKED_MESSAGE)
        .set("blockedAt", iso(now_ms))
}

/// A request is about to use the account's token: last use, and a new session window when none runs.
/// Notable when a five-hour stop ends with the old window.
pub fn used(entry: &Entry, now_ms: i64, zone: &TimeZone) -> Change {
    let now = iso(now_ms);
    let patch = Patch::new().set("lastUsedAt", &*now).set("lastRequestTime", &*now);
    let (start, end) = (entry.get("sessionWindowStart"), entry.get("sessionWindowEnd"));
    if !start.is_empty() && !end.is_empty() && js::date_ms(end).is_some_and(|end| now_ms < end) {
        return Change { patch, notable: false };
    }
    let start_ms = floor_to_hour(now_ms, zone);
    let mut patch = patch
        .set("sessionWindowStart", iso(start_ms))
        .set("sessionWindowEnd", iso(start_ms + WINDOW_MS));
    if !entry.get("sessionWindowStatus").is_empty() {
        patch =
            patch.del(["sessionWindowStatus", "sessionWindowStatusUpdatedAt"]).del(WARNING_FIELDS);
    }
    let resumes = entry.is("fiveHourAutoStopped") && entry.get("schedulable") == "false";
    if resumes {
        patch = patch
            .set("schedulable", "true")
            .del(["fiveHourAutoStopped", "fiveHourStoppedAt"])
            .del(WARNING_FIELDS);
    }
    Change { patch, notable: resumes }
}

/// The vendor told the state of the session window (`anthropic-ratelimit-unified-5h-status`). `None`
/// for states it does not know. Notable when operators should get a warning; at most
/// `warnings_per_window` per window.
pub fn window_status(
    entry: &Entry,
    status: &str,
    now_ms: i64,
    warnings_per_window: i64,
) -> Option<Change> {
    if !matches!(status, "allowed" | "allowed_warning" | "rejected") {
        return None;
    }
    let now = iso(now_ms);
    let patch =
        Patch::new().set("sessionWindowStatus", status).set("sessionWindowStatusUpdatedAt", &*now);
    let stopped = entry.get("schedulable") == "false" && entry.is("fiveHourAutoStopped");
    if status != "allowed_warning" || !entry.is("autoStopOnWarning") || stopped {
        return Some(Change { patch, notable: false });
    }
    let window = [entry.get("sessionWindowEnd"), entry.get("sessionWindowStart"), "unknown"]
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or("unknown");
    let sent = if entry.get("fiveHourWarningWindow") == window {
        number::parse_int(entry.get("fiveHourWarningCount")).unwrap_or(0)
    } else {
        0
    };
    let warn = sent < warnings_per_window;
    let mut patch = patch
        .set("schedulable", "false")
        .set("fiveHourAutoStopped", "true")
        .set("fiveHourStoppedAt", &*now)
        .set("stoppedReason", FIVE_HOUR_REASON)
        .set("fiveHourWarningWindow", window)
        .set("fiveHourWarningCount", (sent + i64::from(warn)).to_string());
    if warn {
        patch = patch.set("fiveHourWarningLastSentAt", now);
    }
    Some(Change { patch, notable: warn })
}

/// Whether the periodic recovery has to lift a limit: one that has ended, or the stop of one whose
/// other fields are gone.
pub fn recovers(entry: &Entry, now_ms: i64) -> bool {
    let stopped = entry.is("rateLimitAutoStopped")
        && (!entry.get("rateLimitEndAt").is_empty()
            || !entry.get("rateLimitedAt").is_empty()
            || entry.get("schedulable") == "false");
    match limit(entry, now_ms) {
        Phase::Elapsed => true,
        Phase::On => false,
        Phase::Off => stopped && entry.get("rateLimitStatus") != "limited",
    }
}

/// Whether the account was stopped by a five-hour warning, not by hand.
pub fn five_hour_stopped(entry: &Entry) -> bool {
    entry.is("fiveHourAutoStopped") && entry.get("schedulable") == "false"
}

/// Returns a stopped account once its window is over by a minute; the next window follows without a
/// gap. Without a window, five hours and a minute after the stop.
pub fn five_hour_recovery(entry: &Entry, now_ms: i64, zone: &TimeZone) -> Option<Patch> {
    let start_ms = match entry.get("sessionWindowEnd") {
        "" => {
            let stopped_ms = js::date_ms(entry.get("fiveHourStoppedAt"))?;
            // 5.017 hours.
            (now_ms - stopped_ms > 18_061_200).then(|| floor_to_hour(now_ms, zone))?
        }
        end => {
            let end_ms = js::date_ms(end)?;
            (now_ms > end_ms + 60_000).then_some(end_ms + 1)?
        }
    };
    Some(
        Patch::new()
            .set("schedulable", "true")
            .set("sessionWindowStart", iso(start_ms))
            .set("sessionWindowEnd", iso(start_ms + WINDOW_MS))
            .del(["fiveHourAutoStopped", "fiveHourStoppedAt"])
            .del(["sessionWindowStatus", "sessionWindowStatusUpdatedAt"])
            .del(WARNING_FIELDS)
            .expect("sessionWindowEnd", entry.get("sessionWindowEnd")),
    )
}

/// Whether the token should be refreshed ahead of need: the account waits for a limit to end, and its
/// token would run out meanwhile.
pub fn refresh_ahead(entry: &Entry, now_ms: i64) -> bool {
    const AHEAD_MS: i64 = 1_800_000;
    const RECENT_MS: i64 = 300_000;
    let waits = entry.is("rateLimitAutoStopped") || entry.is("fiveHourAutoStopped");
    let recent = match entry.get("lastRefreshAt") {
        "" => false,
        at => js::date_ms(at).is_some_and(|at| now_ms - at < RECENT_MS),
    };
    let lasts = number::parse_int(entry.get("expiresAt"))
        .is_some_and(|end_ms| end_ms != 0 && now_ms < end_ms - AHEAD_MS);
    entry.active() && !entry.get("refreshToken").is_empty() && waits && !recent && !lasts
}

/// Gives an account in status `error` another chance a day after its last refresh, and lifts the
/// `temp_error` of older versions after five minutes.
pub fn retry_errors(entry: &Entry, now_ms: i64) -> Option<Patch> {
    const DAY_MS: i64 = 86_400_000;
    match entry.status() {
        "error" => {
            let refreshed_ms = js::date_ms(entry.get("lastRefreshAt"))?;
            (now_ms - refreshed_ms > DAY_MS)
                .then(|| Patch::new().set("status", "created").set("errorMessage", ""))
        }
        "temp_error" => {
            let since_ms = js::date_ms(entry.get("tempErrorAt"))?;
            if now_ms - since_ms <= 300_000 {
                return None;
            }
            let patch = Patch::new().set("status", "active").del([
                "errorMessage",
                "tempErrorAt",
                "tempErrorAutoStopped",
            ]);
            Some(if entry.is("tempErrorAutoStopped") {
                patch.set("schedulable", "true")
            } else {
                patch
            })
        }
        _ => None,
    }
}

/// A token refresh failed for good.
pub fn refresh_failed(message: &str) -> Patch {
    Patch::new().set("status", "error").set("errorMessage", message)
}

/// Start of the running full hour on the process's own clock (half-hour zones matter).
fn floor_to_hour(now_ms: i64, zone: &TimeZone) -> i64 {
    let offset_ms = Timestamp::from_millisecond(now_ms)
        .map_or(0, |now| i64::from(zone.to_offset(now).seconds()) * 1000);
    (now_ms + offset_ms).div_euclid(HOUR_MS) * HOUR_MS - offset_ms
}
