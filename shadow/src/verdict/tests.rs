use serde_json::json;

use super::*;
use crate::{body::Body, example};

fn rules() -> Rules {
    Rules::built_in().unwrap()
}

#[test]
fn equal_sides_agree_on_every_plane() {
    let side = example::streamed();
    let verdict = judge(&side, &side.clone(), &rules());
    assert!(verdict.planes.values().all(|plane| *plane == PlaneVerdict::Agree), "{verdict:?}");
    assert!(verdict.agrees() && verdict.findings.is_empty() && verdict.groups.is_empty());
}

#[test]
fn ignored_differences_stay_counted() {
    let control = example::streamed();
    let mut candidate = control.clone();
    candidate.response.as_mut().unwrap().headers[1].1 = "zzz98765yyy".into();
    let verdict = judge(&control, &candidate, &rules());
    assert_eq!(verdict.planes[&Plane::ResponseHead], PlaneVerdict::IgnoredOnly);
    assert_eq!(verdict.groups.len(), 1);
    assert_eq!(verdict.groups[0].rule.as_deref(), Some("request-id-header"));
    assert!(verdict.agrees());
}

#[test]
fn money_without_a_rule_is_told() {
    let control = example::streamed();
    let mut candidate = control.clone();
    let effects = candidate.effects.as_mut().unwrap();
    effects["usage:cost:daily:key-1:2026-07-24"]["value"] = json!({"+": "0.2"});
    let verdict = judge(&control, &candidate, &rules());
    assert!(verdict.money() && !verdict.agrees());
    assert_eq!(verdict.planes[&Plane::Effects], PlaneVerdict::Differ);
}

#[test]
fn findings_beyond_the_cap_are_counted() {
    let (mut control, mut candidate) = (example::streamed(), example::streamed());
    let body = |from: usize| -> Body {
        let members: serde_json::Map<String, serde_json::Value> =
            (0..500).map(|n| (format!("member-{n}"), json!(n + from))).collect();
        serde_json::to_string(&members).unwrap().into()
    };
    control.upstream.as_mut().unwrap()[0].body = body(0);
    candidate.upstream.as_mut().unwrap()[0].body = body(1);
    let verdict = judge(&control, &candidate, &rules());
    assert_eq!(verdict.findings.len(), LISTED);
    assert_eq!(verdict.unlisted, 200);
    assert_eq!(verdict.groups.len(), GROUPS);
}

#[test]
fn a_verdict_survives_writing() {
    let control = example::streamed();
    let mut candidate = control.clone();
    candidate.account = None;
    candidate.upstream = None;
    let verdict = judge(&control, &candidate, &rules());
    let text = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);
}
