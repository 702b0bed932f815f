//! `crs replay`: captured cases, done again by this build.

use std::path::Path;

use serde_json::{Value, json};
use shadow::{PlaneVerdict, Verdict};

use super::{
    Output,
    shadow::{Desk, on_a_runtime, read_cases},
};
use crate::app::Again;

/// Differences named per case.
const SHOWN: usize = 5;

/// Exit code: 0 when all agree.
pub(super) fn run(dir: &Path, file: &Path, output: &Output) -> anyhow::Result<u8> {
    let desk = Desk::open(dir)?;
    let cases = read_cases(file, &desk.sealer()?)?;
    anyhow::ensure!(!cases.is_empty(), "{} holds no case", file.display());
    let again = Again::new(desk.config)?;
    let (mut agree, mut replaced, mut shown) = (0, 0, Vec::new());
    for case in cases {
        let (id, route) = (case.id.clone(), case.control.request.route.clone());
        let before = differs(&case.verdict);
        replaced += usize::from(case.prompts_replaced);
        let outcome = on_a_runtime(async { Ok(again.run(case).await) })?;
        let now = match &outcome {
            Ok(verdict) => differs(verdict),
            Err(why) => vec![why.as_str()],
        };
        let word = |planes: &[&str]| {
            if planes.is_empty() { "agreed".to_owned() } else { planes.join(", ") }
        };
        agree += usize::from(now.is_empty());
        output.line(&format!("{id}  {route}  then: {}  now: {}", word(&before), word(&now)));
        let findings = outcome.iter().flat_map(|verdict| &verdict.findings);
        for finding in findings.filter(|finding| finding.counts()).take(SHOWN) {
            let difference = &finding.difference;
            output.line(&format!("    {} {} {}", finding.plane, difference.kind, difference.path));
        }
        shown.push(json!({ "id": id, "route": route, "then": before, "now": now }));
    }
    let count = shown.len();
    if replaced > 0 && agree < count {
        output.line(&format!(
            "In {replaced} cases prompts were replaced when they were captured; what depends on their \
             text (who counts as Claude Code, what is sent to the vendor) differs by that. The setting \
             replace_prompts of /admin/crs/shadow/sample keeps them."
        ));
    }
    output.line(&format!("{agree} of {count} cases agree now"));
    output.value(&json!({ "cases": Value::Array(shown), "agree": agree }));
    Ok(u8::from(agree < count))
}

fn differs(verdict: &Verdict) -> Vec<&'static str> {
    let differing = verdict.planes.iter().filter(|(_, v)| **v == PlaneVerdict::Differ);
    differing.map(|(plane, _)| plane.name()).collect()
}
