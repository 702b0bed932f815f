//! Providers of the Responses API in lists.

use compat::{js, number};
use serde_json::{Value, json};

use super::{Item, Seen, end};

const MINUTE_MS: i64 = 60_000;

pub(super) fn item(seen: &Seen<'_>) -> Value {
    let mut item = Item::of_record(seen, &[]);
    item.put("apiKey", "***");
    if !seen.get("proxy").is_empty() {
        item.put("proxy", serde_json::from_str(seen.get("proxy")).unwrap_or(Value::Null));
    }
    let left = minutes_left(seen);
    item.put(
        "rateLimitStatus",
        json!({
            "isRateLimited": left > 0,
            "rateLimitedAt": if left > 0 { seen.or_null("rateLimitedAt") } else { Value::Null },
            "minutesRemaining": left.max(0),
        }),
    );
    item.put("schedulable", seen.get("schedulable") != "false");
    item.put("isActive", seen.is("isActive"));
    let platform = seen.get("platform");
    item.put("platform", if platform.is_empty() { "openai-responses" } else { platform });
    let end = end(seen.get("subscriptionExpiresAt"));
    item.finish(end.clone(), end)
}

/// Minutes that a limit still lasts; 0 without one.
fn minutes_left(seen: &Seen<'_>) -> i64 {
    if seen.get("rateLimitStatus") != "limited" {
        return 0;
    }
    let end = seen.get("rateLimitResetAt");
    if !end.is_empty() {
        let left = js::date_ms(end).map_or(0, |end| end - seen.now_ms);
        return (left.div_euclid(MINUTE_MS) + i64::from(left.rem_euclid(MINUTE_MS) > 0)).max(0);
    }
    let minutes = number::parse_int(seen.get("rateLimitDuration")).filter(|own| *own != 0);
    let since = js::date_ms(seen.get("rateLimitedAt"));
    let passed = since.map(|since| (seen.now_ms - since).div_euclid(MINUTE_MS));
    passed.map_or(0, |passed| (minutes.unwrap_or(60) - passed).max(0))
}
