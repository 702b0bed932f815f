//! Slot, request window and cost limits: everything of a key that counts, in one round trip
//! (contract/auth-limits-usage.md §1.5.3, §1.5.4, §7.1).

use compat::{
    admission::{Admission, Admitted as Answer, Verdict, WindowTexts},
    concurrency,
    number::{parse_float, parse_int},
    rate_window::WindowLimits,
    relay_config::RelayConfig,
    store::StoreError,
};
use jiff::{Timestamp, tz::TimeZone};

use super::{ApiKeySnapshot, Keys, LeasePlan, Refusal, Rejection, Slot, Spent, model, wait::Gone};

/// What the request is, as far as limits care.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Whether it only counts tokens; such a request takes no slot.
    pub token_count: bool,
    /// `model` of the body, empty when it is not a text.
    pub model: &'a str,
    /// The operator's settings.
    pub config: &'a RelayConfig,
    /// Cancelled when the client has left; ends waiting in the queue. Dropping the call does so too.
    pub gone: &'a Gone,
}

/// A request that may go on. Holds its slot until dropped.
#[derive(Debug)]
#[must_use = "dropping it gives the slot back"]
pub struct Admitted {
    /// The slot, for a key with a concurrency limit.
    pub slot: Option<Slot>,
    /// The request window, to which usage is added later.
    pub window: Option<WindowInfo>,
    /// Headers to add to whatever reply follows.
    pub headers: Vec<(&'static str, &'static str)>,
    /// What was decided, in order.
    pub steps: Vec<Step>,
}

/// The request window of an admitted request.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowInfo {
    /// Id of the key; its window keys follow from it (see [`compat::rate_window`]).
    pub key_id: String,
    /// Limits.
    pub limits: WindowLimits,
    /// Start, epoch milliseconds; `None` when the stored text is not a number.
    pub start_ms: Option<i64>,
    /// Requests so far, this one included.
    pub requests: i64,
}

/// One decision on the way to admission.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// A slot was taken.
    Slot {
        /// Slots taken, this one included.
        taken: i64,
        /// Limit.
        limit: i64,
    },
    /// The request waited for its slot.
    Waited {
        /// For this long, milliseconds.
        ms: i64,
    },
    /// The window was checked and the request counted.
    Window {
        /// Requests so far, this one included.
        requests: i64,
    },
    /// Cost limits were checked.
    Costs,
    /// Redis could not be asked: limits were not checked, slots were counted in this process only.
    Unchecked,
}

/// A cost limit that the key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CostLimit {
    Daily,
    Total,
    Weekly,
}

impl Keys {
    /// Takes a slot, counts the request in its window and checks the cost limits, in this order. A
    /// request refused for cost has been counted all the same, and one refused for want of a slot has
    /// not. Without any limit Redis is not asked.
    ///
    /// # Errors
    /// The refusal to send; the slot is back then.
    pub async fn admit_limits(
        &self,
        key: &ApiKeySnapshot,
        ask: Ask<'_>,
    ) -> Result<Admitted, Rejection> {
        let record = &key.record;
        let limit = if ask.token_count { 0 } else { record.concurrency_limit.max(0) };
        let window = window_limits(key);
        let (costs, counters) = self.cost_counters(key);
        let mut admitted =
            Admitted { slot: None, window: None, headers: Vec::new(), steps: Vec::new() };
        if limit == 0 && window.is_none() && counters.is_empty() {
            return Ok(admitted);
        }
        let plan = LeasePlan::api_key(self.settings.slot_lifetime_minutes);
        let slot = (limit > 0).then(|| self.keeper.hold(concurrency::api_key(&record.id), plan));
        let member = slot.as_ref().map(|slot| slot.member().to_owned()).unwrap_or_default();
        let mut admission = Admission {
            key_id: &record.id,
            member: &member,
            now_ms: self.clock.now_ms(),
            concurrency_limit: limit,
            lease: plan.lease,
            window,
            counters: &counters,
        };
        let answer = match self.ask(&admission).await {
            Ok(answer) => answer,
            Err(error) => return self.unchecked(key, slot, limit, &error),
        };
        let costs_known = costs.into_iter().zip(answer.counters.clone());
        let mut answer = answer;
        if answer.verdict == Verdict::Concurrency {
            // The script has taken the slot back already.
            if let Some(slot) = slot {
                slot.forget();
            }
            let (slot, waited_ms) = self.wait_for_slot(key, ask, plan, answer.slots).await?;
            admitted.headers.push(("Connection", "close"));
            admitted.steps.push(Step::Waited { ms: waited_ms });
            admission = Admission {
                now_ms: self.clock.now_ms(),
                concurrency_limit: 0,
                counters: &[],
                member: "",
                ..admission
            };
            admitted.slot = Some(slot);
            if window.is_some() {
                answer = self.ask(&admission).await.map_err(|error| refused(&error, true))?;
            } else {
                answer.verdict = Verdict::Admitted;
            }
        } else if let Some(slot) = slot {
            if answer.verdict == Verdict::Admitted {
                slot.confirm();
                admitted.steps.push(Step::Slot { taken: answer.slots, limit });
                admitted.slot = Some(slot);
            } else {
                slot.forget();
            }
        }
        let queued = !admitted.headers.is_empty();
        let reject = |refusal| Rejection { refusal, queued };
        if let (Some(limits), Some(texts)) = (window, &answer.window) {
            let info = window_verdict(key, limits, texts, answer.verdict, admission.now_ms)
                .map_err(reject)?;
            admitted.steps.push(Step::Window { requests: info.requests });
            admitted.window = Some(info);
        }
        for (which, text) in costs_known {
            self.check_cost(key, which, text.as_deref(), ask.model).map_err(reject)?;
        }
        if !counters.is_empty() {
            admitted.steps.push(Step::Costs);
        }
        Ok(admitted)
    }

    pub(super) async fn ask(&self, admission: &Admission<'_>) -> Result<Answer, StoreError> {
        let reply = self.store.run(admission.command().into()).await?.pop();
        admission.read(reply.ok_or_else(|| StoreError::Shape("no reply".into()))?)
    }

    /// Redis could not be asked. In an outage the key goes on working with the slots of this process
    /// counted; any other failure is an internal error.
    fn unchecked(
        &self,
        key: &ApiKeySnapshot,
        slot: Option<Slot>,
        limit: i64,
        error: &StoreError,
    ) -> Result<Admitted, Rejection> {
        if matches!(error, StoreError::Shape(_)) {
            return Err(refused(error, false));
        }
        tracing::warn!(%error, key = key.record.id, "limits were not checked");
        let held = self.keeper.held(&concurrency::api_key(&key.record.id));
        let held = i64::try_from(held).unwrap_or(i64::MAX);
        if limit > 0 && held > limit {
            return Err(Refusal::Concurrency { current: held - 1, limit }.into());
        }
        Ok(Admitted { slot, window: None, headers: Vec::new(), steps: vec![Step::Unchecked] })
    }

    /// The cost limits that the key has, and the counters that tell.
    fn cost_counters(&self, key: &ApiKeySnapshot) -> (Vec<CostLimit>, Vec<String>) {
        let (record, now) = (&key.record, self.clock.now_ms());
        let (id, calendar) = (&record.id, self.settings.calendar);
        let mut limits = Vec::new();
        if record.daily_cost_limit > 0.0 {
            limits
                .push((CostLimit::Daily, format!("usage:cost:daily:{id}:{}", calendar.date(now))));
        }
        if record.total_cost_limit > 0.0 {
            limits.push((CostLimit::Total, format!("usage:cost:total:{id}")));
        }
        if record.weekly_opus_cost_limit > 0.0 {
            let period = calendar.period(now, record.weekly_reset_day, record.weekly_reset_hour);
            limits.push((CostLimit::Weekly, format!("usage:opus:weekly:{id}:{period}")));
        }
        limits.into_iter().unzip()
    }

    fn check_cost(
        &self,
        key: &ApiKeySnapshot,
        which: CostLimit,
        text: Option<&str>,
        model: &str,
    ) -> Result<(), Refusal> {
        let record = &key.record;
        let cost = text.and_then(parse_float).unwrap_or(0.0);
        let limit = match which {
            CostLimit::Daily => record.daily_cost_limit,
            CostLimit::Total => record.total_cost_limit,
            CostLimit::Weekly if model::is_claude_family(model) => record.weekly_opus_cost_limit,
            CostLimit::Weekly => return Ok(()),
        };
        if cost < limit {
            return Ok(());
        }
        let now = self.clock.now_ms();
        Err(match which {
            CostLimit::Daily => Refusal::DailyCost {
                cost,
                limit,
                reset_at_ms: next_midnight_ms(now, &self.settings.process_zone),
            },
            CostLimit::Total => Refusal::TotalCost { cost, limit },
            CostLimit::Weekly => {
                let day = if record.weekly_reset_day == 0 { 1 } else { record.weekly_reset_day };
                let reset_at_ms =
                    self.settings.calendar.next_reset_ms(now, day, record.weekly_reset_hour);
                Refusal::WeeklyCost { cost, limit, reset_at_ms }
            }
        })
    }
}

/// The window limits of a key that has any.
fn window_limits(key: &ApiKeySnapshot) -> Option<WindowLimits> {
    let record = &key.record;
    let limits = WindowLimits {
        window_ms: record.rate_limit_window.saturating_mul(60_000),
        requests: record.rate_limit_requests.max(0),
        tokens: record.token_limit.unwrap_or(0).max(0),
        cost: record.rate_limit_cost.max(0.0),
    };
    let any = limits.requests > 0 || limits.tokens > 0 || limits.cost > 0.0;
    (limits.window_ms > 0 && any).then_some(limits)
}

fn window_verdict(
    key: &ApiKeySnapshot,
    limits: WindowLimits,
    texts: &WindowTexts,
    verdict: Verdict,
    now_ms: i64,
) -> Result<WindowInfo, Refusal> {
    let start_ms = texts.start.as_deref().and_then(parse_int);
    let whole = |text: &Option<String>| text.as_deref().and_then(parse_int).unwrap_or(0);
    let spent = match verdict {
        Verdict::Requests => {
            Spent::Requests { count: whole(&texts.requests), limit: limits.requests }
        }
        Verdict::Tokens => Spent::Tokens { count: whole(&texts.tokens), limit: limits.tokens },
        Verdict::Cost => {
            let cost = texts.cost.as_deref().and_then(parse_float).unwrap_or(0.0);
            Spent::Cost { cost, limit: limits.cost }
        }
        Verdict::Admitted | Verdict::Concurrency => {
            let requests = whole(&texts.requests) + 1;
            return Ok(WindowInfo { key_id: key.record.id.clone(), limits, start_ms, requests });
        }
    };
    // A window without a readable start has no end to name: the legacy service fails there.
    let reset_at_ms = start_ms.ok_or(Refusal::Internal)? + limits.window_ms;
    let left = reset_at_ms - now_ms;
    let remaining_minutes = left.div_euclid(60_000) + i64::from(left.rem_euclid(60_000) > 0);
    Err(Refusal::Window { spent, reset_at_ms, remaining_minutes })
}

pub(super) fn refused(error: &StoreError, queued: bool) -> Rejection {
    let refusal = match error {
        StoreError::Shape(message) => {
            tracing::error!(message, "redis refused an admission");
            Refusal::Internal
        }
        StoreError::Unreachable(_) | StoreError::Timeout => Refusal::Unavailable,
    };
    Rejection { refusal, queued }
}

/// The next midnight in `zone`, epoch milliseconds. The daily limit names it in the process's own time
/// zone although the day that counts is the calendar's (legacy quirk).
fn next_midnight_ms(now_ms: i64, zone: &TimeZone) -> i64 {
    let now = Timestamp::from_millisecond(now_ms).unwrap_or_default().to_zoned(zone.clone());
    let midnight = now.date().tomorrow().and_then(|day| day.to_zoned(zone.clone()));
    midnight.map_or(now_ms, |at| at.timestamp().as_millisecond())
}
