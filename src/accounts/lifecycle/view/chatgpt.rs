//! ChatGPT accounts in lists.

use compat::{clock::iso, crypto::Vault, js, number};
use serde_json::{Value, json};

use super::{Item, Seen, end};
use crate::accounts::lifecycle::form::openai::opened;

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
/// Says that something is stored which is not shown.
const SEALED: &str = "[ENCRYPTED]";

/// Fields that the item has in another form.
const TURNED: [&str; 12] = [
    "idToken",
    "accessToken",
    "refreshToken",
    "openaiOauth",
    "codexPrimaryUsedPercent",
    "codexPrimaryResetAfterSeconds",
    "codexPrimaryWindowMinutes",
    "codexSecondaryUsedPercent",
    "codexSecondaryResetAfterSeconds",
    "codexSecondaryWindowMinutes",
    "codexPrimaryOverSecondaryLimitPercent",
    "codexUsageUpdatedAt",
];

pub(super) fn item(seen: &Seen<'_>, vault: &Vault) -> Value {
    let mut item = Item::of_record(seen, &TURNED);
    if !seen.get("email").is_empty() {
        item.put("email", opened(vault, seen.get("email")));
    }
    if !seen.get("proxy").is_empty() {
        item.put("proxy", serde_json::from_str(seen.get("proxy")).unwrap_or(Value::Null));
    }
    item.put("isActive", seen.is("isActive"));
    item.put("schedulable", seen.get("schedulable") != "false");
    for name in ["openaiOauth", "accessToken", "refreshToken"] {
        item.put(name, if seen.get(name).is_empty() { "" } else { SEALED });
    }
    let scopes = seen.get("scopes");
    let scopes: Vec<&str> =
        if js::trim(scopes).is_empty() { Vec::new() } else { scopes.split(' ').collect() };
    item.put("scopes", scopes);
    item.put("hasRefreshToken", !seen.get("refreshToken").is_empty());
    item.put("rateLimitStatus", limit(seen));
    item.put("codexUsage", usage(seen));
    item.finish(end(seen.get("subscriptionExpiresAt")), end(seen.get("expiresAt")))
}

fn limit(seen: &Seen<'_>) -> Value {
    let status =
        if seen.get("rateLimitStatus").is_empty() { "normal" } else { seen.get("rateLimitStatus") };
    let left = if status == "limited" { left_ms(seen) } else { 0 };
    let minutes = left.div_euclid(MINUTE_MS) + i64::from(left.rem_euclid(MINUTE_MS) > 0);
    json!({
        "status": status,
        "isRateLimited": minutes > 0,
        "rateLimitedAt": seen.or_null("rateLimitedAt"),
        "rateLimitResetAt": seen.or_null("rateLimitResetAt"),
        "minutesRemaining": minutes,
    })
}

fn left_ms(seen: &Seen<'_>) -> i64 {
    let (end, since) = (seen.get("rateLimitResetAt"), seen.get("rateLimitedAt"));
    let end =
        if end.is_empty() { js::date_ms(since).map(|at| at + HOUR_MS) } else { js::date_ms(end) };
    end.map_or(0, |end| (end - seen.now_ms).max(0))
}

/// How much of the plan's two windows is used, as the vendor last told; null when it never did.
fn usage(seen: &Seen<'_>) -> Value {
    let told = |name: &str| {
        let text = Some(seen.get(name)).filter(|text| !text.is_empty())?;
        number::parse_number(&js::trim(text)).filter(|own| own.is_finite())
    };
    let updated = seen.get("codexUsageUpdatedAt");
    let mut known = !updated.is_empty();
    let mut window = |name: &str| {
        let [used, after, minutes] = ["UsedPercent", "ResetAfterSeconds", "WindowMinutes"]
            .map(|part| told(&format!("codex{name}{part}")));
        known |= used.is_some() || after.is_some() || minutes.is_some();
        let reset = js::date_ms(updated).filter(|_| !updated.is_empty()).zip(after);
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "moments")]
        let reset = reset.map(|(at, after)| (at as f64 + after * 1000.0) as i64);
        #[expect(clippy::cast_precision_loss, reason = "seconds")]
        let left = reset.map(|end| number::round((end - seen.now_ms) as f64 / 1000.0).max(0.0));
        let shown = |value: Option<f64>| value.map_or(Value::Null, number::json);
        json!({
            "usedPercent": shown(used),
            "resetAfterSeconds": shown(after),
            "windowMinutes": shown(minutes),
            "resetAt": reset.map(iso),
            "remainingSeconds": shown(left),
        })
    };
    let (primary, secondary) = (window("Primary"), window("Secondary"));
    if !known {
        return Value::Null;
    }
    let over = told("codexPrimaryOverSecondaryLimitPercent").map_or(Value::Null, number::json);
    let mut usage = json!({
        "primary": primary, "secondary": secondary, "primaryOverSecondaryPercent": over,
    });
    if let Some(updated) = seen.stored("codexUsageUpdatedAt") {
        usage["updatedAt"] = updated;
    }
    usage
}

#[cfg(test)]
mod tests {
    use compat::pool::Fields;

    use super::*;

    #[test]
    fn limits_and_windows_count_down() {
        let fields = Fields::from_iter(
            [
                ("rateLimitStatus", "limited".to_owned()),
                ("rateLimitResetAt", iso(90_000)),
                ("codexUsageUpdatedAt", iso(0)),
                ("codexPrimaryUsedPercent", "12.5".to_owned()),
                ("codexPrimaryResetAfterSeconds", "60".to_owned()),
            ]
            .map(|(name, text)| (name.to_owned(), text)),
        );
        let seen = Seen { id: "a", fields: &fields, now_ms: 10_000 };
        assert_eq!(limit(&seen)["minutesRemaining"], 2);
        let usage = usage(&seen);
        assert_eq!(usage["primary"]["usedPercent"], 12.5);
        assert_eq!(usage["primary"]["resetAt"], iso(60_000));
        assert_eq!(usage["primary"]["remainingSeconds"], 50);
        assert_eq!(usage["secondary"]["resetAt"], Value::Null);
        let none = Fields::new();
        let seen = Seen { id: "a", fields: &none, now_ms: 0 };
        assert_eq!(super::usage(&seen), Value::Null);
        assert_eq!(limit(&seen)["status"], "normal");
    }
}
