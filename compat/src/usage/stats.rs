//! Statistics of one key as `/v1/usage` and `/v1/key-info` show them.

use serde_json::{Map, Value};

use crate::{
    clock::LocalCalendar,
    date::date_ms,
    js, keys,
    number::{self, parse_int},
    store::{Batch, Cmd, Reply, Store, StoreError},
};

/// What [`usage_stats`] includes.
#[derive(Clone, Copy, Debug)]
pub struct StatsOptions {
    /// Newest usage records to include, `None` for no `recentRecords` at all. The service shows 20.
    pub records: Option<usize>,
}

impl Default for StatsOptions {
    fn default() -> Self {
        Self { records: Some(20) }
    }
}

/// Totals, today, this month, averages since creation and the newest records, with the legacy field
/// names, order and number spellings (`apiKeyService.js:getUsageStats`). One round trip.
///
/// # Errors
/// When Redis cannot be asked.
pub async fn usage_stats(
    store: &dyn Store,
    calendar: LocalCalendar,
    now_ms: i64,
    key_id: &str,
    options: StatsOptions,
) -> Result<Value, StoreError> {
    let mut batch = Batch::new();
    batch.push(Cmd::new("HGETALL").arg(keys::usage(key_id)));
    let daily = keys::usage_daily(key_id, calendar.date(now_ms));
    batch.push(Cmd::new("HGETALL").arg(daily));
    let monthly = keys::usage_monthly(key_id, calendar.month(now_ms));
    batch.push(Cmd::new("HGETALL").arg(monthly));
    batch.push(Cmd::new("HGET").arg(keys::api_key(key_id)).arg("createdAt"));
    if let Some(count) = options.records {
        let last = i64::try_from(count.saturating_sub(1)).unwrap_or(i64::MAX);
        let records = keys::usage_records(key_id);
        batch.push(Cmd::new("LRANGE").arg(records).arg(0_i64).arg(last));
    }
    let mut replies = store.run(batch).await?.into_iter();
    let mut next = || replies.next().unwrap_or(Reply::Nil);
    let total = Fields::from(next())?;
    let daily = Fields::from(next())?;
    let monthly = Fields::from(next())?;
    let created = next().text()?.filter(|text| !text.is_empty());
    let mut stats = Map::new();
    stats.insert("total".into(), total.counters());
    stats.insert("daily".into(), daily.counters());
    stats.insert("monthly".into(), monthly.counters());
    stats.insert("averages".into(), averages(&total, created.as_deref(), now_ms));
    if options.records.is_some() {
        let records = next().texts().unwrap_or_default();
        stats.insert(
            "recentRecords".into(),
            records.iter().filter_map(|text| record(text)).collect(),
        );
    }
    Ok(Value::Object(stats))
}

/// A counter hash.
struct Fields(std::collections::HashMap<String, String>);

impl Fields {
    fn from(reply: Reply) -> Result<Self, StoreError> {
        reply.map().map(Self)
    }

    /// First of the fields that reads as a number other than 0.
    fn first(&self, names: &[&str]) -> i64 {
        let number = |name: &&str| self.0.get(*name).and_then(|text| parse_int(text));
        names.iter().filter_map(number).find(|n| *n != 0).unwrap_or(0)
    }

    /// The seven figures. Hashes of early versions carry a token sum without its parts; it is shown as
    /// 30 % input and 70 % output.
    #[expect(clippy::cast_precision_loss, reason = "the legacy service counts in doubles")]
    fn counters(&self) -> Value {
        let tokens = self.first(&["totalTokens", "tokens"]);
        let input = self.first(&["totalInputTokens", "inputTokens"]);
        let output = self.first(&["totalOutputTokens", "outputTokens"]);
        let requests = self.first(&["totalRequests", "requests"]);
        let create = self.first(&["totalCacheCreateTokens", "cacheCreateTokens"]);
        let read = self.first(&["totalCacheReadTokens", "cacheReadTokens"]);
        let all = match self.first(&["totalAllTokens", "allTokens"]) {
            0 => input + output + create + read,
            all => all,
        };
        let early = input + output == 0 && tokens > 0;
        let share = |part: f64| number::json(number::round(tokens as f64 * part));
        let figures = if early {
            [tokens.into(), share(0.3), share(0.7), 0.into(), 0.into(), tokens.into()]
        } else {
            [all.into(), input.into(), output.into(), create.into(), read.into(), all.into()]
        };
        let names = [
            "tokens",
            "inputTokens",
            "outputTokens",
            "cacheCreateTokens",
            "cacheReadTokens",
            "allTokens",
        ];
        let mut counters: Map<String, Value> =
            names.into_iter().map(str::to_owned).zip(figures).collect();
        counters.insert("requests".into(), requests.into());
        Value::Object(counters)
    }
}

#[expect(clippy::cast_precision_loss, reason = "the legacy service counts in doubles")]
fn averages(total: &Fields, created: Option<&str>, now_ms: i64) -> Value {
    let age_ms = match created {
        None => 0.0,
        Some(text) => date_ms(text).map_or(f64::NAN, |created| (now_ms - created) as f64),
    };
    let days = (age_ms / 86_400_000.0).ceil();
    // An unreadable date leaves every average undefined, which JSON shows as null.
    let days = if days.is_nan() { days } else { days.max(1.0) };
    let minutes = days * 24.0 * 60.0;
    let requests = total.first(&["totalRequests"]) as f64;
    let tokens = total.first(&["totalTokens"]) as f64;
    let shown = |value: f64| number::json(number::round(value * 100.0) / 100.0);
    let mut averages = Map::new();
    averages.insert("rpm".into(), shown(requests / minutes));
    averages.insert("tpm".into(), shown(tokens / minutes));
    averages.insert("dailyRequests".into(), shown(requests / days));
    averages.insert("dailyTokens".into(), shown(tokens / days));
    Value::Object(averages)
}

/// One usage record; both breakdowns show the real cost, whichever of them is stored.
fn record(text: &str) -> Option<Value> {
    let Value::Object(mut record) = serde_json::from_str(text).ok()? else { return None };
    let stored = |name: &str| js::or(record.get(name)).cloned();
    let breakdown = stored("realCostBreakdown").or_else(|| record.get("costBreakdown").cloned());
    for name in ["costBreakdown", "realCostBreakdown"] {
        match &breakdown {
            Some(breakdown) => {
                record.insert(name.into(), breakdown.clone());
            }
            None => {
                record.shift_remove(name);
            }
        }
    }
    Some(Value::Object(record))
}
