//! Reading what a decision needs and carrying out what follows from it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use compat::{
    account_state::{Moment, UsageCost},
    clock::{Clock, LocalCalendar},
    pool::{Family, Pools, Snapshot},
    sticky::{self, Stuck},
    store::{Batch, Cmd, Store, StoreError},
    write_behind::WriteBehind,
};

use super::{Considered, Decision, Effect, Question, Rules, Seen, Selection};
use crate::domain::AnomalySink;

/// After this long a prefetched state is read again: the request had to wait in between.
const PREFETCH_LIFETIME: Duration = Duration::from_millis(150);

/// What [`Scheduler::prefetch`] read.
#[derive(Clone, Debug)]
pub struct Prefetched {
    family: Family,
    session: Option<String>,
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
    pools: Arc<Pools>,
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
        pools: Arc<Pools>,
        writes: WriteBehind,
        clock: Clock,
        calendar: LocalCalendar,
        prices: Arc<dyn UsageCost>,
        anomalies: Arc<dyn AnomalySink>,
        rules: Rules,
    ) -> Self {
        Self { store, pools, writes, clock, calendar, prices, anomalies, rules }
    }

    /// Reads a family's accounts and the conversation's mapping, both at once. Can run before the key is
    /// known.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn prefetch(
        &self,
        family: Family,
        session: Option<&str>,
    ) -> Result<Prefetched, StoreError> {
        let pool = self.pools.of(family);
        let (snapshot, stuck) = tokio::join!(pool.snapshot(&[]), self.stuck(family, session));
        let read_at = Instant::now();
        let (session, snapshot) = (session.map(str::to_owned), snapshot?);
        Ok(Prefetched { family, session, snapshot, stuck, read_at })
    }

    /// Chooses an account. Without waiting for Redis when the prefetched state suffices, which it does
    /// for every kind of request seen within the last minute. What was looked at goes to `considered`.
    ///
    /// # Errors
    /// When no account can serve, or Redis does not answer.
    pub async fn select<Q: Question>(
        &self,
        question: &Q,
        prefetched: Prefetched,
        considered: &mut Vec<Considered>,
    ) -> Result<Selection, Q::Error> {
        let session = question.session();
        let mut read = prefetched;
        if read.family != Q::FAMILY || read.read_at.elapsed() > PREFETCH_LIFETIME {
            read = self.prefetch(Q::FAMILY, session).await?;
        } else if read.session.as_deref() != session {
            // What names the conversation was known only after the body had been changed.
            read.stuck = self.stuck(Q::FAMILY, session).await;
        }
        let Prefetched { mut snapshot, stuck, .. } = read;
        let pool = self.pools.of(Q::FAMILY);
        let mut wanted = question.needs(stuck.as_ref());
        if !snapshot.covers(&wanted) {
            snapshot = pool.snapshot(&wanted).await?;
        } else {
            pool.remember_needs(&wanted);
        }
        let moment = Moment { now_ms: self.clock.now_ms(), calendar: self.calendar };
        let decide = |snapshot: &Snapshot| {
            let (stuck, prices) = (stuck.as_ref(), &*self.prices);
            question.decide(&Seen { snapshot, stuck, rules: &self.rules, moment, prices })
        };
        let lists = question.lists();
        let decision = match decide(&snapshot) {
            Some(decision) => {
                if snapshot.covers(lists) {
                    pool.remember_needs(lists);
                }
                decision
            }
            None => {
                wanted.extend(lists.iter().cloned());
                snapshot = pool.snapshot(&wanted).await?;
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
    pub async fn forget(&self, family: Family, session: &str) {
        let forget = sticky::forget(&sticky::key(family, session));
        if let Err(error) = self.store.run(forget.into()).await {
            tracing::warn!(%error, "sticky session was not forgotten");
        }
    }

    /// The conversation's mapping. Without it the conversation may change accounts, which is better than
    /// ending.
    async fn stuck(&self, family: Family, session: Option<&str>) -> Option<Stuck> {
        self.read_stuck(family, session).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "sticky mapping could not be read");
            None
        })
    }

    async fn read_stuck(
        &self,
        family: Family,
        session: Option<&str>,
    ) -> Result<Option<Stuck>, StoreError> {
        let Some(session) = session else { return Ok(None) };
        let key = sticky::key(family, session);
        let batch: Batch = if self.rules.sticky.renew_below_s > 0 {
            sticky::get(&key).into_iter().collect()
        } else {
            Cmd::new("GET").arg(&key).into()
        };
        let mut replies = self.store.run(batch).await?.into_iter();
        let value = replies.next().unwrap_or(compat::store::Reply::Nil);
        // Without renewal the remaining life does not matter.
        let ttl = replies.next().unwrap_or(compat::store::Reply::Int(-1));
        sticky::stuck_in(family, value, ttl)
    }

    async fn carry_out(&self, effects: Vec<Effect>) {
        let mut cmds = Vec::new();
        for effect in effects {
            match effect {
                Effect::Patch(kind, id, patch) => {
                    self.pools.with(kind).apply(kind, &id, &patch);
                    cmds.push(patch.cmd(&kind.record_key(&id)));
                }
                Effect::Cmd(cmd) => cmds.push(cmd),
                Effect::Report(anomaly) => self.anomalies.report(anomaly),
            }
        }
        self.writes.send(cmds).await;
    }
}
