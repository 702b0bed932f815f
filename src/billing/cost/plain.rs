//! The calculator for replies without a cache-lifetime split; knows the priority tier, ignores speed.

use super::{Cost, PricingSource, Usage, tokens};
use crate::billing::{
    prices::{Price, PriceTable},
    told::{Told, first},
};

const MILLION: f64 = 1_000_000.0;

/// USD per million tokens.
#[derive(Clone, Copy)]
struct Tariff {
    input: f64,
    output: f64,
    cache_write: f64,
    cache_read: f64,
}

const SONNET: Tariff = Tariff { input: 3.0, output: 15.0, cache_write: 3.75, cache_read: 0.3 };
const HAIKU: Tariff = Tariff { input: 0.25, output: 1.25, cache_write: 0.3, cache_read: 0.03 };
const OPUS: Tariff = Tariff { input: 15.0, output: 75.0, cache_write: 18.75, cache_read: 1.5 };

/// Prices of last resort, used when the table has no entry; other models cost as [`SONNET`].
const WELL_KNOWN: [(&str, Tariff); 9] = [
    ("claude-3-5-sonnet-20241022", SONNET),
    ("claude-sonnet-4-20250514", SONNET),
    ("claude-sonnet-4-5-20250929", SONNET),
    ("claude-3-5-haiku-20241022", HAIKU),
    ("claude-3-opus-20240229", OPUS),
    ("claude-opus-4-1-20250805", OPUS),
    ("claude-3-sonnet-20240229", SONNET),
    ("claude-3-haiku-20240307", HAIKU),
    ("unknown", SONNET),
];

/// Cost by the table or by the prices of last resort. `detailed_failed` marks a request that should have
/// gone through the detailed calculator.
pub(super) fn calculate(
    prices: &PriceTable,
    usage: &Usage<'_>,
    model: &str,
    detailed_failed: bool,
) -> Cost {
    let model = if model.is_empty() { "unknown" } else { model };
    let (tariff, source) = match prices.find(model) {
        Some(price) => (listed(price, usage, model), PricingSource::Dynamic),
        None => match WELL_KNOWN.iter().find(|(name, _)| *name == model) {
            Some((_, tariff)) => (*tariff, PricingSource::Static),
            None => (SONNET, PricingSource::UnknownFallback),
        },
    };
    let input = tokens(usage.input) / MILLION * tariff.input;
    let output = tokens(usage.output) / MILLION * tariff.output;
    let cache_create = tokens(usage.cache_create) / MILLION * tariff.cache_write;
    let cache_read = tokens(usage.cache_read) / MILLION * tariff.cache_read;
    Cost {
        input,
        output,
        cache_create,
        cache_read,
        ephemeral_5m: 0.0,
        ephemeral_1h: 0.0,
        total: input + output + cache_create + cache_read,
        long_context: false,
        source: Some(source),
        used_fallback: detailed_failed || source == PricingSource::UnknownFallback,
    }
}

fn listed(price: &Price, usage: &Usage<'_>, model: &str) -> Tariff {
    let priority = usage.service_tier == Some("priority") && price.priority_tier;
    let tier = |special: Option<Told>, base: Option<Told>| {
        first(&[special.filter(|_| priority), base]).amount() * MILLION
    };
    let input = tier(price.input_priority, price.input);
    let openai = model.contains("gpt")
        || model.contains("o1")
        || price.provider.as_deref() == Some("openai");
    let cache_write = first(&[price.cache_write]);
    let write_as_input = openai && !cache_write.counts() && usage.cache_create > 0;
    Tariff {
        input,
        output: tier(price.output_priority, price.output),
        cache_write: if write_as_input { input } else { cache_write.amount() * MILLION },
        cache_read: tier(price.cache_read_priority, price.cache_read),
    }
}
