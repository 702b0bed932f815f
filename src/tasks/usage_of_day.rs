//! Token counters of a key and model, as jobs read them back to compute a cost.

use std::collections::HashMap;

use compat::number::parse_int;
use js::parse_int_decimal;

use crate::{billing::Usage, domain::CacheSplit};

/// Name of a counter of one key and model: `usage:{key}:model:{period}:{model}:{at}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counter<'a> {
    pub key_id: &'a str,
    /// `daily`, `monthly` or `hourly`.
    pub period: &'a str,
    pub model: &'a str,
    /// Local `YYYY-MM-DD`, `YYYY-MM` or `YYYY-MM-DD:HH`.
    pub at: &'a str,
}

impl<'a> Counter<'a> {
    /// Reads a name; `None` for any other.
    pub fn parse(name: &'a str) -> Option<Self> {
        let (key_id, rest) = name.strip_prefix("usage:")?.split_once(":model:")?;
        let (period, rest) = rest.split_once(':')?;
        let length = match period {
            "daily" => "2026-01-02".len(),
            "monthly" => "2026-01".len(),
            "hourly" => "2026-01-02:03".len(),
            _ => return None,
        };
        let cut = rest.len().checked_sub(length + 1)?;
        let (model, at) = (rest.get(..cut)?, rest.get(cut..)?.strip_prefix(':')?);
        let shaped = at.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            10 => byte == b':',
            _ => byte.is_ascii_digit(),
        });
        (shaped && !model.is_empty() && !key_id.is_empty()).then_some(Self {
            key_id,
            period,
            model,
            at,
        })
    }
}

/// Fields that [`counts`] and [`strict_counts`] read.
pub(super) const FIELDS: [&str; 12] = [
    "totalInputTokens",
    "inputTokens",
    "totalOutputTokens",
    "outputTokens",
    "totalCacheCreateTokens",
    "cacheCreateTokens",
    "totalCacheReadTokens",
    "cacheReadTokens",
    "totalEphemeral5mTokens",
    "ephemeral5mTokens",
    "totalEphemeral1hTokens",
    "ephemeral1hTokens",
];

/// What was counted: of the two spellings of each counter the first that is a number above zero.
pub(super) fn counts(fields: &HashMap<String, String>) -> Usage<'static> {
    usage(|long, short| {
        [long, short]
            .into_iter()
            .map(|name| number(fields, name, parse_int))
            .find(|n| *n > 0)
            .unwrap_or(0)
    })
}

/// What was counted: the older spelling wherever it has any text; lifetimes in the newer one only.
/// Digits are decimal ones.
pub(super) fn strict_counts(fields: &HashMap<String, String>) -> Usage<'static> {
    let mut usage = usage(|long, short| {
        let name = if long.contains("Ephemeral") { short } else { long };
        let there = fields.get(name).is_some_and(|text| !text.is_empty());
        number(fields, if there { name } else { short }, parse_int_decimal)
    });
    if let Some(split) = usage.split {
        usage.cache_create = split.ephemeral_5m + split.ephemeral_1h;
    }
    usage
}

fn usage(count: impl Fn(&str, &str) -> u64) -> Usage<'static> {
    let split = CacheSplit {
        ephemeral_5m: count(FIELDS[8], FIELDS[9]),
        ephemeral_1h: count(FIELDS[10], FIELDS[11]),
    };
    Usage {
        input: count(FIELDS[0], FIELDS[1]),
        output: count(FIELDS[2], FIELDS[3]),
        cache_create: count(FIELDS[4], FIELDS[5]),
        cache_read: count(FIELDS[6], FIELDS[7]),
        split: (split != CacheSplit::default()).then_some(split),
        ..Usage::default()
    }
}

fn number(
    fields: &HashMap<String, String>,
    name: &str,
    parse: impl Fn(&str) -> Option<i64>,
) -> u64 {
    let value = fields.get(name).and_then(|text| parse(text)).unwrap_or(0);
    u64::try_from(value).unwrap_or(0)
}
