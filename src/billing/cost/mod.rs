//! Real cost of one reply in USD, by the legacy service's two calculators.
//!
//! Sums of money are doubles computed in the legacy order of operations, so results are bit-equal with
//! what the legacy service writes. The detailed calculator applies to replies with a cache-lifetime
//! split and to `[1m]` models; everything else goes by the plain one
//! (contract/auth-limits-usage.md §5.3).

mod detailed;
mod plain;
#[cfg(test)]
mod tests;

use super::prices::{Price, PriceTable};
use crate::domain::CacheSplit;

/// What the calculators look at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage<'a> {
    /// Uncached input tokens.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Tokens written to the cache.
    pub cache_create: u64,
    /// Tokens read from the cache.
    pub cache_read: u64,
    /// Cache writes by lifetime. Its presence alone selects the detailed calculator.
    pub split: Option<CacheSplit>,
    /// `anthropic-beta` of the client's request.
    pub anthropic_beta: Option<&'a str>,
    /// `speed` of the client's request body.
    pub request_speed: Option<&'a str>,
    /// `usage.speed` of the reply.
    pub speed: Option<&'a str>,
    /// `service_tier` of the client's request (OpenAI platforms).
    pub service_tier: Option<&'a str>,
}

/// Where the prices of a [`Cost`] came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PricingSource {
    /// The price table.
    Dynamic,
    /// The short list of well-known models inside the program.
    Static,
    /// Default prices, because the model is unknown.
    UnknownFallback,
}

impl PricingSource {
    /// The legacy spelling in usage records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dynamic => "dynamic",
            Self::Static => "static",
            Self::UnknownFallback => "unknown-fallback",
        }
    }
}

/// Real cost of one reply, USD.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Uncached input.
    pub input: f64,
    /// Output.
    pub output: f64,
    /// Cache writes.
    pub cache_create: f64,
    /// Cache reads.
    pub cache_read: f64,
    /// Five-minute part of the cache writes (detailed calculator only).
    pub ephemeral_5m: f64,
    /// One-hour part of the cache writes (detailed calculator only).
    pub ephemeral_1h: f64,
    /// Sum.
    pub total: f64,
    /// Whether long-context prices applied.
    pub long_context: bool,
    /// Where the prices came from; `None` for a request without a cost that can be calculated.
    pub source: Option<PricingSource>,
    /// Whether prices had to be guessed.
    pub used_fallback: bool,
}

/// Real cost of a reply of `model`. An empty model name is `unknown`.
pub fn calculate(prices: &PriceTable, usage: &Usage<'_>, model: &str) -> Cost {
    if usage.split.is_none() && !model.contains("[1m]") {
        return plain::calculate(prices, usage, model, false);
    }
    match detailed::calculate(prices, usage, model) {
        Some(cost) => cost,
        None => plain::calculate(prices, usage, model, true),
    }
}

/// Real cost for a rate window when the recorded cost was zero: the detailed calculator without any
/// request details, then the plain one (`rateLimitHelper.js`).
pub fn recalculate_for_window(prices: &PriceTable, usage: &Usage<'_>, model: &str) -> f64 {
    let bare = Usage {
        input: usage.input,
        output: usage.output,
        cache_create: usage.cache_create,
        cache_read: usage.cache_read,
        ..Usage::default()
    };
    match detailed::unchecked(prices, &bare, model) {
        Some((cost, _)) if cost.total != 0.0 => cost.total,
        _ => calculate(prices, &bare, model).total,
    }
}

/// Real cost by the detailed calculator alone; 0 for a model without a price (what the weekly costs are
/// filled by, `weeklyClaudeCostInitService.js`).
pub fn detailed_total(prices: &PriceTable, usage: &Usage<'_>, model: &str) -> f64 {
    let cost = detailed::unchecked(prices, usage, model).map(|(cost, _)| cost.total);
    cost.filter(|total| !total.is_nan()).unwrap_or(0.0)
}

/// A token count as a double.
#[expect(clippy::cast_precision_loss, reason = "the legacy service counts in doubles")]
fn tokens(count: u64) -> f64 {
    count as f64
}

/// Whether prices of Claude models apply: flat at any length, cache prices derived from input.
fn is_claude(model: &str, price: &Price) -> bool {
    model.to_lowercase().contains("claude")
        || price.provider.as_deref().is_some_and(|p| p.to_lowercase().contains("anthropic"))
}
