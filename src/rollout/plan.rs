//! The rollout as data: phase, share, ramp, and the record that all instances follow.
//!
//! A record may have been written by another version: what it does not say has its default, what this
//! version does not know is ignored. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Percent, Phase, Share, guard::GuardLimits, ports::GateResult};

/// How much of what Node answers is also done in shadow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Sampling {
    /// Of all requests.
    pub percent: Percent,
    /// Of requests to a route, by its name, instead.
    pub routes: BTreeMap<String, Percent>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { percent: Percent::ALL, routes: BTreeMap::new() }
    }
}

impl Sampling {
    /// The part of a route's requests.
    pub fn of(&self, route: &str) -> Percent {
        self.routes.get(route).copied().unwrap_or(self.percent)
    }
}

/// Where the rollout stands and how it goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Plan {
    /// Who answers.
    pub phase: Phase,
    /// What crs answers during canary.
    pub share: Share,
    /// Steps of the percentage.
    pub ramp: Vec<Percent>,
    /// How long a step must last before the next.
    pub hold_minutes: u32,
    /// Start of the phase or step, epoch milliseconds.
    pub since_ms: i64,
    /// No step forward while set.
    pub paused: bool,
    /// Canary goes up its ramp by itself when all gates are green; never on to `primary`.
    pub automatic: bool,
    /// Last time a guard took the rollout back, epoch milliseconds.
    pub tripped_ms: Option<i64>,
    /// What shadow does.
    pub shadow: Sampling,
    /// Overrides of the gates, as the evaluation of the evidence reads them.
    pub gates: Value,
    /// When guards trip.
    pub guards: GuardLimits,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            phase: Phase::Observe,
            share: Share::default(),
            ramp: [1, 5, 25, 50, 100].map(Percent::whole).to_vec(),
            hold_minutes: 60,
            since_ms: 0,
            paused: false,
            automatic: false,
            tripped_ms: None,
            shadow: Sampling::default(),
            gates: Value::Object(serde_json::Map::new()),
            guards: GuardLimits::default(),
        }
    }
}

impl Plan {
    /// Phase and, during canary, share, in words.
    pub fn position(&self) -> String {
        match self.phase {
            Phase::Canary if self.share.include.is_empty() => {
                format!("canary {} %", self.share.percent)
            }
            Phase::Canary => format!("canary {} % and named", self.share.percent),
            phase => phase.to_string(),
        }
    }

    /// Whether crs may answer something that it did not under `before`.
    pub fn serves_more_than(&self, before: &Self) -> bool {
        if !self.phase.serves() {
            return false;
        }
        self.phase > before.phase
            || (self.phase == Phase::Canary
                && before.phase == Phase::Canary
                && self.share.grows(&before.share))
    }
}

/// A version of the plan and the change that made it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Counts up from 1; 0 is the plan before anybody changed it.
    pub version: u64,
    /// The plan.
    pub plan: Plan,
    /// What made it.
    pub change: Change,
}

/// Who changed the plan, when and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Change {
    /// `set`, `advance`, `rollback`, `pause`, `resume`, `trip`.
    pub action: String,
    /// Position before.
    pub from: String,
    /// Position after.
    pub to: String,
    /// `user@host`, an administrator's name, or a guard.
    pub who: String,
    /// `cli`, `api`, `socket` or `guard`.
    pub via: String,
    /// ISO 8601.
    pub at: String,
    /// In the words of whoever did it.
    pub why: Option<String>,
    /// Whether red gates were overruled.
    pub forced: bool,
    /// The gates as they stood.
    pub evidence: Vec<GateResult>,
}
