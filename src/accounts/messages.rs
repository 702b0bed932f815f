//! Texts about a dedicated account's limits, as clients of the legacy service know them
//! (contract/anthropic.md §4.4).

use compat::{
    clock::{LocalCalendar, iso},
    js,
};

/// When a limit ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitEnd<'a> {
    /// Unknown.
    Unknown,
    /// Unix seconds, from a vendor's header.
    UnixSeconds(i64),
    /// A stored date.
    Stored(&'a str),
}

impl<'a> LimitEnd<'a> {
    /// From a stored date that may be missing.
    pub fn stored(text: Option<&'a str>) -> Self {
        text.filter(|text| !text.is_empty()).map_or(Self::Unknown, Self::Stored)
    }

    /// From a header that may be missing or 0.
    pub fn header(seconds: Option<i64>) -> Self {
        seconds.filter(|seconds| *seconds != 0).map_or(Self::Unknown, Self::UnixSeconds)
    }

    fn text(self, calendar: LocalCalendar) -> Option<String> {
        let ms = match self {
            Self::Unknown => return None,
            // Numbers from ten digits up are milliseconds, as the legacy formatter guesses.
            Self::UnixSeconds(seconds) if seconds < 10_000_000_000 => Some(seconds * 1000),
            Self::UnixSeconds(ms) => Some(ms),
            Self::Stored(text) => js::date_ms(text),
        };
        Some(zoned(ms, calendar))
    }
}

/// `error: "upstream_rate_limited"`: the whole account is limited.
pub fn account_limited(end: LimitEnd<'_>, calendar: LocalCalendar) -> String {
    match end.text(calendar) {
        None => "此专属账号已触发 Anthropic 限流控制。".to_owned(),
        Some(at) => format!("此专属账号已触发 Anthropic 限流控制，将于 {at} 自动恢复。"),
    }
}

/// `error: "opus_weekly_limit"`.
pub fn opus_limited(end: LimitEnd<'_>, calendar: LocalCalendar) -> String {
    match end.text(calendar) {
        None => "此专属账号的Opus模型已达到周使用限制，请尝试切换其他模型后再试。".to_owned(),
        Some(at) => format!(
            "此专属账号的Opus模型已达到周使用限制，将于 {at} 自动恢复，请尝试切换其他模型后再试。"
        ),
    }
}

/// `2026-07-24 00:00:00 (UTC+8)`.
pub(super) fn zoned(ms: Option<i64>, calendar: LocalCalendar) -> String {
    let hours = calendar.offset_hours();
    let sign = if hours >= 0 { "+" } else { "" };
    let text = match ms {
        Some(ms) => iso(ms + hours * 3_600_000)[..19].replace('T', " "),
        None => "NaN-NaN-NaN NaN:NaN:NaN".to_owned(),
    };
    format!("{text} (UTC{sign}{hours})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_shown_on_the_operators_clock() {
        let calendar = LocalCalendar::new(8);
        assert_eq!(
            account_limited(LimitEnd::UnixSeconds(1_784_822_400), calendar),
            "此专属账号已触发 Anthropic 限流控制，将于 2026-07-24 00:00:00 (UTC+8) 自动恢复。"
        );
        assert_eq!(
            opus_limited(LimitEnd::Stored("2026-07-23T16:00:00.000Z"), LocalCalendar::new(-3)),
            "此专属账号的Opus模型已达到周使用限制，将于 2026-07-23 13:00:00 (UTC-3) 自动恢复，请尝试切换其他模型后再试。"
        );
        assert_eq!(
            account_limited(LimitEnd::header(Some(0)), calendar),
            "此专属账号已触发 Anthropic 限流控制。"
        );
    }
}
