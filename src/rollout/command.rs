//! What can be done to the plan, as data, and what comes of it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Names, Percent, Phase, Plan, guard::GuardLimits};

/// A change. Not tagged inside: serde would then hold numbers as it cannot read them back
/// (`arbitrary_precision`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// To just this.
    Set(Box<Settings>),
    /// One step forward.
    Advance,
    /// One step back, or straight back to a phase.
    Rollback {
        /// The phase.
        #[serde(default)]
        to: Option<Phase>,
    },
    /// No step forward from now on.
    Pause,
    /// Steps forward are possible again.
    Resume,
    /// A guard tripped: back to `shadow`. Not for people.
    #[serde(skip)]
    Trip,
}

/// Parts of the plan to set; what is not given stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Phase.
    pub phase: Option<Phase>,
    /// Share of the API keys.
    pub percent: Option<Percent>,
    /// What is in whatever the percentage.
    pub include: NameLists,
    /// What is out.
    pub exclude: NameLists,
    /// Steps of the percentage.
    pub ramp: Option<Vec<Percent>>,
    /// How long a step must last.
    pub hold_minutes: Option<u32>,
    /// Whether canary goes up by itself.
    pub automatic: Option<bool>,
    /// Part of the requests that shadow does.
    pub sample: Option<Percent>,
    /// The same by route.
    pub sample_routes: Option<BTreeMap<String, Percent>>,
    /// Overrides of the gates.
    pub gates: Option<Value>,
    /// When guards trip; what is not given has its default.
    pub guards: Option<GuardLimits>,
}

/// Lists of names to set; those that are not given stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct NameLists {
    /// Ids of keys.
    pub keys: Option<BTreeSet<String>>,
    /// Tags of keys.
    pub tags: Option<BTreeSet<String>>,
    /// Routes.
    pub routes: Option<BTreeSet<String>>,
    /// Platforms.
    pub platforms: Option<BTreeSet<String>>,
}

impl NameLists {
    fn put(self, names: &mut Names) {
        let lists = [
            (self.keys, &mut names.keys),
            (self.tags, &mut names.tags),
            (self.routes, &mut names.routes),
            (self.platforms, &mut names.platforms),
        ];
        for (given, list) in lists {
            if let Some(given) = given {
                *list = given;
            }
        }
    }
}

/// The change makes no sense.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Senseless(pub String);

impl Command {
    /// Its name in the history.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Set(_) => "set",
            Self::Advance => "advance",
            Self::Rollback { .. } => "rollback",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Trip => "trip",
        }
    }

    /// Whether doing it twice comes to the same as once.
    pub fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Advance | Self::Rollback { to: None })
    }

    /// The plan that comes of it.
    ///
    /// # Errors
    /// When it makes no sense.
    pub fn apply(&self, before: &Plan, now_ms: i64) -> Result<Plan, Senseless> {
        let mut plan = before.clone();
        match self {
            Self::Set(settings) => set(&mut plan, settings)?,
            Self::Advance => advance(&mut plan)?,
            Self::Rollback { to: None } => step_back(&mut plan)?,
            Self::Rollback { to: Some(phase) } => back_to(&mut plan, *phase)?,
            Self::Pause => plan.paused = true,
            Self::Resume => plan.paused = false,
            Self::Trip => {
                if plan.phase.serves() && plan.phase != Phase::Standalone {
                    back_to(&mut plan, Phase::Shadow)?;
                    plan.tripped_ms = Some(now_ms);
                }
            }
        }
        if plan.phase != before.phase || plan.share != before.share {
            plan.since_ms = now_ms;
        }
        Ok(plan)
    }
}

fn set(plan: &mut Plan, settings: &Settings) -> Result<(), Senseless> {
    let settings = settings.clone();
    if let Some(ramp) = settings.ramp {
        let rises = ramp.windows(2).all(|pair| pair[0] < pair[1]);
        if ramp.is_empty() || ramp.len() > 100 || !rises || ramp.contains(&Percent::NONE) {
            return Err(Senseless("a ramp is a rising list of percentages above 0".into()));
        }
        plan.ramp = ramp;
    }
    settings.include.put(&mut plan.share.include);
    settings.exclude.put(&mut plan.share.exclude);
    if let Some(fault) = plan.share.include.fault().or_else(|| plan.share.exclude.fault()) {
        return Err(Senseless(fault));
    }
    if let Some(phase) = settings.phase {
        if phase < Phase::Canary && plan.phase >= Phase::Canary {
            plan.share.percent = Percent::NONE;
        }
        plan.phase = phase;
    }
    if let Some(percent) = settings.percent {
        plan.share.percent = percent;
    }
    let share = &mut plan.share;
    if plan.phase == Phase::Canary && share.percent == Percent::NONE && share.include.is_empty() {
        if settings.percent.is_some() {
            return Err(Senseless("canary at 0 % with nothing named serves nobody".into()));
        }
        share.percent = first_step(&plan.ramp);
    }
    plan.hold_minutes = settings.hold_minutes.unwrap_or(plan.hold_minutes);
    plan.automatic = settings.automatic.unwrap_or(plan.automatic);
    plan.shadow.percent = settings.sample.unwrap_or(plan.shadow.percent);
    if let Some(routes) = settings.sample_routes {
        let known = |name: &String| super::ROUTES.iter().any(|route| route.name == name);
        if let Some(name) = routes.keys().find(|name| !known(name)) {
            return Err(Senseless(format!("no route is called \"{name}\"")));
        }
        plan.shadow.routes = routes;
    }
    if let Some(gates) = settings.gates {
        if !gates.is_object() || gates.to_string().len() > 16 * 1024 {
            return Err(Senseless("overrides of the gates are a JSON object".into()));
        }
        plan.gates = gates;
    }
    plan.guards = settings.guards.unwrap_or_else(|| plan.guards.clone());
    Ok(())
}

fn first_step(ramp: &[Percent]) -> Percent {
    ramp.first().copied().unwrap_or(Percent::ALL)
}

fn advance(plan: &mut Plan) -> Result<(), Senseless> {
    let percent = plan.share.percent;
    match plan.phase {
        Phase::Observe => plan.phase = Phase::Shadow,
        Phase::Shadow => {
            plan.phase = Phase::Canary;
            plan.share.percent = first_step(&plan.ramp);
        }
        Phase::Canary => match plan.ramp.iter().find(|step| **step > percent) {
            Some(step) => plan.share.percent = *step,
            None => plan.phase = Phase::Primary,
        },
        Phase::Primary => plan.phase = Phase::Standalone,
        Phase::Standalone => return Err(Senseless("standalone is the last phase".into())),
    }
    Ok(())
}

fn step_back(plan: &mut Plan) -> Result<(), Senseless> {
    let percent = plan.share.percent;
    match plan.phase {
        Phase::Observe => return Err(Senseless("observe is the first phase".into())),
        Phase::Shadow => plan.phase = Phase::Observe,
        Phase::Canary => match plan.ramp.iter().rev().find(|step| **step < percent) {
            Some(step) => plan.share.percent = *step,
            None => back_to(plan, Phase::Shadow)?,
        },
        Phase::Primary => {
            plan.phase = Phase::Canary;
            plan.share.percent = plan.ramp.last().copied().unwrap_or(Percent::ALL);
        }
        Phase::Standalone => plan.phase = Phase::Primary,
    }
    Ok(())
}

fn back_to(plan: &mut Plan, phase: Phase) -> Result<(), Senseless> {
    if phase > plan.phase {
        return Err(Senseless(format!("{phase} is not back from {}", plan.phase)));
    }
    if phase < Phase::Canary {
        plan.share.percent = Percent::NONE;
    } else if phase == Phase::Canary && plan.phase > phase {
        plan.share.percent = plan.ramp.last().copied().unwrap_or(Percent::ALL);
    }
    plan.phase = phase;
    Ok(())
}
