//! Phase *settle*: what a finished request costs, booked before its client sees the end.

use std::time::Duration;

use compat::{clock::iso, keys::AccountKind, pool::Kind};

use super::{Call, Relay};
use crate::{
    billing::{
        BilledAccount, BilledKey, DetailRequest, KeyRates, Recorded, Recording, RequestFacts,
        UsageRecord,
    },
    domain::{AccountId, TokenUsage},
    wire::anthropic::UNKNOWN_MODEL,
};

/// How long a reply is held back until Redis has booked it, for keys whose limits depend on it.
const BOOKING_PATIENCE: Duration = Duration::from_millis(300);

/// A reply whose usage is to be booked.
pub(super) struct Served<'a> {
    /// The admitted call.
    pub(super) call: &'a Call,
    /// Account that served it.
    pub(super) account_id: &'a AccountId,
    /// Its kind.
    pub(super) kind: AccountKind,
    /// Status sent to the client.
    pub(super) status: u16,
    /// Whether the reply was streamed.
    pub(super) stream: bool,
}

/// On what terms usage is booked; they differ by platform.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a> {
    /// The recorder that the route has in the legacy service.
    pub(super) recording: Recording,
    /// `service_tier` of the request, where it counts in the price.
    pub(super) service_tier: Option<&'a str>,
    /// Whether the key's window is charged.
    pub(super) window: bool,
}

impl<'a> Terms<'a> {
    /// Claude's.
    pub(super) const DETAILED: Self =
        Self { recording: Recording::Detailed, service_tier: None, window: true };

    /// Those of platforms whose usage is recorded without details.
    pub(super) fn simple(service_tier: Option<&'a str>) -> Self {
        Self { recording: Recording::Simple, service_tier, window: true }
    }
}

/// Whether the next request of the key depends on what this one cost.
fn has_cost_limit(call: &Call) -> bool {
    let record = &call.key.record;
    [record.daily_cost_limit, record.total_cost_limit, record.weekly_opus_cost_limit]
        .into_iter()
        .any(|limit| limit > 0.0)
}

impl Relay {
    /// Books the usage of a reply. Returns once the event is in the local journal; for keys with cost
    /// limits or a window and accounts with a daily quota, once Redis has it (bounded, an outage does
    /// not hold the client).
    pub(super) async fn book(&self, served: &Served<'_>, usage: &TokenUsage) {
        self.book_as(served, usage, Terms::DETAILED).await;
    }

    /// As [`Relay::book`], on the terms of another platform.
    pub(super) async fn book_as(
        &self,
        served: &Served<'_>,
        usage: &TokenUsage,
        terms: Terms<'_>,
    ) -> Recorded {
        let call = served.call;
        let incoming = &call.incoming;
        let record = &call.key.record;
        let request_model = incoming.body.model();
        // Chat clients' empty names are booked as they are.
        let named = |model: &&str| !model.is_empty();
        let model = usage.model.as_deref().filter(named);
        let asked = request_model.as_deref().filter(|model| call.chat.is_some() || named(model));
        let model = model.or(asked).unwrap_or(UNKNOWN_MODEL);
        let rates = KeyRates::parse(&record.service_rates);
        let speed = incoming.body.speed();
        let (beta, body) = match &call.chat {
            Some(client) => {
                (client.beta.as_deref(), client.body.as_deref().unwrap_or(&incoming.body))
            }
            None => (incoming.headers.get("anthropic-beta"), &*incoming.body),
        };
        let beta = beta.filter(|beta| !beta.is_empty());
        // For chat clients the vendor's own sum of cache writes is booked, and only the window goes by
        // the split (legacy quirk).
        let as_told = call.chat.as_ref().map(|_| TokenUsage {
            cache_create: usage.told_create.unwrap_or(usage.cache_create),
            ..usage.clone()
        });
        let window_create = as_told.as_ref().map(|_| usage.cache_create);
        let usage = as_told.as_ref().unwrap_or(usage);
        let booked = self.billing.record(&UsageRecord {
            key: BilledKey {
                id: &record.id,
                name: &record.name,
                user_id: record.user_id.as_deref().unwrap_or_default(),
                rates: &rates,
                weekly_reset_day: record.weekly_reset_day,
                weekly_reset_hour: record.weekly_reset_hour,
            },
            account: Some(BilledAccount { id: served.account_id, kind: served.kind }),
            model,
            tokens: usage,
            recording: terms.recording,
            request: RequestFacts {
                id: incoming.request_id.as_str(),
                endpoint: incoming.endpoint(),
                method: incoming.method.as_str(),
                status: served.status,
                stream: served.stream,
                started_at_ms: incoming.received_ms,
            },
            finished_at_ms: self.clock.now_ms(),
            anthropic_beta: beta,
            request_speed: speed.as_deref(),
            service_tier: terms.service_tier,
            zero_split_counts: call.chat.is_some(),
            window_create,
            rate_window: terms.window && call.admitted.window.is_some(),
            detail: call.config.detail_capture.then(|| DetailRequest {
                retention_hours: call.config.detail_retention_hours,
                body_preview: call.config.detail_body_preview,
                body: body.bytes(),
            }),
        });
        let quota = self.quota_of(served);
        if call.admitted.window.is_some() || has_cost_limit(call) || quota.is_some() {
            let settled = self.billing.settled(booked.ticket);
            if tokio::time::timeout(BOOKING_PATIENCE, settled).await.is_err() {
                tracing::warn!(key = %call.key.id, "usage is journaled but not yet in redis");
            }
        }
        // The next choice has to see what this request cost.
        if let Some(kind) = quota {
            self.pools.with(kind).expire();
        }
        call.trail.note(
            "settle",
            format!(
                "{model}: {} in, {} out, {} cache written, {} cache read; cost {}",
                usage.input, usage.output, usage.cache_create, usage.cache_read, booked.real_cost
            ),
        );
        tracing::debug!(
            request_id = %incoming.request_id,
            key = %call.key.id,
            model,
            input = usage.input,
            output = usage.output,
            cache_create = usage.cache_create,
            cache_read = usage.cache_read,
            cost = booked.real_cost,
            "usage booked"
        );
        booked
    }

    /// The kind of the account that served, when it has a daily quota.
    fn quota_of(&self, served: &Served<'_>) -> Option<Kind> {
        let kind = match served.kind {
            AccountKind::ClaudeConsole => Kind::Console,
            AccountKind::Ccr => Kind::Ccr,
            _ => return None,
        };
        let snapshot = self.pools.with(kind).current()?;
        snapshot.get(kind, served.account_id.as_str())?.daily_quota().map(|_| kind)
    }

    /// Now as the legacy service writes it.
    pub fn now_iso(&self) -> String {
        iso(self.clock.now_ms())
    }
}
