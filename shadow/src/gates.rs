//! Gates: what the evidence must show before a phase may be left for the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    difference::Plane,
    tally::{Cell, CellKey, OutcomeClass, Tally},
};

/// How strict the gates are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GateSettings {
    /// Requests compared.
    pub min_observations: u64,
    /// Hours in which something was compared.
    pub min_hours: u64,
    /// Requests compared in every cell in use.
    pub min_per_cell: u64,
    /// Largest share of mismatches, for planes without one of their own.
    pub max_mismatch: f64,
    /// Largest share of mismatches by plane.
    pub max_mismatch_of: BTreeMap<Plane, f64>,
    /// Planes that need not have been compared (the effects are only seen with the tap).
    pub optional: Vec<Plane>,
    /// Requests with an unexplained difference in money.
    pub max_money: u64,
    /// Largest share of requests that should have been compared and were not.
    pub max_drop_share: f64,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            min_observations: 2_000,
            min_hours: 24,
            min_per_cell: 20,
            max_mismatch: 0.001,
            max_mismatch_of: BTreeMap::new(),
            optional: Vec::new(),
            max_money: 0,
            max_drop_share: 0.05,
        }
    }
}

/// One gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Name.
    pub gate: String,
    /// Whether it lets one pass.
    pub green: bool,
    /// What there is.
    pub have: String,
    /// What there must be.
    pub need: String,
    /// In words.
    pub explanation: String,
}

/// Every gate, green or not.
pub fn evaluate(settings: &GateSettings, tally: &Tally) -> Vec<Gate> {
    let mut gates = vec![
        at_least(
            "observations",
            tally.observations,
            settings.min_observations,
            "requests compared",
        ),
        at_least(
            "hours",
            tally.hours.covered(),
            settings.min_hours,
            "hours with something compared",
        ),
        coverage(settings, tally),
    ];
    let planes = Plane::ALL.into_iter().filter(|plane| *plane != Plane::Timing);
    gates.extend(planes.map(|plane| mismatch(settings, tally, plane)));
    gates.push(money(settings, tally));
    gates.push(drops(settings, tally));
    gates
}

/// Whether all are green.
pub fn all_green(gates: &[Gate]) -> bool {
    gates.iter().all(|gate| gate.green)
}

fn at_least(name: &str, have: u64, need: u64, what: &str) -> Gate {
    Gate {
        gate: name.into(),
        green: have >= need,
        have: have.to_string(),
        need: format!(">= {need}"),
        explanation: format!("{have} {what}, {need} needed"),
    }
}

fn coverage(settings: &GateSettings, tally: &Tally) -> Gate {
    let coverage = tally.coverage();
    let below = coverage.below(settings.min_per_cell);
    let (all, least) = (coverage.cells.len(), settings.min_per_cell);
    // Of a client that left nobody can tell how far either side came.
    let blind = |(key, cell): &&(&CellKey, &Cell)| {
        let told = !matches!(key.outcome, OutcomeClass::ClientGone | OutcomeClass::Unknown);
        cell.compared >= least && told && !cell.has_effects()
    };
    let needed = !settings.optional.contains(&Plane::Effects);
    let blind: Vec<_> = coverage.cells.iter().filter(|_| needed).filter(blind).collect();
    let green = all > 0 && below.is_empty() && blind.is_empty() && tally.cells_overflow == 0;
    let explanation = match below.first() {
        _ if all == 0 => "nothing was seen".into(),
        Some((key, cell)) => {
            format!("e.g. `{}` was compared {} times of {least}", key.shown(), cell.compared)
        }
        None if tally.cells_overflow > 0 => {
            format!("{} requests fell beyond the cap of cells", tally.cells_overflow)
        }
        None if !blind.is_empty() => {
            format!("e.g. of `{}` the effects were never compared", blind[0].0.shown())
        }
        None => format!("every kind of traffic in use was compared at least {least} times"),
    };
    Gate {
        gate: "coverage".into(),
        green,
        have: format!("{} of {all}", all - below.len() - blind.len()),
        need: format!("all cells >= {least}"),
        explanation,
    }
}

fn mismatch(settings: &GateSettings, tally: &Tally, plane: Plane) -> Gate {
    let most = settings.max_mismatch_of.get(&plane).copied().unwrap_or(settings.max_mismatch);
    let counts = tally.plane(plane);
    let rate = counts.mismatch_rate();
    let optional = settings.optional.contains(&plane);
    let explanation = match rate {
        None if optional => "was never compared, which is allowed".into(),
        None => "was never compared: is the tap connected?".into(),
        Some(_) => format!("{} of {} compared differ", counts.differ, counts.compared()),
    };
    Gate {
        gate: format!("mismatch {plane}"),
        green: rate.map_or(optional, |rate| rate <= most),
        have: rate.map_or("-".into(), percent),
        need: format!("<= {}", percent(most)),
        explanation,
    }
}

fn money(settings: &GateSettings, tally: &Tally) -> Gate {
    let compared = tally.plane(Plane::Effects).compared();
    let optional = settings.optional.contains(&Plane::Effects);
    let most = settings.max_money;
    Gate {
        gate: "money".into(),
        green: tally.money <= most && (compared > 0 || optional),
        have: tally.money.to_string(),
        need: format!("<= {most}"),
        explanation: match compared {
            0 => "no effect was compared".into(),
            _ => format!("{} requests with another amount of money", tally.money),
        },
    }
}

fn drops(settings: &GateSettings, tally: &Tally) -> Gate {
    let (share, most) = (tally.drop_share(), settings.max_drop_share);
    let dropped: u64 = tally.dropped.values().sum();
    Gate {
        gate: "drops".into(),
        green: share <= most,
        have: percent(share),
        need: format!("<= {}", percent(most)),
        explanation: format!("{dropped} requests not compared though asked for"),
    }
}

pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    // One in ten thousand must not look like none.
    let close = (percent > 0.0 && percent < 0.1) || (percent > 99.9 && percent < 100.0);
    if close { format!("{percent:.3} %") } else { format!("{percent:.1} %") }
}

#[cfg(test)]
mod tests;
