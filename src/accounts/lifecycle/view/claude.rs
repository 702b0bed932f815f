//! Official accounts in lists.

use compat::{
    account_state::Family,
    clock::iso,
    crypto::{Service, Vault},
    js, number,
    pool::Fields,
};
use serde_json::{Map, Value, json};

use super::{Item, Seen, end, json_or_null};

const MINUTE_MS: i64 = 60_000;

/// Whether the account may ask for its profile and use models; else it has a setup token.
pub(in super::super) fn is_full_login(fields: &Fields) -> bool {
    let scopes = scopes(fields);
    scopes.contains(&"user:profile") && scopes.contains(&"user:inference")
}

fn scopes(fields: &Fields) -> Vec<&str> {
    match fields.get("scopes").map_or("", String::as_str) {
        text if js::trim(text).is_empty() => Vec::new(),
        text => text.split(' ').collect(),
    }
}

pub(super) fn item(seen: &Seen<'_>, vault: &Vault) -> Value {
    let mut item = Item::default();
    item.put("id", seen.id);
    item.put_stored(seen, &["name", "description"]);
    item.put("email", email(&vault.decrypt(Service::Claude, seen.get("email")).text));
    item.put("isActive", seen.is("isActive"));
    item.put("proxy", json_or_null(seen.get("proxy")));
    item.put_stored(seen, &["status", "errorMessage"]);
    item.put("accountType", or(seen.get("accountType"), "shared"));
    let priority = number::parse_int(seen.get("priority")).filter(|own| *own != 0);
    item.put("priority", priority.unwrap_or(50));
    item.put("platform", or(seen.get("platform"), "claude"));
    let login = if is_full_login(seen.fields) { "oauth" } else { "setup-token" };
    item.put("authType", login);
    item.put_stored(seen, &["createdAt", "lastUsedAt", "lastRefreshAt"]);
    item.put("scopes", scopes(seen.fields));
    item.put("hasRefreshToken", !seen.get("refreshToken").is_empty());
    item.put("subscriptionInfo", json_or_null(seen.get("subscriptionInfo")));
    item.put("rateLimitStatus", limit(seen));
    let families = [Family::Opus, Family::Sonnet, Family::Haiku, Family::Fable];
    let families: Map<String, Value> =
        families.into_iter().map(|own| (own.as_str().to_owned(), family(seen, own))).collect();
    for own in ["opus", "fable"] {
        item.put(&format!("{own}RateLimitStatus"), families.get(own).cloned());
    }
    item.put("modelRateLimitStatus", families);
    let overload = seen.or_null("lastOverloadAt");
    item.put("overloadStatus", json!({ "isOverloaded": false, "lastOverloadAt": overload }));
    item.put("sessionWindow", window(seen));
    item.put("claudeUsage", claude_usage(seen.fields, seen.now_ms));
    item.put("schedulable", seen.get("schedulable") != "false");
    item.put("autoStopOnWarning", seen.is("autoStopOnWarning"));
    item.put("fiveHourAutoStopped", seen.is("fiveHourAutoStopped"));
    item.put("fiveHourStoppedAt", seen.or_null("fiveHourStoppedAt"));
    item.put("useUnifiedUserAgent", seen.is("useUnifiedUserAgent"));
    item.put("useUnifiedClientId", seen.is("useUnifiedClientId"));
    item.put("unifiedClientId", seen.get("unifiedClientId"));
    item.put("stoppedReason", seen.or_null("stoppedReason"));
    item.put("extInfo", json_or_null(seen.get("extInfo")));
    let concurrency = or(seen.get("maxConcurrency"), "0");
    item.put("maxConcurrency", number::parse_int(concurrency));
    item.put("interceptWarmup", seen.is("interceptWarmup"));
    let flag = js::trim(seen.get("disableTempUnavailable")).to_lowercase();
    item.put("disableTempUnavailable", matches!(flag.as_str(), "true" | "yes" | "on" | "1"));
    for field in ["tempUnavailable503TtlSeconds", "tempUnavailable5xxTtlSeconds"] {
        let seconds = Some(seen.get(field)).filter(|text| !text.is_empty());
        let seconds = seconds.and_then(number::parse_number);
        let seconds = seconds.filter(|own| own.is_finite() && *own >= 0.0);
        item.put(field, seconds.map_or(Value::Null, |own| number::json(own.floor())));
    }
    item.finish(end(seen.get("subscriptionExpiresAt")), end(seen.get("expiresAt")))
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// Most of an address hidden.
fn email(address: &str) -> String {
    let mut parts = address.split('@');
    let (Some(user), Some(host)) = (parts.next(), parts.next()) else { return address.to_owned() };
    let letters: Vec<char> = user.chars().collect();
    let shown = match letters.as_slice() {
        [a, b, .., last] => format!("{a}{b}***{last}"),
        [a, ..] => format!("{a}***"),
        [] => "***".into(),
    };
    format!("{shown}@{host}")
}

/// Whole minutes until then, at least none.
fn minutes_until(end_ms: i64, now_ms: i64) -> i64 {
    let left = end_ms - now_ms;
    (left.div_euclid(MINUTE_MS) + i64::from(left.rem_euclid(MINUTE_MS) > 0)).max(0)
}

fn limit(seen: &Seen<'_>) -> Value {
    let since = seen.get("rateLimitedAt");
    if seen.get("rateLimitStatus") != "limited" || since.is_empty() {
        return json!({ "isRateLimited": false, "rateLimitedAt": null, "minutesRemaining": 0 });
    }
    let left = match seen.get("rateLimitEndAt") {
        "" => js::date_ms(since)
            .map(|since| (60 - (seen.now_ms - since).div_euclid(MINUTE_MS)).max(0)),
        end => js::date_ms(end).map(|end| minutes_until(end, seen.now_ms)),
    };
    json!({
        "isRateLimited": left.is_some_and(|left| left > 0),
        "rateLimitedAt": since,
        "minutesRemaining": left,
    })
}

fn family(seen: &Seen<'_>, family: Family) -> Value {
    let since = seen.or_null(family.limited_at_field());
    let until = seen.get(family.limit_end_field());
    let off = |since: Value, until: Value| {
        json!({
            "isRateLimited": false, "rateLimitedAt": since, "resetAt": until,
            "minutesRemaining": 0,
        })
    };
    if until.is_empty() {
        return off(Value::Null, Value::Null);
    }
    match js::date_ms(until) {
        None => off(since, Value::Null),
        Some(end) if seen.now_ms >= end => off(since, until.into()),
        Some(end) => json!({
            "isRateLimited": true, "rateLimitedAt": since, "resetAt": until,
            "minutesRemaining": minutes_until(end, seen.now_ms),
        }),
    }
}

fn window(seen: &Seen<'_>) -> Value {
    let (start, end) = (seen.get("sessionWindowStart"), seen.get("sessionWindowEnd"));
    let shown = |active: bool, progress: Value, left: Value| {
        let known = !start.is_empty() && !end.is_empty();
        let bound = |text: &str| if known { text.into() } else { Value::Null };
        json!({
            "hasActiveWindow": active,
            "windowStart": bound(start),
            "windowEnd": bound(end),
            "progress": progress,
            "remainingTime": left,
            "lastRequestTime": seen.or_null("lastRequestTime"),
            "sessionWindowStatus": seen.or_null("sessionWindowStatus"),
        })
    };
    if start.is_empty() || end.is_empty() {
        return shown(false, 0.into(), Value::Null);
    }
    let (Some(from), Some(to)) = (js::date_ms(start), js::date_ms(end)) else {
        return shown(true, Value::Null, Value::Null);
    };
    if seen.now_ms >= to {
        return shown(false, 100.into(), 0.into());
    }
    #[expect(clippy::cast_precision_loss, reason = "spans of hours")]
    let part = |of: i64, whole: i64| number::round(of as f64 / whole as f64);
    #[expect(clippy::cast_precision_loss, reason = "spans of hours")]
    let progress = number::round((seen.now_ms - from) as f64 / (to - from) as f64 * 100.0);
    let left = number::json(part(to - seen.now_ms, MINUTE_MS));
    shown(true, number::json(progress), left)
}

/// The three windows as last told; null when there never was word of them.
pub(in super::super) fn claude_usage(fields: &Fields, now_ms: i64) -> Value {
    let get = |field: &str| fields.get(field).map_or("", String::as_str);
    let mut usage = Map::new();
    let updated = fields.get("claudeUsageUpdatedAt");
    if let Some(at) = updated {
        usage.insert("updatedAt".into(), at.as_str().into());
    }
    let mut known = updated.is_some_and(|at| !at.is_empty());
    for (name, field) in [
        ("fiveHour", "claudeFiveHour"),
        ("sevenDay", "claudeSevenDay"),
        ("sevenDayOpus", "claudeSevenDayOpus"),
    ] {
        let used = get(&format!("{field}Utilization"));
        let used = Some(used).filter(|used| !used.is_empty()).and_then(number::parse_number);
        let used = used.filter(|used| used.is_finite());
        let end = fields.get(&format!("{field}ResetsAt"));
        let mut window = Map::new();
        window.insert("utilization".into(), used.map_or(Value::Null, number::json));
        if let Some(end) = end {
            window.insert("resetsAt".into(), end.as_str().into());
        }
        let end = end.filter(|end| !end.is_empty());
        let left = end.and_then(|end| js::date_ms(end));
        let left = left.map(|end| (end - now_ms).div_euclid(1000).max(0));
        window.insert("remainingSeconds".into(), left.map_or(Value::Null, Value::from));
        known |= used.is_some() || end.is_some();
        usage.insert(name.into(), Value::Object(window));
    }
    if known { Value::Object(usage) } else { Value::Null }
}

/// When a console-like limit that began then ends, as ISO text.
pub(super) fn after_minutes(since_ms: i64, minutes: i64) -> String {
    iso(since_ms.saturating_add(minutes.saturating_mul(MINUTE_MS)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("someone@example.test", "so***e@example.test")]
    #[case("ab@x", "a***@x")]
    #[case("none", "none")]
    fn addresses_are_hidden(#[case] address: &str, #[case] shown: &str) {
        assert_eq!(email(address), shown);
    }

    #[test]
    fn a_running_window_shows_its_progress() {
        let fields = Fields::from_iter([
            ("sessionWindowStart".to_owned(), iso(0)),
            ("sessionWindowEnd".to_owned(), iso(5 * 3_600_000)),
        ]);
        let shown = window(&Seen { id: "a", fields: &fields, now_ms: 3_600_000 });
        assert_eq!(shown["progress"], 20);
        assert_eq!(shown["remainingTime"], 240);
        let shown = window(&Seen { id: "a", fields: &fields, now_ms: 6 * 3_600_000 });
        assert_eq!(shown["hasActiveWindow"], false);
    }

    #[test]
    fn usage_without_word_of_it_is_null() {
        assert_eq!(claude_usage(&Fields::new(), 0), Value::Null);
        let fields = Fields::from_iter([
            ("claudeFiveHourUtilization".to_owned(), "12.5".to_owned()),
            ("claudeFiveHourResetsAt".to_owned(), iso(90_500)),
        ]);
        let usage = claude_usage(&fields, 0);
        assert_eq!(usage["fiveHour"]["utilization"], 12.5);
        assert_eq!(usage["fiveHour"]["remainingSeconds"], 90);
        assert_eq!(usage["sevenDay"], json!({ "utilization": null, "remainingSeconds": null }));
    }
}
