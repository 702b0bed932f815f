//! Changes the shared record: compare and set, gates before a step forward, who and why for everything.
//!
//! Works from any process that reaches Redis, running instance or command line.

use std::sync::Arc;

use compat::{
    clock::{Clock, iso},
    rollout::{self, Replaced},
    store::{Cmd, Reply, Store, StoreError},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::{
    Change, Command, Phase, Plan, Record,
    ports::{Evidence, GateResult},
};

/// How often a change is tried again that others were faster than.
const ATTEMPTS: u32 = 8;
/// Length of a reason and of a name.
const TEXT_MAX: usize = 1000;
/// Entries of the history shown at once.
pub const HISTORY_SHOWN_MAX: u32 = 1000;

/// Somebody wants the plan changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// How.
    pub command: Command,
    /// Who: `user@host`, an administrator's name, or a guard.
    pub who: String,
    /// `cli`, `api`, `socket` or `guard`.
    pub via: String,
    /// In their words.
    #[serde(default)]
    pub why: Option<String>,
    /// Overrule red gates; needs a reason.
    #[serde(default)]
    pub force: bool,
    /// Only if the record has this version.
    #[serde(default)]
    pub expected_version: Option<u64>,
}

/// Why the plan was not changed.
#[derive(Debug, Error)]
pub enum RolloutError {
    /// Redis cannot be asked.
    #[error(transparent)]
    Redis(#[from] StoreError),
    /// What stands in Redis is no rollout record.
    #[error("the rollout record in Redis ({}) cannot be read", compat::keys::ROLLOUT)]
    Unreadable,
    /// Another change was first.
    #[error("{who} changed the rollout meanwhile, to {to}; look and say again")]
    Outdated {
        /// Who did.
        who: String,
        /// Where it stands now.
        to: String,
    },
    /// Gates are red.
    #[error("not all gates are green")]
    Gates(Vec<GateResult>),
    /// The change makes no sense.
    #[error("{0}")]
    Senseless(String),
    /// There is no Node service to go to.
    #[error(
        "there is no Node service: CRS_LEGACY_URL is not set, so crs answers everything whatever the phase"
    )]
    NoLegacy,
    /// The disk refused.
    #[error("{0}")]
    Disk(String),
}

impl RolloutError {
    /// Fixed label for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Redis(_) => "redis",
            Self::Unreadable => "unreadable",
            Self::Outdated { .. } => "outdated",
            Self::Gates(_) => "gates",
            Self::Senseless(_) => "invalid",
            Self::NoLegacy => "no_legacy",
            Self::Disk(_) => "disk",
        }
    }
}

/// What became of an [`Order`].
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The record as it stands now.
    pub record: Record,
    /// `false`: it stood so before.
    pub changed: bool,
}

/// Changes and reads the record.
pub struct Desk {
    store: Arc<dyn Store>,
    clock: Clock,
    evidence: Arc<dyn Evidence>,
}

impl Desk {
    /// A desk over Redis.
    pub fn new(store: Arc<dyn Store>, clock: Clock, evidence: Arc<dyn Evidence>) -> Self {
        Self { store, clock, evidence }
    }

    /// The record; `None` when nobody ever changed anything.
    ///
    /// # Errors
    /// When Redis cannot be asked or holds no record there.
    pub async fn record(&self) -> Result<Option<Record>, RolloutError> {
        let text = self.ask(rollout::read()).await?.text()?;
        text.map(|text| serde_json::from_str(&text).map_err(|_| RolloutError::Unreadable))
            .transpose()
    }

    /// The newest records, newest first. Entries that cannot be read are left out.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn history(&self, count: u32) -> Result<Vec<Record>, RolloutError> {
        let count = count.clamp(1, HISTORY_SHOWN_MAX);
        let texts = self.ask(rollout::history(count)).await?.texts()?;
        Ok(texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    /// What the running instances say of themselves.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn instances(&self) -> Result<Vec<Value>, RolloutError> {
        let ids = self.ask(rollout::instances()).await?.texts()?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let texts = self.ask(rollout::about(&ids)).await?.texts()?;
        Ok(texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    /// Gates for the next step forward, without taking it.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn gates(&self) -> Result<Vec<GateResult>, RolloutError> {
        let plan = self.record().await?.map_or_else(Plan::default, |record| record.plan);
        let now = self.clock.now_ms();
        match Command::Advance.apply(&plan, now) {
            Ok(next) => Ok(self.gates_between(&plan, &next, now).await),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Changes the record.
    ///
    /// # Errors
    /// [`RolloutError`]; nothing was changed then, unless the connection broke at the last moment.
    pub async fn change(&self, order: &Order) -> Result<Outcome, RolloutError> {
        check(order)?;
        for _ in 0..ATTEMPTS {
            let before = self.record().await?;
            let version = before.as_ref().map_or(0, |record| record.version);
            if order.expected_version.is_some_and(|expected| expected != version) {
                return Err(outdated(before));
            }
            let plan = before.as_ref().map_or_else(Plan::default, |record| record.plan.clone());
            let now = self.clock.now_ms();
            let next = order.command.apply(&plan, now).map_err(|e| RolloutError::Senseless(e.0))?;
            if next == plan
                && let Some(record) = before
            {
                return Ok(Outcome { record, changed: false });
            }
            let (evidence, forced) = self.pass_gates(order, &plan, &next, now).await?;
            let record = Record {
                version: version + 1,
                change: Change {
                    action: order.command.name().into(),
                    from: plan.position(),
                    to: next.position(),
                    who: order.who.clone(),
                    via: order.via.clone(),
                    at: iso(now),
                    why: order.why.clone(),
                    forced,
                    evidence,
                },
                plan: next,
            };
            match self.replace(version, &record).await? {
                Replaced::Done => return Ok(Outcome { record, changed: true }),
                Replaced::Unreadable => return Err(RolloutError::Unreadable),
                Replaced::Outdated if order.command.is_repeatable() => {}
                Replaced::Outdated => return Err(outdated(self.record().await?)),
            }
        }
        Err(outdated(self.record().await?))
    }

    /// The gates and whether red ones were overruled.
    async fn pass_gates(
        &self,
        order: &Order,
        plan: &Plan,
        next: &Plan,
        now: i64,
    ) -> Result<(Vec<GateResult>, bool), RolloutError> {
        if matches!(order.command, Command::Trip) {
            let why = order.why.clone().unwrap_or_default();
            return Ok((vec![GateResult::new("guard", false, why)], false));
        }
        if !next.serves_more_than(plan) {
            return Ok((Vec::new(), false));
        }
        let gates = self.gates_between(plan, next, now).await;
        let red = gates.iter().any(|gate| !gate.passed);
        if red && !order.force {
            return Err(RolloutError::Gates(gates));
        }
        Ok((gates, red))
    }

    async fn gates_between(&self, plan: &Plan, next: &Plan, now: i64) -> Vec<GateResult> {
        if !next.serves_more_than(plan) {
            return Vec::new();
        }
        let mut gates = own_gates(plan, now);
        // The step to standalone is the operator's; what evidence there is was asked for before.
        if next.phase != Phase::Standalone {
            let evidence = self.evidence.gates(plan, next).await;
            if evidence.is_empty() {
                gates.push(GateResult::new("evidence", false, "there is no evidence"));
            }
            gates.extend(evidence);
        }
        gates
    }

    async fn replace(&self, version: u64, record: &Record) -> Result<Replaced, RolloutError> {
        let text = serde_json::to_string(record).map_err(|_| RolloutError::Unreadable)?;
        match self.ask(rollout::replace(version, &text)).await {
            Ok(reply) => Ok(rollout::replaced(reply)?),
            // Whether it took effect is unknown; the record tells.
            Err(error) => match self.record().await {
                Ok(Some(found)) if found == *record => Ok(Replaced::Done),
                _ => Err(error.into()),
            },
        }
    }

    async fn ask(&self, cmd: Cmd) -> Result<Reply, StoreError> {
        let reply = self.store.run(cmd.into()).await?.pop();
        reply.ok_or_else(|| StoreError::Shape("no reply".into()))
    }
}

/// The rollout's own gates.
fn own_gates(plan: &Plan, now_ms: i64) -> Vec<GateResult> {
    let minutes = now_ms.saturating_sub(plan.since_ms) / 60_000;
    let hold = i64::from(plan.hold_minutes);
    let mut gates = vec![GateResult::new(
        "hold",
        minutes >= hold,
        format!("{} for {minutes} min, at least {hold} min", plan.position()),
    )];
    if plan.paused {
        gates.push(GateResult::new("paused", false, "the rollout is paused"));
    }
    if let Some(tripped) = plan.tripped_ms {
        let since = now_ms.saturating_sub(tripped) / 60_000;
        let asked = i64::from(plan.guards.cool_down_minutes);
        gates.push(GateResult::new(
            "cool_down",
            since >= asked,
            format!("a guard tripped {since} min ago, at least {asked} min"),
        ));
    }
    gates
}

fn check(order: &Order) -> Result<(), RolloutError> {
    let told = |text: &str| Err(RolloutError::Senseless(text.into()));
    let why = order.why.as_deref().map_or("", str::trim);
    if order.force && why.is_empty() {
        return told("overruling the gates needs a reason");
    }
    if why.len() > TEXT_MAX || order.who.len() > TEXT_MAX {
        return told("the reason is too long");
    }
    Ok(())
}

fn outdated(record: Option<Record>) -> RolloutError {
    match record {
        Some(record) => {
            let to = format!("{} (version {})", record.plan.position(), record.version);
            RolloutError::Outdated { who: record.change.who, to }
        }
        None => RolloutError::Outdated { who: "nobody".into(), to: "the beginning".into() },
    }
}
