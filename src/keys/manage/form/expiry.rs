//! The end of a key's life.

use compat::{clock::iso, js, number};
use serde_json::Value;

use super::{Body, checks::date_ms};
use crate::domain::{Declined, Failure};

const DAY_MS: f64 = 86_400_000.0;

/// What the record says about its expiry.
pub(in super::super) struct Expiry<'a> {
    /// `expirationMode`.
    pub mode: &'a str,
    /// `isActivated`.
    pub activated: bool,
    /// `activationDays`.
    pub days: &'a str,
}

/// Values to store for `{activateNow}` or `{expiresAt}`.
///
/// # Errors
/// A key that cannot be activated, a date that is none, nothing sent.
pub(in super::super) fn expiry(
    body: &Body,
    key: &Expiry<'_>,
    now_ms: i64,
) -> Result<Body, Failure> {
    let mut values = Body::new();
    let mut put = |name: &str, value: String| values.insert(name.to_owned(), value.into());
    if body.get("activateNow") == Some(&Value::Bool(true)) {
        if key.mode != "activation" || key.activated {
            let why = "Key is either already activated or not in activation mode";
            return Err(Declined::invalid("Cannot activate").saying(why).into());
        }
        // Days, whatever unit the key counts in.
        let days = number::parse_int(if key.days.is_empty() { "30" } else { key.days });
        #[expect(clippy::cast_precision_loss, reason = "dates are doubles")]
        let end = days.map(|days| now_ms as f64 + days as f64 * DAY_MS);
        let end = end.filter(|end| end.abs() <= 8.64e15);
        #[expect(clippy::cast_possible_truncation, reason = "within the range of dates")]
        let end = end.ok_or_else(|| Failure::fault("Invalid time value"))? as i64;
        put("isActivated", "true".into());
        put("activatedAt", iso(now_ms));
        put("expiresAt", iso(end));
        return Ok(values);
    }
    if let Some(at) = body.get("expiresAt") {
        if js::truthy(Some(at)) {
            let text = Value::String(js::text(at));
            let end = date_ms(&text)
                .ok_or_else(|| Declined::invalid("Invalid expiration date format"))?;
            put("expiresAt", iso(end));
            if !key.activated {
                put("isActivated", "true".into());
                put("activatedAt", iso(now_ms));
            }
        } else {
            put("expiresAt", String::new());
        }
    }
    if values.is_empty() {
        return Err(Declined::invalid("No valid updates provided").into());
    }
    Ok(values)
}
