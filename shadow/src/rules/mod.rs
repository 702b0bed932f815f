//! Rules: which differences are known, and why.
//!
//! Every rule has a reason; a rule speaks for a difference, it never removes it, so everything that
//! is ignored stays counted. Built-in rules stand in `shadow/rules/`; an operator's directory adds
//! to them.

mod apply;
mod glob;
mod read;

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

pub use glob::matches;
pub use read::RuleError;

use crate::{
    difference::{DifferenceKind, Finding, Plane},
    observation::{Observation, Source},
};

/// The built-in rule files.
const BUILT_IN: [(&str, &str); 4] = [
    ("built-in/noise.toml", include_str!("../../rules/noise.toml")),
    ("built-in/clocks.toml", include_str!("../../rules/clocks.toml")),
    ("built-in/redis.toml", include_str!("../../rules/redis.toml")),
    ("built-in/deviations.toml", include_str!("../../rules/deviations.toml")),
];

/// What a rule says about the differences it fits.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Does not matter.
    Ignore,
    /// Does not matter within bounds.
    Tolerance(Tolerance),
    /// A deliberate deviation, by its number in `MIGRATION.md`.
    Expected {
        /// The number.
        deviation: u32,
    },
}

/// Bounds; a difference within any of them is tolerated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// Milliseconds between two moments (ISO texts, or numbers that look like epoch milliseconds).
    pub ms: Option<f64>,
    /// Amount between two numbers.
    pub abs: Option<f64>,
    /// Share of the larger of two numbers.
    pub rel: Option<f64>,
}

/// When a rule applies; what is not named fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// Route, as a glob.
    pub route: Option<String>,
    /// Account type.
    pub account: Option<String>,
    /// Where the control's side comes from.
    pub source: Option<Source>,
    /// Stream or not.
    pub stream: Option<bool>,
    /// Whether the client names its session.
    pub session: Option<bool>,
    /// Whether the control's answer came to its end.
    pub complete: Option<bool>,
    /// Whether the vendor's last answer to the control broke off.
    pub upstream_cut: Option<bool>,
    /// Statuses of the control's answer.
    pub status: Vec<u16>,
    /// Statuses of the vendor's first answer.
    pub upstream_status: Vec<u16>,
}

/// One rule.
#[derive(Clone, Debug, Serialize)]
pub struct Rule {
    /// Unique name.
    pub id: String,
    /// File it comes from.
    pub file: String,
    /// Plane.
    pub plane: Plane,
    /// Glob on the normalised path; `*` within a segment, `**` over segments.
    pub path: String,
    /// Kind; every kind when absent.
    pub kind: Option<DifferenceKind>,
    /// Circumstances.
    pub when: When,
    /// Both values are texts that are equal once every match of this is taken out.
    #[serde(serialize_with = "read::pattern")]
    pub same_but: Option<regex::Regex>,
    /// The control's value holds a match of this.
    #[serde(serialize_with = "read::pattern")]
    pub control: Option<regex::Regex>,
    /// That of the candidate does.
    #[serde(serialize_with = "read::pattern")]
    pub candidate: Option<regex::Regex>,
    /// What it says.
    pub action: Action,
    /// Why.
    pub reason: String,
}

/// The circumstances of one request, as far as rules ask for them.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// Route.
    pub route: String,
    /// Account type, when one was chosen.
    pub account: Option<String>,
    /// Where the control's side comes from.
    pub source: Source,
    /// Stream or not.
    pub stream: bool,
    /// Whether the client names its session.
    pub session: bool,
    /// Whether the control's answer came to its end.
    pub complete: bool,
    /// Whether the vendor's last answer to the control broke off.
    pub upstream_cut: bool,
    /// Status of the control's answer.
    pub status: Option<u16>,
    /// Status of the vendor's first answer to the control.
    pub upstream_status: Option<u16>,
}

impl Case {
    /// The circumstances of an observation of the control.
    pub fn of(control: &Observation) -> Self {
        let first = control.upstream.as_ref().and_then(|exchanges| exchanges.first());
        Self {
            status: control.response.as_ref().map(|response| response.status),
            upstream_status: first.and_then(|e| e.answer.as_ref()).map(|answer| answer.status),
            route: control.request.route.clone(),
            account: control.account.as_ref().map(|account| account.kind.clone()),
            source: control.source,
            stream: control.request.stream,
            session: control.request.session,
            complete: control.response.as_ref().is_none_or(|response| response.complete),
            upstream_cut: control.upstream_cut(),
        }
    }
}

/// All rules in force, in the order they are asked.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

impl Rules {
    /// The built-in rules.
    pub fn built_in() -> Result<Self, RuleError> {
        let mut rules = Self::default();
        for (file, text) in BUILT_IN {
            rules.add(file, text)?;
        }
        Ok(rules)
    }

    /// The built-in rules and those of an operator's directory (`*.toml`, by name).
    pub fn with_directory(directory: &Path) -> Result<Self, RuleError> {
        let mut rules = Self::built_in()?;
        for (file, text) in read::directory(directory)? {
            rules.add(&file, &text)?;
        }
        Ok(rules)
    }

    /// Adds the rules of one file.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), RuleError> {
        let added = read::rules(file, text, &self.rules)?;
        self.rules.extend(added);
        Ok(())
    }

    /// All rules.
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// Names the first rule that speaks for each finding.
    pub fn apply(&self, case: &Case, findings: &mut [Finding]) {
        for finding in findings.iter_mut().filter(|finding| finding.rule.is_none()) {
            let rule = self.rules.iter().find(|rule| apply::speaks_for(rule, case, finding));
            finding.rule = rule.map(|rule| rule.id.clone());
        }
    }

    /// Rules that spoke for nothing, given the counts per rule.
    pub fn unused<'a>(&'a self, counts: &BTreeMap<String, u64>) -> Vec<&'a Rule> {
        self.rules.iter().filter(|rule| !counts.contains_key(&rule.id)).collect()
    }
}

#[cfg(test)]
mod tests;
