//! States of ChatGPT accounts (contract/openai-azure-droid.md §2.2, §3).

use super::Phase;
use crate::{
    clock::iso,
    js, number,
    pool::{Entry, Patch},
};

const HOUR_MS: i64 = 3_600_000;

/// Usage headers of the vendor and the fields that they are kept in, for display only.
const USAGE: [(&str, &str); 7] = [
    ("x-codex-primary-used-percent", "codexPrimaryUsedPercent"),
    ("x-codex-primary-reset-after-seconds", "codexPrimaryResetAfterSeconds"),
    ("x-codex-primary-window-minutes", "codexPrimaryWindowMinutes"),
    ("x-codex-secondary-used-percent", "codexSecondaryUsedPercent"),
    ("x-codex-secondary-reset-after-seconds", "codexSecondaryResetAfterSeconds"),
    ("x-codex-secondary-window-minutes", "codexSecondaryWindowMinutes"),
    ("x-codex-primary-over-secondary-limit-percent", "codexPrimaryOverSecondaryLimitPercent"),
];

/// Whether automatic state changes are switched off for the account.
pub fn unprotected(entry: &Entry) -> bool {
    entry.is("disableAutoProtection")
}

/// Whether the record says that the account is limited, over or not.
pub fn flagged(entry: &Entry) -> bool {
    entry.get("rateLimitStatus") == "limited"
}

/// Whether the account is limited. An unreadable end counts as past; a limit without a stated end lasts an
/// hour and then just no longer counts.
pub fn limit(entry: &Entry, now_ms: i64) -> Phase {
    let before = |end: Option<i64>| end.is_some_and(|end| now_ms < end);
    let (at, end) = (entry.get("rateLimitedAt"), entry.get("rateLimitResetAt"));
    if !flagged(entry) {
        Phase::Off
    } else if !end.is_empty() {
        if before(js::date_ms(end)) { Phase::On } else { Phase::Elapsed }
    } else if before(js::date_ms(at).map(|at| at + HOUR_MS)) {
        Phase::On
    } else {
        Phase::Off
    }
}

/// Lifts the limit. The account is scheduled again, unless the vendor has refused its token: the legacy
/// service would then use it all the same (`MIGRATION.md`).
pub fn lift_limit(entry: &Entry, now_ms: i64) -> Patch {
    let patch = Patch::new()
        .set("rateLimitStatus", "normal")
        .set("rateLimitedAt", "")
        .set("rateLimitResetAt", "")
        .set("updatedAt", iso(now_ms))
        .expect("rateLimitedAt", entry.get("rateLimitedAt"))
        .expect("rateLimitResetAt", entry.get("rateLimitResetAt"));
    if entry.status() == "unauthorized" { patch } else { patch.set("schedulable", "true") }
}

/// Limits the account for so many seconds, an hour when the vendor named none that make a date.
pub fn limited(resets_in_s: Option<f64>, now_ms: i64) -> Patch {
    let named = dated(resets_in_s, now_ms).filter(|seconds| *seconds > 0.0);
    let seconds = named.unwrap_or(3600.0);
    let now = iso(now_ms);
    Patch::new()
        .set("rateLimitStatus", "limited")
        .set("rateLimitedAt", &*now)
        .set("schedulable", "false")
        .set("rateLimitResetAt", iso(after(now_ms, seconds)))
        .set("updatedAt", now)
}

/// What operators read of a limit; `None`: the vendor named no end.
pub fn limited_reason(resets_in_s: Option<f64>) -> String {
    match resets_in_s {
        Some(seconds) => {
            // Adding 0 takes the sign off a zero.
            let minutes = number::js((seconds / 60.0).ceil() + 0.0);
            format!("Account rate limited (429 error). Reset in {minutes} minutes")
        }
        None => "Account rate limited (429 error). Estimated reset in 1 hour".to_owned(),
    }
}

/// The vendor has refused the token.
pub fn unauthorized(entry: &Entry, reason: &str, now_ms: i64) -> Patch {
    let now = iso(now_ms);
    let count = number::parse_int(entry.get("unauthorizedCount")).unwrap_or(0).saturating_add(1);
    Patch::new()
        .set("status", "unauthorized")
        .set("schedulable", "false")
        .set("errorMessage", reason)
        .set("unauthorizedAt", &*now)
        .set("unauthorizedCount", count.to_string())
        .set("updatedAt", now)
}

/// A request is about to be sent with the account.
pub fn used(now_ms: i64) -> Patch {
    let now = iso(now_ms);
    Patch::new().set("lastUsedAt", &*now).set("updatedAt", now)
}

/// How much of its windows the vendor says is used; empty when it says nothing. What is missing keeps its
/// old value.
pub fn usage<'a>(header: impl Fn(&str) -> Option<&'a str>, now_ms: i64) -> Patch {
    let told = USAGE.into_iter().filter_map(|(name, field)| {
        let text = header(name).filter(|text| !text.is_empty())?;
        let number = number::parse_number(text).filter(|number| number.is_finite())?;
        Some((field, number::js(number)))
    });
    let patch = told.fold(Patch::new(), |patch, (field, value)| patch.set(field, value));
    if patch.is_empty() { patch } else { patch.set("codexUsageUpdatedAt", iso(now_ms)) }
}

/// Whether the access token has run out. Without a stated or readable end it never does.
pub fn token_expired(entry: &Entry, now_ms: i64) -> bool {
    past(entry.get("expiresAt"), now_ms)
}

/// Whether the plan has ended.
pub fn plan_ended(entry: &Entry, now_ms: i64) -> bool {
    past(entry.get("subscriptionExpiresAt"), now_ms)
}

pub(super) fn past(end: &str, now_ms: i64) -> bool {
    !end.is_empty() && js::date_ms(end).is_some_and(|end| end <= now_ms)
}

/// Seconds from now that lead to a date; the legacy service fails over others.
pub(super) fn dated(seconds: Option<f64>, now_ms: i64) -> Option<f64> {
    const LAST_MS: i64 = 8_640_000_000_000_000;
    seconds.filter(|seconds| !seconds.is_nan() && after(now_ms, *seconds).abs() <= LAST_MS)
}

#[expect(clippy::cast_possible_truncation, reason = "saturates; whole milliseconds")]
pub(super) fn after(now_ms: i64, seconds: f64) -> i64 {
    now_ms.saturating_add((seconds * 1000.0) as i64)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::pool::{Fields, Kind};

    const NOW_MS: i64 = 1_784_822_400_000;

    fn account(fields: &[(&str, &str)]) -> Entry {
        let fields: Fields =
            fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Entry::of_record(Kind::OpenAi, "a", fields)
    }

    #[rstest]
    #[case("limited", "", "2026-07-23T16:00:00.001Z", Phase::On)]
    #[case("limited", "", "2026-07-23T16:00:00.000Z", Phase::Elapsed)]
    #[case("limited", "", "junk", Phase::Elapsed)]
    #[case("limited", "2026-07-23T15:00:00.001Z", "", Phase::On)]
    #[case("limited", "2026-07-23T15:00:00.000Z", "", Phase::Off)]
    #[case("limited", "junk", "", Phase::Off)]
    #[case("limited", "", "", Phase::Off)]
    #[case("normal", "", "2026-07-23T17:00:00.000Z", Phase::Off)]
    fn limits(#[case] status: &str, #[case] at: &str, #[case] end: &str, #[case] phase: Phase) {
        let entry = account(&[
            ("rateLimitStatus", status),
            ("rateLimitedAt", at),
            ("rateLimitResetAt", end),
        ]);
        assert_eq!(limit(&entry, NOW_MS), phase);
    }

    #[test]
    fn a_limit_ends_when_the_vendor_says_or_after_an_hour() {
        let end = |seconds| {
            let patch = limited(seconds, NOW_MS);
            let end = patch.sets().find(|(field, _)| *field == "rateLimitResetAt");
            end.map(|(_, text)| text.to_owned()).unwrap()
        };
        assert_eq!(end(Some(90.5)), "2026-07-23T16:01:30.500Z");
        for unusable in [None, Some(-5.0), Some(f64::NAN), Some(1e15), Some(f64::INFINITY)] {
            assert_eq!(end(unusable), "2026-07-23T17:00:00.000Z");
        }
        assert!(limited_reason(Some(61.0)).ends_with("Reset in 2 minutes"));
        assert!(limited_reason(Some(-5.0)).ends_with("Reset in 0 minutes"));
        assert!(limited_reason(Some(f64::NAN)).ends_with("Reset in NaN minutes"));
    }

    #[test]
    fn only_numbers_are_usage() {
        let headers = [
            ("x-codex-primary-used-percent", " 12.50 "),
            ("x-codex-primary-window-minutes", "abc"),
            ("x-codex-secondary-used-percent", ""),
        ];
        let header = |name: &str| headers.iter().find(|(h, _)| *h == name).map(|(_, text)| *text);
        let patch = usage(header, NOW_MS);
        let sets: Vec<_> = patch.sets().collect();
        assert_eq!(sets[0], ("codexPrimaryUsedPercent", "12.5"));
        assert_eq!(sets[1].0, "codexUsageUpdatedAt");
        assert_eq!(sets.len(), 2);
        assert!(usage(|_| None, NOW_MS).is_empty());
    }

    #[test]
    fn a_refused_token_stays_out_when_a_limit_ends() {
        let lifted = |status| {
            let entry = account(&[("status", status), ("rateLimitStatus", "limited")]);
            lift_limit(&entry, NOW_MS).sets().any(|set| set == ("schedulable", "true"))
        };
        assert!(lifted("active") && lifted("error"));
        assert!(!lifted("unauthorized"));
    }
}
