//! Checks that several operations share.

use compat::js;
use serde_json::Value;

use crate::domain::Declined;

/// Services that a key may be granted.
const SERVICES: [&str; 4] = ["claude", "gemini", "openai", "droid"];

/// Sent, and neither `null` nor empty.
pub(super) fn is_set(value: Option<&Value>) -> bool {
    js::given(value).is_some_and(|value| value.as_str() != Some(""))
}

/// A whole number, or its text, of at least `least`.
pub(super) fn whole(value: Option<&Value>, least: f64) -> bool {
    let number = js::number(value);
    js::is_integer(number) && number >= least
}

/// A number, or its text, that is not negative.
pub(super) fn amount(value: Option<&Value>) -> bool {
    js::number(value) >= 0.0
}

/// Declines with `error` unless `fine`.
pub(super) fn require(fine: bool, error: &str) -> Result<(), Declined> {
    if fine { Ok(()) } else { Err(Declined::invalid(error)) }
}

/// Checks a switch that may be left out.
pub(super) fn switch(value: Option<&Value>, error: &str) -> Result<(), Declined> {
    require(value.is_none_or(Value::is_boolean), error)
}

/// Checks a list that may be left out.
pub(super) fn list(value: Option<&Value>, error: &str) -> Result<(), Declined> {
    require(value.is_none_or(Value::is_array), error)
}

/// Checks that tags are texts with something in them.
pub(super) fn tags(value: Option<&Value>) -> Result<(), Declined> {
    list(value, "Tags must be an array")?;
    let tags = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let fine = tags.iter().all(|tag| tag.as_str().is_some_and(|tag| !js::trim(tag).is_empty()));
    require(fine, "All tags must be non-empty strings")
}

/// Checks the services that a key is granted: a list, or one of the old words.
pub(super) fn permissions(value: Option<&Value>) -> Result<(), Declined> {
    let known = SERVICES.join(", ");
    match value {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(word)) => {
            if word.is_empty() || word == "all" || SERVICES.contains(&word.as_str()) {
                return Ok(());
            }
            Err(Declined::invalid(format!(
                "Invalid permissions value. Must be an array of: {known}"
            )))
        }
        Some(Value::Array(words)) => {
            let odd = words
                .iter()
                .find(|word| !word.as_str().is_some_and(|word| SERVICES.contains(&word)));
            match odd {
                None => Ok(()),
                Some(odd) => Err(Declined::invalid(format!(
                    "Invalid permission value \"{}\". Valid values are: {known}",
                    js::text(odd)
                ))),
            }
        }
        Some(_) => Err(Declined::invalid(format!(
            "Permissions must be an array. Valid values are: {known}"
        ))),
    }
}

/// Checks a key's own service rates.
pub(super) fn service_rates(value: Option<&Value>) -> Result<(), Declined> {
    let Some(value) = js::given(value) else { return Ok(()) };
    let Value::Object(rates) = value else {
        return Err(Declined::invalid("Service rates must be an object"));
    };
    for (service, rate) in rates {
        let number = js::number(Some(rate));
        if !number.is_finite() || number < 0.0 {
            return Err(Declined::invalid(format!(
                "Invalid rate for service \"{service}\": must be a non-negative number"
            )));
        }
    }
    Ok(())
}

/// Checks day (1 Monday to 7 Sunday) and hour of the weekly reset; `None` where nothing was sent.
pub(super) fn weekly_reset(
    day: Option<&Value>,
    hour: Option<&Value>,
) -> Result<(Option<f64>, Option<f64>), Declined> {
    let within = |value: Option<&Value>, from: f64, to: f64, error: &str| {
        if !is_set(value) {
            return Ok(None);
        }
        let number = js::number(value);
        let fine = js::is_integer(number) && (from..=to).contains(&number);
        require(fine, error).map(|()| Some(number))
    };
    let day_text = "Weekly reset day must be an integer from 1 (Mon) to 7 (Sun)";
    let day = within(day, 1.0, 7.0, day_text)?;
    let hour = within(hour, 0.0, 23.0, "Weekly reset hour must be an integer from 0 to 23")?;
    Ok((day, hour))
}

/// Moment that `new Date(value)` gives, in epoch milliseconds; `None` for an invalid date.
pub(super) fn date_ms(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => {
            let ms = number.as_f64().filter(|ms| ms.abs() <= 8.64e15)?;
            #[expect(clippy::cast_possible_truncation, reason = "within the range of dates")]
            Some(ms.trunc() as i64)
        }
        Value::Null | Value::Bool(false) => Some(0),
        Value::Bool(true) => Some(1),
        Value::String(text) => js::date_ms(text),
        Value::Array(_) => js::date_ms(&js::text(value)),
        Value::Object(_) => None,
    }
}
