//! What accounts cost today, for quotas (`redis.js:batchGetAccountDailyCost`).

use compat::{
    account_state::UsageCost,
    clock::LocalCalendar,
    number::parse_int,
    pool::DayUsage,
    store::{Batch, Cmd, Reply, Store, StoreError},
};

use super::{
    cost::{Usage, calculate},
    prices::PriceTable,
};
use crate::domain::CacheSplit;

/// Real cost of each account today, USD, in the order asked: priced from the day's counters per model.
/// Two round trips, or one when no account has served anything.
///
/// # Errors
/// When Redis cannot be asked.
pub async fn account_daily_costs(
    store: &dyn Store,
    prices: &PriceTable,
    calendar: LocalCalendar,
    now_ms: i64,
    accounts: &[&str],
) -> Result<Vec<f64>, StoreError> {
    let mut costs = vec![0.0; accounts.len()];
    let today = calendar.date(now_ms);
    let index = Cmd::new("SMEMBERS").arg(format!("account_usage:model:daily:index:{today}"));
    let members = match store.run(Batch::from(index)).await?.pop() {
        Some(reply) => reply.texts()?,
        None => Vec::new(),
    };
    let mut batch = Batch::new();
    let mut asked = Vec::new();
    for (account, model) in members.iter().filter_map(|member| member.split_once(':')) {
        if let Some(place) = accounts.iter().position(|id| *id == account) {
            let key = format!("account_usage:model:daily:{account}:{model}:{today}");
            batch.push(Cmd::new("HGETALL").arg(key));
            asked.push((place, model));
        }
    }
    if batch.is_empty() {
        return Ok(costs);
    }
    let replies = store.run(batch).await?;
    for ((place, model), reply) in asked.into_iter().zip(replies) {
        costs[place] += day_cost(prices, model, reply);
    }
    Ok(costs)
}

fn day_cost(prices: &PriceTable, model: &str, reply: Reply) -> f64 {
    let fields = reply.map().unwrap_or_default();
    let has = |name: &str| fields.get(name).is_some_and(|text| !text.is_empty());
    if !has("inputTokens") && !has("outputTokens") {
        return 0.0;
    }
    let count = |name: &str| {
        let value = fields.get(name).and_then(|text| parse_int(text)).unwrap_or(0);
        u64::try_from(value).unwrap_or(0)
    };
    let split = CacheSplit {
        ephemeral_5m: count("ephemeral5mTokens"),
        ephemeral_1h: count("ephemeral1hTokens"),
    };
    let usage = Usage {
        input: count("inputTokens"),
        output: count("outputTokens"),
        cache_create: count("cacheCreateTokens"),
        cache_read: count("cacheReadTokens"),
        split: (split != CacheSplit::default()).then_some(split),
        ..Usage::default()
    };
    calculate(prices, &usage, model).total
}

impl UsageCost for super::Billing {
    fn cost(&self, usage: &DayUsage) -> f64 {
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        let split = CacheSplit {
            ephemeral_5m: count(usage.ephemeral_5m),
            ephemeral_1h: count(usage.ephemeral_1h),
        };
        let usage_of_day = Usage {
            input: count(usage.input),
            output: count(usage.output),
            cache_create: count(usage.cache_create),
            cache_read: count(usage.cache_read),
            split: (split != CacheSplit::default()).then_some(split),
            ..Usage::default()
        };
        calculate(&self.prices(), &usage_of_day, &usage.model).total
    }
}
