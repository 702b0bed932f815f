//! Accounts with an API key in lists.

use compat::{js, number};
use serde_json::{Value, json};

use super::{Item, Seen, claude::after_minutes, end};

const MINUTE_MS: i64 = 60_000;

/// A console account runs `tasks` now; without them it is a Claude Code Router account.
pub(super) fn item(seen: &Seen<'_>, tasks: Option<i64>) -> Value {
    let mut item = Item::default();
    let whole = |field: &str| number::parse_int(seen.get(field));
    let amount = |field: &str| match seen.get(field) {
        "" => number::json(0.0),
        text => number::parse_float(text).map_or(Value::Null, number::json),
    };
    let or = |field: &str, otherwise: &str| match seen.get(field) {
        "" => Value::from(otherwise),
        text => text.into(),
    };
    let minutes = whole("rateLimitDuration").unwrap_or(60);
    item.put("id", seen.id);
    item.put_stored(seen, &["platform", "name", "description", "apiUrl"]);
    item.put("priority", whole("priority").filter(|own| *own != 0).unwrap_or(50));
    let models = Some(seen.get("supportedModels")).filter(|text| !text.is_empty());
    let models = models.and_then(|text| serde_json::from_str(text).ok());
    item.put("supportedModels", models.unwrap_or_else(|| json!([])));
    item.put_stored(seen, &["userAgent"]);
    item.put("rateLimitDuration", minutes);
    item.put("isActive", seen.is("isActive"));
    item.put("proxy", serde_json::from_str(seen.get("proxy")).unwrap_or(Value::Null));
    item.put("accountType", or("accountType", "shared"));
    item.put_stored(seen, &["createdAt", "lastUsedAt"]);
    item.put("status", or("status", "active"));
    item.put_stored(seen, &["errorMessage"]);
    let limit = if tasks.is_some() { console_limit(seen, minutes) } else { ccr_limit(seen) };
    item.put("rateLimitInfo", limit);
    item.put("schedulable", seen.get("schedulable") != "false");
    item.put("dailyQuota", amount("dailyQuota"));
    item.put("dailyUsage", amount("dailyUsage"));
    item.put("lastResetDate", seen.get("lastResetDate"));
    item.put("quotaResetTime", or("quotaResetTime", "00:00"));
    item.put("quotaStoppedAt", seen.or_null("quotaStoppedAt"));
    if let Some(tasks) = tasks {
        item.put("maxConcurrentTasks", whole("maxConcurrentTasks").unwrap_or(0));
        item.put("activeTaskCount", tasks);
    }
    item.put("disableAutoProtection", seen.is("disableAutoProtection"));
    if tasks.is_some() {
        item.put("interceptWarmup", seen.is("interceptWarmup"));
    }
    // Lists of these kinds know no end of the subscription but under the token's name.
    item.finish(Value::Null, end(seen.get("subscriptionExpiresAt")))
}

fn console_limit(seen: &Seen<'_>, minutes: i64) -> Value {
    let since = seen.get("rateLimitedAt");
    if seen.get("rateLimitStatus") != "limited" || since.is_empty() {
        return json!({
            "isRateLimited": false, "rateLimitedAt": null, "minutesSinceRateLimit": 0,
            "minutesRemaining": 0,
        });
    }
    let passed = js::date_ms(since).map(|since| (seen.now_ms - since).div_euclid(MINUTE_MS));
    let left = passed.map(|passed| (minutes - passed).max(0));
    json!({
        "isRateLimited": left.is_some_and(|left| left > 0),
        "rateLimitedAt": since,
        "minutesSinceRateLimit": passed,
        "minutesRemaining": left,
    })
}

fn ccr_limit(seen: &Seen<'_>) -> Value {
    let minutes = number::parse_int(seen.get("rateLimitDuration")).filter(|own| *own != 0);
    let minutes = minutes.unwrap_or(60);
    let since = seen.get("rateLimitedAt");
    let Some(since_ms) = js::date_ms(since).filter(|_| !since.is_empty()) else {
        return json!({
            "isRateLimited": false, "rateLimitedAt": null, "rateLimitExpireAt": null,
            "remainingTimeMs": 0, "remainingTimeMinutes": 0,
        });
    };
    let left = since_ms.saturating_add(minutes.saturating_mul(MINUTE_MS)) - seen.now_ms;
    json!({
        "isRateLimited": left > 0,
        "rateLimitedAt": since,
        "rateLimitExpireAt": after_minutes(since_ms, minutes),
        "remainingTimeMs": left.max(0),
        "remainingTimeMinutes":
            (left.div_euclid(MINUTE_MS) + i64::from(left.rem_euclid(MINUTE_MS) > 0)).max(0),
    })
}
