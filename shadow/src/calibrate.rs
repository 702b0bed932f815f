//! Rules proposed from comparing the legacy service with itself, for a person to accept.
//!
//! What differs between two legacy instances answering the same request is noise, unless it is money:
//! those proposals are commented out.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    difference::{DifferenceKind, Finding, Plane, Weight},
    observation::Observation,
    rules::{Case, Rules},
};

/// Most proposals; the rarest beyond are counted only.
const PROPOSALS: usize = 200;
/// Examples kept per proposal.
const EXAMPLES: usize = 3;

/// One pattern that differed.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Plane.
    pub plane: Plane,
    /// Normalised path.
    pub path: String,
    /// Kind.
    pub kind: DifferenceKind,
    /// Weight.
    pub weight: Weight,
    /// Pairs it differed in.
    pub pairs: u64,
    /// Largest distance, when all values were numbers or moments.
    pub apart: Option<f64>,
    /// Values of both sides, shortened.
    pub examples: Vec<(String, String)>,
}

/// What comparing a legacy service with itself found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    /// Pairs compared.
    pub pairs: u64,
    /// What differed and no rule speaks for yet, most often first.
    pub proposals: Vec<Proposal>,
    /// Proposals beyond the cap.
    pub dropped: u64,
}

/// Compares each pair under the rules there are and proposes further ones.
pub fn calibrate<'a>(
    pairs: impl IntoIterator<Item = (&'a Observation, &'a Observation)>,
    rules: &Rules,
) -> Calibration {
    let mut calibration = Calibration::default();
    let mut found: BTreeMap<(Plane, String, DifferenceKind), Proposal> = BTreeMap::new();
    for (one, other) in pairs {
        calibration.pairs += 1;
        let mut findings = crate::compare::compare(one, other).findings;
        rules.apply(&Case::of(one), &mut findings);
        let mut seen: Vec<(Plane, String, DifferenceKind)> = Vec::new();
        for mut finding in findings.into_iter().filter(Finding::counts) {
            let key = (finding.plane, finding.group.clone(), finding.difference.kind);
            let first = !seen.contains(&key);
            if first {
                seen.push(key.clone());
            }
            crate::redact::finding(&mut finding);
            add(&mut found, key, &finding, first);
        }
    }
    let mut proposals: Vec<_> = found.into_values().collect();
    proposals.sort_by_key(|proposal| std::cmp::Reverse(proposal.pairs));
    calibration.dropped = proposals.len().saturating_sub(PROPOSALS) as u64;
    proposals.truncate(PROPOSALS);
    calibration.proposals = proposals;
    calibration
}

fn add(
    found: &mut BTreeMap<(Plane, String, DifferenceKind), Proposal>,
    key: (Plane, String, DifferenceKind),
    finding: &Finding,
    first_of_pair: bool,
) {
    let (plane, path, kind) = key.clone();
    let difference = &finding.difference;
    let apart = difference.control.as_ref().zip(difference.candidate.as_ref());
    let apart = apart.and_then(|(a, b)| Some((number(a)? - number(b)?).abs()));
    let fresh = !found.contains_key(&key);
    let proposal = found.entry(key).or_insert_with(|| Proposal {
        plane,
        path,
        kind,
        weight: finding.weight,
        pairs: 0,
        apart,
        examples: Vec::new(),
    });
    proposal.pairs += u64::from(first_of_pair);
    proposal.weight = proposal.weight.max(finding.weight);
    if !fresh {
        proposal.apart = proposal.apart.zip(apart).map(|(a, b)| a.max(b));
    }
    if proposal.examples.len() < EXAMPLES {
        let shown = |value: &Option<Value>| {
            let text = value.as_ref().map_or("-".into(), Value::to_string);
            text.chars().take(100).collect::<String>()
        };
        proposal.examples.push((shown(&difference.control), shown(&difference.candidate)));
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
    .filter(|number: &f64| number.is_finite())
}

impl Calibration {
    /// A rule file to look through. Proposals about money are comments.
    pub fn toml(&self) -> String {
        let mut out = format!(
            "# Proposed from {} pairs of one request on two legacy instances.\n\
             # Look at each one; a rule hides real differences, too. Give it a reason of your own.\n",
            self.pairs
        );
        for (index, proposal) in self.proposals.iter().enumerate() {
            out.push_str(&proposal.toml(index + 1, self.pairs));
        }
        if self.dropped > 0 {
            out.push_str(&format!("\n# {} rarer ones are left out.\n", self.dropped));
        }
        out
    }
}

impl Proposal {
    fn toml(&self, number: usize, of: u64) -> String {
        let mut out = format!("\n# in {} of {of} pairs\n", self.pairs);
        for (one, other) in &self.examples {
            out.push_str(&format!("#   {one} | {other}\n"));
        }
        let action = match self.apart {
            // Twice what was seen, since what was seen is only a sample.
            Some(apart) => {
                format!(
                    "action = \"tolerance\"\ntolerance = {{ abs = {} }}\n",
                    rounded(apart * 2.0)
                )
            }
            None => "action = \"ignore\"\n".into(),
        };
        let rule = format!(
            "[[rule]]\nid = \"calibrated-{number}\"\nplane = \"{}\"\npath = {}\nkind = \"{}\"\n{action}\
             reason = \"Differed between two legacy instances in {} of {of} pairs.\"\n",
            self.plane,
            quoted(&self.path),
            self.kind,
            self.pairs,
        );
        if self.weight == Weight::Money {
            out.push_str("# MONEY: not a rule until someone says why.\n");
            out.extend(rule.lines().map(|line| format!("# {line}\n")));
        } else {
            out.push_str(&rule);
        }
        out
    }
}

fn rounded(number: f64) -> String {
    if number >= 1.0 { format!("{}", number.ceil()) } else { format!("{number}") }
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::example;

    fn pairs() -> Vec<(Observation, Observation)> {
        (0..10)
            .map(|n| {
                let one = example::streamed();
                let mut other = one.clone();
                if n % 2 == 0 {
                    other.response.as_mut().unwrap().headers.push(("x-\"trace".into(), "1".into()));
                }
                other.effects.as_mut().unwrap()["usage:daily:key-1:2026-07-24"]["fields"]["tokens"] =
                    json!({"+": 18 + n});
                if n == 3 {
                    other.effects.as_mut().unwrap()["usage:cost:daily:key-1:2026-07-24"]["value"] =
                        json!({"+": 0.5});
                }
                (one, other)
            })
            .collect()
    }

    #[test]
    fn noise_is_proposed_with_its_share() {
        let pairs = pairs();
        let rules = Rules::built_in().unwrap();
        let calibration = calibrate(pairs.iter().map(|(a, b)| (a, b)), &rules);
        let told: Vec<_> =
            calibration.proposals.iter().map(|p| (p.path.as_str(), p.pairs, p.apart)).collect();
        assert_eq!(
            told,
            [
                ("/usage:daily:{id}:{date}/fields/tokens", 9, Some(9.0)),
                ("/headers/x-\"trace", 5, None),
                ("/usage:cost:daily:{id}:{date}/value", 1, Some(0.499862)),
            ]
        );
    }

    #[test]
    fn proposals_are_rules_that_then_speak_for_the_noise_but_never_for_money() {
        let pairs = pairs();
        let mut rules = Rules::built_in().unwrap();
        let text = calibrate(pairs.iter().map(|(a, b)| (a, b)), &rules).toml();
        rules.add("calibrated.toml", &text).unwrap();
        let left = calibrate(pairs.iter().map(|(a, b)| (a, b)), &rules);
        let left: Vec<_> = left.proposals.iter().map(|p| p.weight).collect();
        assert_eq!(left, [Weight::Money], "{text}");
    }

    #[test]
    fn an_equal_pair_proposes_nothing() {
        let side = example::streamed();
        let calibration = calibrate([(&side, &side)], &Rules::default());
        assert_eq!((calibration.pairs, calibration.proposals.len()), (1, 0));
    }
}
