//! Differences for people (text) and for machines (JSON).

use std::fmt::Write;

use serde_json::{Value, json};

use super::compare::Difference;

/// Outcome of one scenario.
pub struct Outcome {
    pub name: String,
    /// The rule that the scenario pins down.
    pub why: String,
    pub differences: Vec<Difference>,
    /// The scenario could not be run or has nothing to compare with.
    pub trouble: Option<String>,
    pub seconds: f64,
}

impl Outcome {
    /// Differences that nobody accepted; header order and spelling count only when asked for.
    pub fn open(&self, strict: bool) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(move |d| d.accepted.is_none() && (strict || !d.is_soft()))
    }

    pub fn failed(&self, strict: bool) -> bool {
        self.trouble.is_some() || self.open(strict).next().is_some()
    }
}

/// Differences by scenario, shortened, and totals.
pub fn text(outcomes: &[Outcome], strict: bool) -> String {
    let mut out = String::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.failed(strict)) {
        let _ = writeln!(out, "\n✗ {}: {}", outcome.name, outcome.why);
        if let Some(trouble) = &outcome.trouble {
            let _ = writeln!(out, "    {trouble}");
        }
        for (index, difference) in outcome.open(strict).enumerate() {
            if index == 40 {
                let more = outcome.open(strict).count() - index;
                let _ = writeln!(out, "    … and {more} more");
                break;
            }
            let _ = writeln!(out, "    {} [{:?}]", difference.path, difference.kind);
            let _ = writeln!(out, "        legacy {}", short(&difference.legacy));
            let _ = writeln!(out, "        crs    {}", short(&difference.crs));
        }
    }
    let count = |test: &dyn Fn(&&Outcome) -> bool| outcomes.iter().filter(test).count();
    let failed = count(&|outcome| outcome.failed(strict));
    let spelling = count(&|o| o.differences.iter().any(|d| d.is_soft() && d.accepted.is_none()));
    let accepted = count(&|o| o.differences.iter().any(|d| d.accepted.is_some()));
    let _ = writeln!(
        out,
        "\n{} scenarios: {} agree, {failed} differ; {accepted} with accepted differences, \
         {spelling} with other header order or spelling upstream",
        outcomes.len(),
        outcomes.len() - failed,
    );
    out
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.len() <= 400 {
        return text;
    }
    format!("{}…", &text[..text.floor_char_boundary(400)])
}

/// Everything, for machines.
pub fn json(outcomes: &[Outcome], strict: bool) -> Value {
    let scenarios: Vec<Value> = outcomes
        .iter()
        .map(|outcome| {
            json!({
                "name": outcome.name,
                "agrees": !outcome.failed(strict),
                "trouble": outcome.trouble,
                "seconds": (outcome.seconds * 1000.0).round() / 1000.0,
                "differences": outcome.differences,
            })
        })
        .collect();
    let failed = outcomes.iter().filter(|outcome| outcome.failed(strict)).count();
    json!({ "total": outcomes.len(), "failed": failed, "scenarios": scenarios })
}
