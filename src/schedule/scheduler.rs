//! Reading what a decision needs and carrying out what follows from it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use compat::{
    account_state::{Moment, UsageCost},
    clock::{Clock, LocalCalendar},
    pool::{AccountPool, Snapshot},
    sticky::{self, Stuck},
    store::{Batch, Cmd, Store, StoreError},
    write_behind::WriteBehind,
};

use super::{
    Considered, Decision, Effect, Rules, SelectError, SelectRequest, Selection,
    decide::{SHARED, decide, needs},
};
use crate::domain::AnomalySink;

/// After this long a prefetched state is read again: the request had to wait in between.
const PREFETCH_LIFETIME: Duration = Duration::from_millis(150);

/// What [`Scheduler::prefetch`] read.
#[derive(Clone, Debug)]
pub struct Prefetched {
    snapshot: Arc<Snapshot>,
    stuck: Option<Stuck>,
    read_at: Instant,
}

impl Prefetched {
    /// The account snapshot, which also holds the stored relay settings.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }
}

/// Chooses accounts.
pub struct Scheduler {
    store: Arc<dyn Store>,
    pool: Arc<AccountPool>,
    writes: WriteBehind,
    clock: Clock,
    calendar: LocalCalendar,
    prices: Arc<dyn UsageCost>,
    anomalies: Arc<dyn AnomalySink>,
    rules: Rules,
}

impl Scheduler {
    /// A scheduler over these ports.
    #[expect(clippy::too_many_arguments, reason = "one place assembles it")]
    pub fn new(
        store: Arc<dyn Store>,
        pool: Arc<AccountPool>,
        writes: WriteBehind,
        clock: Clock,
        calendar: LocalCalendar,
        prices: Arc<dyn UsageCost>,
        anomalies: Arc<dyn AnomalySink>,
        rules: Rules,
    ) -> Self {
        Self { store, pool, writes, clock, calendar, prices, anomalies, rules }
    }

    /// Reads accounts and the conversation's mapping, both at once. Can run before the key is known.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn prefetch(&self, session_hash: Option<&str>) -> Result<Prefetched, StoreError> {
        let (snapshot, stuck) = tokio::join!(self.pool.snapshot(&[]), self.stuck(session_hash));
        let read_at = Instant::now();
        // Without its mapping the conversation may change accounts, which is better than ending.
        let stuck = stuck.unwrap_or_else(|error| {
            tracing::warn!(%error, "sticky mapping could not be read");
            None
        });
        Ok(Prefetched { snapshot: snapshot?, stuck, read_at })
    }

    /// Chooses an account. Without waiting for Redis when the prefetched state suffices, which it does
    /// for every kind of request seen within the last minute. What was looked at goes to `considered`.
    ///
    /// # Errors
    /// When no account can serve, or Redis does not answer.
    pub async fn select(
        &self,
        request: &SelectRequest<'_>,
        prefetched: Prefetched,
        considered: &mut Vec<Considered>,
    ) -> Result<Selection, SelectError> {
        let Prefetched { mut snapshot, mut stuck, read_at } = prefetched;
        if read_at.elapsed() > PREFETCH_LIFETIME {
            Prefetched { snapshot, stuck, .. } = self.prefetch(request.session_hash).await?;
        }
        let mut wanted = needs(request, stuck.as_ref());
        if !snapshot.covers(&wanted) {
            snapshot = self.pool.snapshot(&wanted).await?;
        } else {
            self.pool.remember_needs(&wanted);
        }
        let moment = Moment { now_ms: self.clock.now_ms(), calendar: self.calendar };
        let decide = |snapshot: &Snapshot| {
            decide(request, stuck.as_ref(), snapshot, &self.rules, moment, &*self.prices)
        };
        let decision = match decide(&snapshot) {
            Some(decision) => {
                if snapshot.covers(&SHARED) {
                    self.pool.remember_needs(&SHARED);
                }
                decision
            }
            None => {
                wanted.extend(SHARED);
                snapshot = self.pool.snapshot(&wanted).await?;
                decide(&snapshot).ok_or_else(|| {
                    StoreError::Shape("a snapshot came without the lists asked for".into())
                })?
            }
        };
        let Decision { result, effects, trace } = decision;
        *considered = trace;
        self.carry_out(effects).await;
        if let Ok(selection) = &result {
            tracing::debug!(account = %selection.account.id, via = ?selection.via, "account selected");
        }
        result
    }

    /// Forgets a conversation's account, so that the next selection is free. Waits until Redis has
    /// forgotten it, because that selection follows at once.
    pub async fn forget(&self, session_hash: &str) {
        let forget = sticky::forget(&sticky::claude(session_hash));
        if let Err(error) = self.store.run(forget.into()).await {
            tracing::warn!(%error, "sticky session was not forgotten");
        }
    }

    async fn stuck(&self, session_hash: Option<&str>) -> Result<Option<Stuck>, StoreError> {
        let Some(hash) = session_hash else { return Ok(None) };
        let key = sticky::claude(hash);
        let batch: Batch = if self.rules.sticky.renew_below_s > 0 {
            sticky::get(&key).into_iter().collect()
        } else {
            Cmd::new("GET").arg(&key).into()
        };
        let mut replies = self.store.run(batch).await?.into_iter();
        let value = replies.next().unwrap_or(compat::store::Reply::Nil);
        // Without renewal the remaining life does not matter.
        let ttl = replies.next().unwrap_or(compat::store::Reply::Int(-1));
        sticky::stuck(value, ttl)
    }

    async fn carry_out(&self, effects: Vec<Effect>) {
        let mut cmds = Vec::new();
        for effect in effects {
            match effect {
                Effect::Patch(kind, id, patch) => {
                    self.pool.apply(kind, &id, &patch);
                    cmds.push(patch.cmd(&kind.record_key(&id)));
                }
                Effect::Cmd(cmd) => cmds.push(cmd),
                Effect::Report(anomaly) => self.anomalies.report(anomaly),
            }
        }
        self.writes.send(cmds).await;
    }
}
