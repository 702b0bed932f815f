//! Keeps the standing of this process right: polls the shared record and the override file, answers the
//! signal, says what this instance does, and trips guards.
//!
//! Runs as one service with independent loops, so that a Redis that hangs delays no kill switch.

use std::{sync::Arc, time::Duration};

use compat::{
    clock::{Clock, iso},
    rollout,
    store::Store,
};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Command, Desk, Order, Override, Phase, Record, Rollout, RolloutError,
    guard::{Sample, Window},
    ports::{Alarm, Notice, NoticeKind, Vitals},
};

/// How often the shared record is read.
const RECORD_POLL: Duration = Duration::from_millis(500);
/// How often the override file is looked at.
const FILE_POLL: Duration = Duration::from_millis(250);
/// How often an instance says that it lives.
const BEAT: Duration = Duration::from_secs(4);
/// How often guards look, one sample each.
const GUARD_TICK: Duration = Duration::from_secs(1);
/// How often an automatic ramp looks at its gates.
const AUTOMATIC_TICK: Duration = Duration::from_secs(30);
/// Longest that an instance's farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// What an instance says of itself besides the standing.
#[derive(Clone, Debug, Default)]
pub struct InstanceFacts {
    /// Unique among running instances.
    pub id: String,
    /// `CRS_INSTANCE`.
    pub name: String,
    /// Machine.
    pub host: String,
    /// Where it listens.
    pub address: String,
    /// Version of crs.
    pub version: String,
    /// Start, epoch milliseconds.
    pub started_ms: i64,
}

impl InstanceFacts {
    /// Facts of this process.
    pub fn of_this_process(name: &str, address: String, clock: &Clock) -> Self {
        Self {
            id: uuid::Uuid::new_v4().simple().to_string(),
            name: name.to_owned(),
            host: host_name(),
            address,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_ms: clock.now_ms(),
        }
    }
}

/// Name of this machine.
pub fn host_name() -> String {
    let named = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let named = named.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let name = named.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

/// The service.
pub struct Watcher {
    /// The standing that is kept right.
    pub rollout: Arc<Rollout>,
    /// Changes the shared record when guards trip.
    pub desk: Arc<Desk>,
    /// Redis.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Clock,
    /// What this instance says of itself.
    pub instance: InstanceFacts,
    /// What guards watch besides the meter.
    pub vitals: Arc<dyn Vitals>,
    /// Where trips are told.
    pub alarm: Arc<dyn Alarm>,
}

impl Watcher {
    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.follow_record() => {}
            () = self.follow_file() => {}
            () = self.obey_signal() => {}
            () = self.say_alive() => {}
            () = self.watch_guards() => {}
            () = self.ramp_up() => {}
            () = self.tell_overrides() => {}
            () = self.rollout.learn_keys() => {}
        }
        let farewell = self.store.run(rollout::leave(&self.instance.id));
        // An instance that cannot say so is gone after some seconds anyway.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }

    /// What this instance says of itself.
    pub fn about(&self) -> Value {
        about(&self.instance, &self.rollout, self.clock.now_ms())
    }

    async fn follow_record(&self) {
        let mut failing = false;
        // What was before this instance is no news.
        let mut seen = None;
        loop {
            match self.read_record().await {
                Ok(record) => {
                    failing = false;
                    self.rollout.take_record(record.clone());
                    let version = record.as_ref().map_or(0, |record| record.version);
                    if seen.is_some_and(|seen| seen < version)
                        && let Some(record) = &record
                    {
                        self.announce(record).await;
                    }
                    seen = Some(version);
                }
                // The last one known goes on.
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%error, "the rollout record was not read");
                }
                Err(_) => {}
            }
            sleep(RECORD_POLL).await;
        }
    }

    async fn read_record(&self) -> Result<Option<Record>, RolloutError> {
        let reply = self.store.run(rollout::read().into()).await?.pop();
        let text = reply.map_or(Ok(None), compat::store::Reply::text)?;
        text.map(|text| serde_json::from_str(&text).map_err(|_| RolloutError::Unreadable))
            .transpose()
    }

    async fn follow_file(&self) {
        loop {
            sleep(FILE_POLL).await;
            self.rollout.look_at_file().await;
        }
    }

    /// SIGUSR1: back to `observe` at once.
    async fn obey_signal(&self) {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut signals) = signal(SignalKind::user_defined1()) else {
            tracing::warn!("SIGUSR1 cannot be listened to; use the override file");
            return std::future::pending().await;
        };
        while signals.recv().await.is_some() {
            if !self.rollout.has_legacy() {
                tracing::error!("SIGUSR1: {}", RolloutError::NoLegacy);
                continue;
            }
            let reason = format!("SIGUSR1 at {}", iso(self.clock.now_ms()));
            self.rollout.override_with(Override { phase: Phase::Observe, reason });
        }
        std::future::pending().await
    }

    /// Says what this instance does, regularly and at each change.
    async fn say_alive(&self) {
        let mut changes = self.rollout.changes();
        loop {
            let now = self.clock.now_ms();
            let beat = rollout::beat(&self.instance.id, &self.about().to_string(), now);
            if let Err(error) = self.store.run(beat).await {
                tracing::debug!(%error, "no sign of life was left in Redis");
            }
            tokio::select! {
                () = sleep(BEAT) => {}
                // At most one more for any number of changes meanwhile.
                _ = changes.changed() => {}
            }
        }
    }

    async fn watch_guards(&self) {
        let mut window = Window::default();
        let mut seen = None;
        let mut ticks = interval(GUARD_TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let standing = self.rollout.standing();
            let plan = &standing.plan;
            if !plan.phase.serves() || plan.phase == Phase::Standalone || !plan.guards.enabled {
                window.clear();
                self.settle_hold().await;
                continue;
            }
            // What was before a change says nothing about what is after it.
            if seen != Some((standing.version, plan.phase)) {
                window.clear();
                seen = Some((standing.version, plan.phase));
            }
            let sample = Sample {
                counted: self.rollout.meter().read(),
                backlog: self.vitals.journal_backlog(),
                redis_failures: self.vitals.redis_failures(),
            };
            window.add(sample, plan.guards.window_seconds);
            let red = window.evaluate(&plan.guards).into_iter().find(|guard| !guard.passed);
            if let Some(guard) = red {
                self.trip(&guard.name, &guard.detail).await;
                window.clear();
            }
        }
    }

    /// Takes the rollout back: in this process at once, for all as soon as Redis takes it.
    async fn trip(&self, guard: &str, detail: &str) {
        let why = format!("guard {guard}: {detail}");
        self.rollout.hold(why.clone());
        if self.record_trip(&why).await {
            self.alarm.raise(Notice {
                kind: NoticeKind::GuardTripped,
                title: format!("crs went back to shadow: guard {guard} tripped"),
                text: format!("{why} (instance {} on {})", self.instance.name, self.instance.host),
                at: iso(self.clock.now_ms()),
            });
        }
    }

    /// Whether this instance is the one to tell of it: not when another tripped first.
    async fn record_trip(&self, why: &str) -> bool {
        let order = Order {
            command: Command::Trip,
            who: format!("{}@{}", self.instance.name, self.instance.host),
            via: "guard".into(),
            why: Some(why.to_owned()),
            force: false,
            expected_version: None,
        };
        match self.desk.change(&order).await {
            Ok(outcome) => {
                self.rollout.take_record(Some(outcome.record));
                outcome.changed
            }
            Err(error) => {
                tracing::error!(%error, "the trip holds here, but is not recorded yet");
                true
            }
        }
    }

    /// A trip that could not be recorded is recorded as soon as Redis takes it.
    async fn settle_hold(&self) {
        let standing = self.rollout.standing();
        if standing.source == super::Source::Guard {
            let why = standing.why.clone().unwrap_or_default();
            self.record_trip(&why).await;
        }
    }

    /// Goes up the ramp of an automatic canary.
    async fn ramp_up(&self) {
        loop {
            sleep(AUTOMATIC_TICK).await;
            let standing = self.rollout.standing();
            let plan = &standing.plan;
            let at_end = plan.ramp.iter().all(|step| *step <= plan.share.percent);
            let due = plan.automatic && !plan.paused && plan.phase == Phase::Canary && !at_end;
            if !due || standing.source != super::Source::Record {
                continue;
            }
            let order = Order {
                command: Command::Advance,
                who: format!("{}@{}", self.instance.name, self.instance.host),
                via: "automatic".into(),
                why: None,
                force: false,
                expected_version: Some(standing.version),
            };
            match self.desk.change(&order).await {
                Ok(outcome) => self.rollout.take_record(Some(outcome.record)),
                // Red gates and other instances that were first are usual.
                Err(error) => tracing::debug!(%error, "no step forward"),
            }
        }
    }
}

/// What an instance says of itself.
pub fn about(instance: &InstanceFacts, rollout: &Rollout, now_ms: i64) -> Value {
    let standing = rollout.standing();
    json!({
        "id": instance.id,
        "name": instance.name,
        "host": instance.host,
        "pid": std::process::id(),
        "address": instance.address,
        "version": instance.version,
        "startedAt": iso(instance.started_ms),
        "at": iso(now_ms),
        "legacy": rollout.has_legacy(),
        "phase": standing.plan.phase,
        "position": standing.plan.position(),
        "planVersion": standing.version,
        "source": standing.source,
        "why": standing.why,
    })
}
