//! The calculator for cache-lifetime splits, long context and fast mode.

use super::{Cost, PricingSource, Usage, is_claude, tokens};
use crate::billing::{
    prices::{Price, PriceTable},
    told::{Told, first},
};

const LONG_CONTEXT_BETA: &str = "context-1m-2025-08-07";
const FAST_BETA: &str = "fast-mode-2026-02-01";
const FAST_SPEED: &str = "fast";
const DEFAULT_FAST_MULTIPLIER: f64 = 6.0;
/// More input than this makes a long-context request.
const LONG_CONTEXT_TOKENS: u64 = 200_000;

/// Claude cache prices as multiples of the input price, for entries that lack them.
const CLAUDE_WRITE_5M: f64 = 1.25;
const CLAUDE_WRITE_1H: f64 = 2.0;
const CLAUDE_READ: f64 = 0.1;

/// USD per token of one request.
struct Tariff {
    input: Told,
    output: Told,
    cache_write: Told,
    cache_write_1h: Told,
    cache_read: Told,
}

/// Cost by the price table, or `None` when it has no entry for the model, or one with prices that are no
/// numbers.
pub(super) fn calculate(prices: &PriceTable, usage: &Usage<'_>, model: &str) -> Option<Cost> {
    let (cost, sound) = unchecked(prices, usage, model)?;
    sound.then_some(cost)
}

/// Cost by the price table, and whether all of it are numbers with an end; `None` without an entry.
pub(super) fn unchecked(
    prices: &PriceTable,
    usage: &Usage<'_>,
    model: &str,
) -> Option<(Cost, bool)> {
    let price = prices.find(model)?;
    let claude = is_claude(model, price);
    let long_context = is_long_context(usage, model, price);
    let mut tariff = if long_context { long_tariff(price, claude) } else { base_tariff(price) };
    if claude {
        fill_claude_cache(&mut tariff);
    }
    if is_fast(usage) {
        let fast = price.fast.filter(|fast| fast.counts());
        speed_up(&mut tariff, fast.map_or(DEFAULT_FAST_MULTIPLIER, Told::amount));
    }

    let input = tokens(usage.input) * tariff.input.amount();
    let output = tokens(usage.output) * tariff.output.amount();
    let (ephemeral_5m, ephemeral_1h, cache_create) = match usage.split {
        Some(split) => {
            let short = tokens(split.ephemeral_5m) * tariff.cache_write.amount();
            let long = tokens(split.ephemeral_1h) * tariff.cache_write_1h.amount();
            (short, long, short + long)
        }
        None if usage.cache_create == 0 => (0.0, 0.0, 0.0),
        None => {
            let all = tokens(usage.cache_create) * tariff.cache_write.amount();
            (all, 0.0, all)
        }
    };
    let cache_read = tokens(usage.cache_read) * tariff.cache_read.amount();
    let cost = Cost {
        input,
        output,
        cache_create,
        cache_read,
        ephemeral_5m,
        ephemeral_1h,
        total: input + output + cache_create + cache_read,
        long_context,
        source: Some(PricingSource::Dynamic),
        used_fallback: false,
    };
    // The total is finite only if its parts are.
    let sound = tariff.is_sound() && cost.total.is_finite();
    Some((cost, sound))
}

impl Tariff {
    /// Whether the prices are numbers; that of one-hour writes shows in the cost alone.
    fn is_sound(&self) -> bool {
        let prices = [self.input, self.output, self.cache_write, self.cache_read];
        prices.into_iter().all(Told::is_finite_number)
    }
}

fn is_long_context(usage: &Usage<'_>, model: &str, price: &Price) -> bool {
    let asked = model.contains("[1m]") || has_beta(usage, LONG_CONTEXT_BETA);
    let input = usage.input.saturating_add(usage.cache_create).saturating_add(usage.cache_read);
    asked
        && input > LONG_CONTEXT_TOKENS
        && !is_claude(&model.to_lowercase().replace("[1m]", ""), price)
}

fn is_fast(usage: &Usage<'_>) -> bool {
    let is_fast =
        |speed: Option<&str>| speed.is_some_and(|s| s.trim().to_lowercase() == FAST_SPEED);
    has_beta(usage, FAST_BETA) && (is_fast(usage.speed) || is_fast(usage.request_speed))
}

fn has_beta(usage: &Usage<'_>, feature: &str) -> bool {
    usage
        .anthropic_beta
        .is_some_and(|list| list.split(',').any(|item| item.trim().to_lowercase() == feature))
}

fn base_tariff(price: &Price) -> Tariff {
    Tariff {
        input: first(&[price.input]),
        output: first(&[price.output]),
        cache_write: first(&[price.cache_write]),
        cache_write_1h: first(&[price.cache_write_1h]),
        cache_read: first(&[price.cache_read]),
    }
}

/// Long-context prices. A Claude entry without an input price doubles the base price and derives its
/// cache prices from that; other entries fall back to their base prices.
fn long_tariff(price: &Price, claude: bool) -> Tariff {
    let base = base_tariff(price);
    let unless_claude = |fallback: Option<Told>| if claude { None } else { fallback };
    let doubled = if claude { base.input.times(2.0) } else { base.input };
    Tariff {
        input: price.input_200k.unwrap_or(doubled),
        output: price.output_200k.unwrap_or(base.output),
        cache_write: first(&[price.cache_write_200k, unless_claude(price.cache_write)]),
        cache_write_1h: price
            .cache_write_1h_200k
            .unwrap_or_else(|| first(&[unless_claude(price.cache_write_1h)])),
        cache_read: first(&[price.cache_read_200k, unless_claude(price.cache_read)]),
    }
}

fn fill_claude_cache(tariff: &mut Tariff) {
    let input = tariff.input;
    let fill = |price: &mut Told, multiple: f64| {
        if !price.counts() {
            *price = input.times(multiple);
        }
    };
    fill(&mut tariff.cache_write, CLAUDE_WRITE_5M);
    fill(&mut tariff.cache_read, CLAUDE_READ);
    fill(&mut tariff.cache_write_1h, CLAUDE_WRITE_1H);
}

fn speed_up(tariff: &mut Tariff, multiplier: f64) {
    if multiplier > 1.0 {
        for price in [
            &mut tariff.input,
            &mut tariff.output,
            &mut tariff.cache_write,
            &mut tariff.cache_read,
            &mut tariff.cache_write_1h,
        ] {
            *price = price.times(multiplier);
        }
    }
}
