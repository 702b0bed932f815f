//! JSON texts of usage records, billing events and request details: field order, nulls and number
//! spellings as the legacy service writes them (contract/redis.md §d).

use rand::{Rng, distr::Alphanumeric};
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::{CostBreakdown, Recording, UsageEvent};
use crate::{
    clock::{iso, utc_date},
    number::{self, round6},
};

/// A captured request detail, ready to be stored.
#[derive(Clone, Debug)]
pub(super) struct Detail {
    pub(super) request_id: String,
    pub(super) at_ms: i64,
    /// UTC day of the index.
    pub(super) day: String,
    pub(super) json: String,
    pub(super) ttl_seconds: i64,
}

/// Element of `usage:records:{key}`.
pub(super) fn usage_record(event: &UsageEvent) -> String {
    let meta = event.meta.as_ref();
    let tokens = &event.tokens;
    let detailed = event.recording == Recording::Detailed;
    let parts = breakdown(event);
    text(&UsageRecord {
        timestamp: iso(event.at_ms),
        model: &event.model,
        account_id: filled(event.account_id.as_deref()),
        account_type: filled(event.account_type.as_deref()),
        request_id: meta.and_then(|m| filled(m.request_id.as_deref())),
        endpoint: meta.and_then(|m| filled(m.endpoint.as_deref())),
        method: meta.and_then(|m| filled(m.method.as_deref())),
        status_code: meta.and_then(|m| m.status).filter(|status| *status != 0),
        stream: meta.is_some_and(|m| m.stream),
        duration_ms: meta.and_then(|m| m.duration_ms),
        input_tokens: tokens.input,
        output_tokens: tokens.output,
        cache_create_tokens: tokens.cache_create,
        cache_read_tokens: tokens.cache_read,
        ephemeral_5m_tokens: detailed.then_some(tokens.ephemeral_5m),
        ephemeral_1h_tokens: detailed.then_some(tokens.ephemeral_1h),
        total_tokens: tokens.total(),
        cost: number::json(round6(event.rated)),
        real_cost: number::json(round6(event.cost.total)),
        cost_breakdown: &parts,
        real_cost_breakdown: &parts,
        pricing_source: detailed.then_some(event.cost.source.as_deref()),
        used_fallback_pricing: detailed.then_some(event.cost.used_fallback),
        is_long_context: event.long_context,
    })
}

/// Value of field `data` of a `billing:events` entry. Its cost is the real one.
pub(super) fn billing_event(event: &UsageEvent) -> String {
    let tokens = &event.tokens;
    let at = iso(event.at_ms);
    text(&BillingEvent {
        event_id: format!("{}-{}", event.at_ms, random_text(9)),
        event_type: "usage.recorded",
        timestamp: &at,
        version: "1.0",
        api_key: BilledKey {
            id: &event.key.id,
            name: filled(event.key.name.as_deref()),
            user_id: filled(event.key.user_id.as_deref()),
        },
        usage: BilledUsage {
            model: &event.model,
            input_tokens: tokens.input,
            output_tokens: tokens.output,
            cache_create_tokens: tokens.cache_create,
            cache_read_tokens: tokens.cache_read,
            ephemeral_5m_tokens: tokens.ephemeral_5m,
            ephemeral_1h_tokens: tokens.ephemeral_1h,
            total_tokens: tokens.total(),
        },
        cost: BilledCost {
            total: number::json(event.cost.total),
            currency: "USD",
            breakdown: Breakdown { total: None, ..breakdown(event) },
        },
        account: BilledAccount {
            id: filled(event.account_id.as_deref()),
            kind: filled(event.account_type.as_deref()),
        },
        context: BilledContext { is_long_context: event.long_context, request_timestamp: &at },
    })
}

/// The request detail, when one is captured.
pub(super) fn detail(event: &UsageEvent) -> Option<Detail> {
    let capture = event.detail.as_ref()?;
    let meta = event.meta.as_ref();
    let request_id = meta
        .and_then(|m| filled(m.request_id.as_deref()))
        .map_or_else(|| format!("rd_{}_{}", event.at_ms, random_text(8)), str::to_owned);
    // A cost that is no number is none here, whatever the usage record says.
    let sum = |usd: f64| if usd.is_finite() { round6(usd) } else { 0.0 };
    let (real, rated) = (sum(event.cost.total), sum(event.rated));
    let detailed = event.recording == Recording::Detailed;
    let snapshot = capture.body_snapshot.as_ref();
    let parts = breakdown(event);
    let json = text(&RequestDetail {
        request_id: &request_id,
        timestamp: iso(event.at_ms),
        request_started_at: meta.and_then(|m| m.started_at_ms).map(iso),
        endpoint: meta.and_then(|m| filled(m.endpoint.as_deref())),
        method: meta.and_then(|m| filled(m.method.as_deref())),
        status_code: meta.and_then(|m| m.status).unwrap_or(200),
        stream: meta.is_some_and(|m| m.stream),
        api_key_id: &event.key.id,
        account_id: filled(event.account_id.as_deref()),
        account_type: filled(event.account_type.as_deref()).unwrap_or("unknown"),
        model: filled(Some(&event.model)).unwrap_or("unknown"),
        input_tokens: event.tokens.input,
        output_tokens: event.tokens.output,
        cache_read_tokens: event.tokens.cache_read,
        cache_create_tokens: event.tokens.cache_create,
        total_tokens: event.tokens.total(),
        cost: number::json(rated),
        real_cost: number::json(if real == 0.0 { rated } else { real }),
        cost_breakdown: &parts,
        real_cost_breakdown: &parts,
        pricing_source: event.cost.source.as_deref().filter(|_| detailed),
        used_fallback_pricing: detailed && event.cost.used_fallback,
        cost_recomputed: false,
        duration_ms: meta.and_then(|m| m.duration_ms).unwrap_or(0),
        is_long_context_request: event.long_context,
        reasoning_display: capture.reasoning.as_ref().map(|(display, _)| display.as_str()),
        reasoning_source: capture.reasoning.as_ref().map(|(_, source)| source.as_str()),
        request_body_snapshot: snapshot.and_then(|json| RawValue::from_string(json.clone()).ok()),
    });
    Some(Detail {
        request_id,
        at_ms: event.at_ms,
        day: utc_date(event.at_ms),
        json,
        ttl_seconds: capture.ttl_seconds,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageRecord<'a> {
    timestamp: String,
    model: &'a str,
    account_id: Option<&'a str>,
    account_type: Option<&'a str>,
    request_id: Option<&'a str>,
    endpoint: Option<&'a str>,
    method: Option<&'a str>,
    status_code: Option<u16>,
    stream: bool,
    duration_ms: Option<i64>,
    input_tokens: i64,
    output_tokens: i64,
    cache_create_tokens: i64,
    cache_read_tokens: i64,
    #[serde(rename = "ephemeral5mTokens", skip_serializing_if = "Option::is_none")]
    ephemeral_5m_tokens: Option<i64>,
    #[serde(rename = "ephemeral1hTokens", skip_serializing_if = "Option::is_none")]
    ephemeral_1h_tokens: Option<i64>,
    total_tokens: i64,
    cost: Value,
    real_cost: Value,
    cost_breakdown: &'a Breakdown,
    real_cost_breakdown: &'a Breakdown,
    #[serde(skip_serializing_if = "Option::is_none")]
    pricing_source: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used_fallback_pricing: Option<bool>,
    is_long_context: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Breakdown {
    input: Value,
    output: Value,
    cache_create: Value,
    /// The simple recorder stores its calculator's result as it is, which names cache writes twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write: Option<Value>,
    cache_read: Value,
    #[serde(rename = "ephemeral5m")]
    ephemeral_5m: Value,
    #[serde(rename = "ephemeral1h")]
    ephemeral_1h: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BillingEvent<'a> {
    event_id: String,
    event_type: &'static str,
    timestamp: &'a str,
    version: &'static str,
    api_key: BilledKey<'a>,
    usage: BilledUsage<'a>,
    cost: BilledCost,
    account: BilledAccount<'a>,
    context: BilledContext<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BilledKey<'a> {
    id: &'a str,
    name: Option<&'a str>,
    user_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BilledUsage<'a> {
    model: &'a str,
    input_tokens: i64,
    output_tokens: i64,
    cache_create_tokens: i64,
    cache_read_tokens: i64,
    #[serde(rename = "ephemeral5mTokens")]
    ephemeral_5m_tokens: i64,
    #[serde(rename = "ephemeral1hTokens")]
    ephemeral_1h_tokens: i64,
    total_tokens: i64,
}

#[derive(Serialize)]
struct BilledCost {
    total: Value,
    currency: &'static str,
    breakdown: Breakdown,
}

#[derive(Serialize)]
struct BilledAccount<'a> {
    id: Option<&'a str>,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BilledContext<'a> {
    is_long_context: bool,
    request_timestamp: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestDetail<'a> {
    request_id: &'a str,
    timestamp: String,
    request_started_at: Option<String>,
    endpoint: Option<&'a str>,
    method: Option<&'a str>,
    status_code: u16,
    stream: bool,
    api_key_id: &'a str,
    account_id: Option<&'a str>,
    account_type: &'a str,
    model: &'a str,
    input_tokens: i64,
    output_tokens: i64,
    cache_read_tokens: i64,
    cache_create_tokens: i64,
    total_tokens: i64,
    cost: Value,
    real_cost: Value,
    cost_breakdown: &'a Breakdown,
    real_cost_breakdown: &'a Breakdown,
    pricing_source: Option<&'a str>,
    used_fallback_pricing: bool,
    cost_recomputed: bool,
    duration_ms: i64,
    is_long_context_request: bool,
    reasoning_display: Option<&'a str>,
    reasoning_source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_body_snapshot: Option<Box<RawValue>>,
}

fn breakdown(event: &UsageEvent) -> Breakdown {
    let CostBreakdown { input, output, cache_create, cache_read, .. } = event.cost;
    let simple = event.recording == Recording::Simple;
    Breakdown {
        input: number::json(input),
        output: number::json(output),
        cache_create: number::json(cache_create),
        cache_write: simple.then(|| number::json(cache_create)),
        cache_read: number::json(cache_read),
        ephemeral_5m: number::json(event.cost.ephemeral_5m),
        ephemeral_1h: number::json(event.cost.ephemeral_1h),
        total: Some(number::json(event.cost.total)),
    }
}

/// `value || null`.
fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// Lower-case letters and digits, as base 36 gives them.
fn random_text(length: usize) -> String {
    let letters = rand::rng().sample_iter(Alphanumeric).map(|c| char::from(c).to_ascii_lowercase());
    letters.take(length).collect()
}

fn text(entry: &impl Serialize) -> String {
    serde_json::to_string(entry).unwrap_or_default()
}
