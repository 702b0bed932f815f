//! From a finished request to the event that is booked.

use compat::{
    keys::AccountKind,
    usage::{
        CostBreakdown, DetailCapture, KeyRef, Recording, RequestMeta, TokenCounts, UsageEvent,
        WindowCharge,
    },
};

use super::{
    cost::{self, Cost, Usage},
    detail,
    prices::PriceTable,
    rates::{KeyRates, ServiceRates, service_of},
};
use crate::domain::{AccountId, TokenUsage};

/// Larger counts than a double can hold exactly are not believed.
const MOST_TOKENS: u64 = 1 << 53;
/// More input than this makes a long-context request.
const LONG_CONTEXT_TOKENS: i64 = 200_000;

/// A finished request with the usage its upstream reported.
#[derive(Clone, Debug)]
pub struct UsageRecord<'a> {
    /// The API key.
    pub key: BilledKey<'a>,
    /// The account that served it.
    pub account: Option<BilledAccount<'a>>,
    /// Model to record: the reply's, else the request's, without vendor prefix.
    pub model: &'a str,
    /// Token counts of the reply.
    pub tokens: &'a TokenUsage,
    /// Which legacy recorder applies to the route.
    pub recording: Recording,
    /// The request.
    pub request: RequestFacts<'a>,
    /// When the usage became known, epoch ms.
    pub finished_at_ms: i64,
    /// `anthropic-beta` of the client's request.
    pub anthropic_beta: Option<&'a str>,
    /// `speed` of the client's request body.
    pub request_speed: Option<&'a str>,
    /// `service_tier` of the client's request body (OpenAI platforms).
    pub service_tier: Option<&'a str>,
    /// Whether a cache-lifetime split of zeros still selects the detailed calculator. Only the
    /// OpenAI-compatible Claude route passes it on.
    pub zero_split_counts: bool,
    /// Whether the key has an active rate window that this route charges.
    pub rate_window: bool,
    /// Cache writes that the window counts, where they are not those of `tokens`.
    pub window_create: Option<u64>,
    /// Set when request details are captured.
    pub detail: Option<DetailRequest<'a>>,
}

/// The API key as billing sees it.
#[derive(Clone, Copy, Debug)]
pub struct BilledKey<'a> {
    /// Record id.
    pub id: &'a str,
    /// Name.
    pub name: &'a str,
    /// Owner; empty without one.
    pub user_id: &'a str,
    /// Its own rates.
    pub rates: &'a KeyRates,
    /// First day of its week, 1 Monday to 7 Sunday.
    pub weekly_reset_day: i64,
    /// First hour of its week.
    pub weekly_reset_hour: i64,
}

/// The account that served a request.
#[derive(Clone, Copy, Debug)]
pub struct BilledAccount<'a> {
    /// Record id.
    pub id: &'a AccountId,
    /// Kind.
    pub kind: AccountKind,
}

/// The request as usage records name it.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// `X-Request-ID`.
    pub id: &'a str,
    /// Path as the client sent it; a query is dropped.
    pub endpoint: &'a str,
    /// HTTP method.
    pub method: &'a str,
    /// Status sent to the client.
    pub status: u16,
    /// Whether the reply was streamed.
    pub stream: bool,
    /// When the request arrived, epoch ms.
    pub started_at_ms: i64,
}

/// How request details are captured (`requestDetail…` of the relay settings).
#[derive(Clone, Copy, Debug)]
pub struct DetailRequest<'a> {
    /// Retention in hours as stored; brought into 1 to 720.
    pub retention_hours: i64,
    /// Whether a sanitised copy of the request body is kept.
    pub body_preview: bool,
    /// The request body.
    pub body: &'a [u8],
}

/// Prices the request.
pub(super) fn event(
    record: &UsageRecord<'_>,
    prices: &PriceTable,
    rates: &ServiceRates,
) -> UsageEvent {
    let usage = priced_usage(record);
    let cost = bookable(cost::calculate(prices, &usage, record.model), record.recording);
    let tokens = counts(&usage);
    let rated = rate(record, rates, cost.total);
    let detailed = record.recording == Recording::Detailed;
    UsageEvent {
        at_ms: record.finished_at_ms,
        key: KeyRef {
            id: record.key.id.to_owned(),
            name: filled(record.key.name),
            user_id: filled(record.key.user_id),
            weekly_reset_day: record.key.weekly_reset_day,
            weekly_reset_hour: record.key.weekly_reset_hour,
        },
        account_id: record.account.map(|account| account.id.as_str().to_owned()),
        account_type: record.account.map(|account| account.kind.as_str().to_owned()),
        model: record.model.to_owned(),
        recording: record.recording,
        long_context: if detailed { cost.long_context } else { is_long_simple(record, &tokens) },
        window: record.rate_window.then(|| {
            let create = record.window_create.unwrap_or(usage.cache_create).min(MOST_TOKENS);
            let usage = Usage { cache_create: create, ..usage };
            WindowCharge {
                tokens: counts(&usage).total(),
                cost: window_cost(record, prices, rates, &usage, cost.total, rated),
            }
        }),
        cost: breakdown(&cost, detailed),
        rated,
        meta: Some(meta(&record.request, record.finished_at_ms)),
        detail: record.detail.map(|detail| capture(&detail)),
        tokens,
    }
}

/// What the calculators see. Counts beyond belief are cut.
fn priced_usage<'a>(record: &UsageRecord<'a>) -> Usage<'a> {
    let tokens = record.tokens;
    let believed = |count: u64| count.min(MOST_TOKENS);
    let detailed = record.recording == Recording::Detailed;
    let split = tokens.split.filter(|split| {
        detailed && (record.zero_split_counts || split.ephemeral_5m > 0 || split.ephemeral_1h > 0)
    });
    Usage {
        input: believed(tokens.input),
        output: believed(tokens.output),
        cache_create: believed(tokens.cache_create),
        cache_read: believed(tokens.cache_read),
        split: split.map(|split| crate::domain::CacheSplit {
            ephemeral_5m: believed(split.ephemeral_5m),
            ephemeral_1h: believed(split.ephemeral_1h),
        }),
        anthropic_beta: record.anthropic_beta.filter(|_| detailed),
        request_speed: record.request_speed.filter(|_| detailed),
        speed: tokens.speed.as_deref().filter(|_| detailed),
        service_tier: record.service_tier.filter(|_| !detailed),
    }
}

fn counts(usage: &Usage<'_>) -> TokenCounts {
    let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let split = usage.split.unwrap_or_default();
    TokenCounts {
        input: whole(usage.input),
        output: whole(usage.output),
        cache_create: whole(usage.cache_create),
        cache_read: whole(usage.cache_read),
        ephemeral_5m: whole(split.ephemeral_5m),
        ephemeral_1h: whole(split.ephemeral_1h),
    }
}

fn rate(record: &UsageRecord<'_>, rates: &ServiceRates, real: f64) -> f64 {
    if real > 0.0 {
        let kind = record.account.map(|account| account.kind.as_str());
        record.key.rates.rated(real, service_of(kind, record.model), rates)
    } else {
        real
    }
}

/// The simple recorder flags by name and size alone, whatever the prices were.
fn is_long_simple(record: &UsageRecord<'_>, tokens: &TokenCounts) -> bool {
    record.model.contains("[1m]")
        && tokens.input + tokens.cache_create + tokens.cache_read > LONG_CONTEXT_TOKENS
}

/// Cost charged to the rate window: rated, or real where the key's rate is 0, or computed afresh from
/// the plain counts where nothing was charged.
fn window_cost(
    record: &UsageRecord<'_>,
    prices: &PriceTable,
    rates: &ServiceRates,
    usage: &Usage<'_>,
    real: f64,
    rated: f64,
) -> f64 {
    if rated > 0.0 {
        return rated;
    }
    if real > 0.0 {
        return real;
    }
    rate(record, rates, cost::recalculate_for_window(prices, usage, record.model))
}

/// What can be booked of a cost. Prices that are no numbers make none: the detailed recorder then books the
/// request without a cost, the simple one notes that there is no number.
fn bookable(cost: Cost, recording: Recording) -> Cost {
    match recording {
        _ if cost.total.is_finite() => cost,
        Recording::Detailed => Cost::default(),
        Recording::Simple => Cost { total: f64::NAN, ..cost },
    }
}

fn breakdown(cost: &Cost, detailed: bool) -> CostBreakdown {
    CostBreakdown {
        input: cost.input,
        output: cost.output,
        cache_create: cost.cache_create,
        cache_read: cost.cache_read,
        ephemeral_5m: cost.ephemeral_5m,
        ephemeral_1h: cost.ephemeral_1h,
        total: cost.total,
        source: cost.source.filter(|_| detailed).map(|source| source.as_str().to_owned()),
        used_fallback: cost.used_fallback,
    }
}

fn meta(request: &RequestFacts<'_>, finished_at_ms: i64) -> RequestMeta {
    let path = request.endpoint.split_once('?').map_or(request.endpoint, |(path, _)| path);
    RequestMeta {
        request_id: filled(request.id),
        endpoint: filled(path),
        method: filled(request.method),
        status: Some(request.status),
        stream: request.stream,
        started_at_ms: Some(request.started_at_ms),
        duration_ms: Some((finished_at_ms - request.started_at_ms).max(0)),
    }
}

fn capture(request: &DetailRequest<'_>) -> DetailCapture {
    let body = serde_json::from_slice::<serde_json::Value>(request.body).ok();
    DetailCapture {
        ttl_seconds: request.retention_hours.clamp(1, 720) * 3600,
        reasoning: body.as_ref().and_then(detail::reasoning),
        body_snapshot: body.as_ref().filter(|_| request.body_preview).map(detail::snapshot),
    }
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
