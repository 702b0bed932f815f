//! States of OpenAI-Responses accounts (contract/openai-azure-droid.md §2.2, §4).

use super::{
    Moment, Phase, minutes,
    openai::{after, dated, past},
    quota_text,
};
use crate::{
    clock::iso,
    js, number,
    pool::{Entry, Patch},
};

const MINUTE_MS: i64 = 60_000;

/// Whether automatic state changes are switched off for the account.
pub fn unprotected(entry: &Entry) -> bool {
    entry.is("disableAutoProtection")
}

/// Minutes of a limit whose end is not stated; 0 counts as 60.
fn limit_minutes(entry: &Entry) -> i64 {
    match minutes(entry, "rateLimitDuration", 60) {
        0 => 60,
        minutes => minutes,
    }
}

/// Whether the account is limited. An unreadable moment never comes.
pub fn limit(entry: &Entry, now_ms: i64) -> Phase {
    if entry.get("rateLimitStatus") != "limited" {
        return Phase::Off;
    }
    let over = match entry.get("rateLimitResetAt") {
        "" => js::date_ms(entry.get("rateLimitedAt"))
            .is_some_and(|at| now_ms - at > limit_minutes(entry).saturating_mul(MINUTE_MS)),
        end => js::date_ms(end).is_some_and(|end| now_ms >= end),
    };
    if over { Phase::Elapsed } else { Phase::On }
}

/// Whether a listing shows the account as limited: with minutes left, whole ones begun.
pub fn shown_limited(entry: &Entry, now_ms: i64) -> bool {
    if entry.get("rateLimitStatus") != "limited" {
        return false;
    }
    match entry.get("rateLimitResetAt") {
        "" => js::date_ms(entry.get("rateLimitedAt"))
            .is_some_and(|at| limit_minutes(entry) > (now_ms - at).div_euclid(MINUTE_MS)),
        end => js::date_ms(end).is_some_and(|end| end > now_ms),
    }
}

/// Lifts a limit that is over.
pub fn lift_limit(entry: &Entry) -> Patch {
    Patch::new()
        .set("rateLimitedAt", "")
        .set("rateLimitStatus", "")
        .set("rateLimitResetAt", "")
        .set("status", "active")
        .set("schedulable", "true")
        .set("errorMessage", "")
        .expect("rateLimitedAt", entry.get("rateLimitedAt"))
        .expect("rateLimitResetAt", entry.get("rateLimitResetAt"))
}

/// Ends the status `rateLimited` of an account that no limit keeps; its other fields stay.
pub fn lift_status() -> Patch {
    Patch::new().set("status", "active").set("schedulable", "true").expect("status", "rateLimited")
}

/// Limits the account. The stored minutes are overwritten; the end is the vendor's, or in an hour whatever
/// the minutes say (legacy quirk).
pub fn limited(entry: &Entry, resets_in_s: Option<f64>, now_ms: i64) -> Patch {
    let told = dated(resets_in_s, now_ms);
    #[expect(clippy::cast_possible_truncation, reason = "saturates; minutes")]
    let minutes = told.map(|seconds| (seconds / 60.0).ceil() as i64).filter(|told| *told != 0);
    let minutes = minutes.unwrap_or_else(|| limit_minutes(entry));
    let until = iso(now_ms.saturating_add(minutes.saturating_mul(MINUTE_MS)));
    Patch::new()
        .set("rateLimitedAt", iso(now_ms))
        .set("rateLimitStatus", "limited")
        .set("rateLimitDuration", minutes.to_string())
        .set("status", "rateLimited")
        .set("schedulable", "false")
        .set("errorMessage", format!("Rate limited until {until}"))
        .set("rateLimitResetAt", iso(after(now_ms, told.unwrap_or(3600.0))))
}

/// A request is about to be sent with the account, or was answered.
pub fn used(now_ms: i64) -> Patch {
    Patch::new().set("lastUsedAt", iso(now_ms))
}

/// Whether the plan has ended.
pub fn plan_ended(entry: &Entry, now_ms: i64) -> bool {
    past(entry.get("subscriptionExpiresAt"), now_ms)
}

/// Adds an answer's tokens and, with a daily quota, what it cost in dollars. Holds only while nobody else
/// has added to them since the record was read.
pub fn booked(entry: &Entry, tokens: f64, cost: Option<f64>, moment: Moment) -> Patch {
    let mut patch = used(moment.now_ms);
    if tokens > 0.0 {
        #[expect(clippy::cast_precision_loss, reason = "as the legacy service counts")]
        let before = number::parse_int(entry.get("totalUsedTokens")).unwrap_or(0) as f64;
        patch = patch
            .set("totalUsedTokens", number::js(before + tokens))
            .expect("totalUsedTokens", entry.get("totalUsedTokens"));
    }
    match cost.filter(|_| entry.daily_quota().is_some()) {
        Some(cost) => patch.then(spent(entry, cost, moment)),
        None => patch,
    }
}

fn spent(entry: &Entry, cost: f64, moment: Moment) -> Patch {
    let today = moment.calendar.date(moment.now_ms);
    let patch = Patch::new()
        .expect("dailyUsage", entry.get("dailyUsage"))
        .expect("lastResetDate", entry.get("lastResetDate"));
    if entry.get("lastResetDate") != today {
        return patch
            .set("dailyUsage", number::js(cost))
            .set("lastResetDate", today)
            .set("quotaStoppedAt", "");
    }
    let spent = number::parse_float(entry.get("dailyUsage")).unwrap_or(0.0) + cost;
    let patch = patch.set("dailyUsage", number::js(spent));
    match entry.daily_quota() {
        Some(quota) if spent >= quota => patch
            .set("status", "quotaExceeded")
            .set("quotaStoppedAt", iso(moment.now_ms))
            .set("errorMessage", quota_text(spent, quota)),
        _ => patch,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::{
        clock::LocalCalendar,
        pool::{Fields, Kind},
    };

    const NOW_MS: i64 = 1_784_822_400_000;

    fn account(fields: &[(&str, &str)]) -> Entry {
        let fields: Fields =
            fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Entry::of_record(Kind::OpenAiResponses, "a", fields)
    }

    fn set<'a>(patch: &'a Patch, field: &str) -> Option<&'a str> {
        patch.sets().find(|(name, _)| *name == field).map(|(_, text)| text)
    }

    #[rstest]
    #[case("", "2026-07-23T16:00:00.000Z", "", Phase::Elapsed, false)]
    #[case("", "2026-07-23T16:00:00.001Z", "", Phase::On, true)]
    #[case("", "junk", "", Phase::On, false)]
    #[case("2026-07-23T15:00:00.000Z", "", "60", Phase::On, false)]
    #[case("2026-07-23T14:59:59.999Z", "", "60", Phase::Elapsed, false)]
    #[case("2026-07-23T15:00:00.001Z", "", "0", Phase::On, true)]
    #[case("2026-07-23T15:59:00.000Z", "", "1", Phase::On, false)]
    #[case("", "", "", Phase::On, false)]
    fn limits(
        #[case] at: &str,
        #[case] end: &str,
        #[case] minutes: &str,
        #[case] phase: Phase,
        #[case] shown: bool,
    ) {
        let entry = account(&[
            ("rateLimitStatus", "limited"),
            ("rateLimitedAt", at),
            ("rateLimitResetAt", end),
            ("rateLimitDuration", minutes),
        ]);
        assert_eq!(limit(&entry, NOW_MS), phase);
        assert_eq!(shown_limited(&entry, NOW_MS), shown);
    }

    #[test]
    fn the_minutes_are_the_vendors_or_the_accounts_own() {
        let entry = account(&[("rateLimitDuration", "5")]);
        let told = limited(&entry, Some(90.0), NOW_MS);
        assert_eq!(set(&told, "rateLimitDuration"), Some("2"));
        assert_eq!(set(&told, "errorMessage"), Some("Rate limited until 2026-07-23T16:02:00.000Z"));
        assert_eq!(set(&told, "rateLimitResetAt"), Some("2026-07-23T16:01:30.000Z"));
        let own = limited(&entry, None, NOW_MS);
        assert_eq!(set(&own, "rateLimitDuration"), Some("5"));
        assert_eq!(set(&own, "rateLimitResetAt"), Some("2026-07-23T17:00:00.000Z"));
        for undated in [f64::NAN, 1e15] {
            assert_eq!(limited(&entry, Some(undated), NOW_MS), own);
        }
        let at_once = limited(&entry, Some(0.0), NOW_MS);
        assert_eq!(set(&at_once, "rateLimitDuration"), Some("5"));
        assert_eq!(set(&at_once, "rateLimitResetAt"), Some("2026-07-23T16:00:00.000Z"));
    }

    #[test]
    fn a_quota_counts_the_day_and_stops_the_account() {
        let moment = Moment { now_ms: NOW_MS, calendar: LocalCalendar::new(8) };
        let fields = [("dailyQuota", "1.5"), ("dailyUsage", "1.2"), ("totalUsedTokens", "10")];
        let mut entry = account(&fields);
        let new_day = booked(&entry, 5.0, Some(0.25), moment);
        assert_eq!(set(&new_day, "dailyUsage"), Some("0.25"));
        assert_eq!(set(&new_day, "lastResetDate"), Some("2026-07-24"));
        assert_eq!(set(&new_day, "totalUsedTokens"), Some("15"));
        entry.fields.insert("lastResetDate".into(), "2026-07-24".into());
        let stopped = booked(&entry, 0.0, Some(0.3), moment);
        assert_eq!(set(&stopped, "dailyUsage"), Some("1.5"));
        assert_eq!(set(&stopped, "status"), Some("quotaExceeded"));
        assert_eq!(set(&stopped, "errorMessage"), Some("Daily quota exceeded: $1.50 / $1.50"));
        entry.fields.insert("dailyQuota".into(), "0".into());
        assert_eq!(set(&booked(&entry, 1.0, Some(9.0), moment), "dailyUsage"), None);
    }
}
