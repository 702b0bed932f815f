use super::*;
use crate::{example, observation::Observation, tally::OutcomeClass, verdict::judge};

fn rules() -> Rules {
    Rules::built_in().unwrap()
}

fn evidence() -> Tally {
    let mut tally = Tally::default();
    for n in 0_i64..120 {
        let mut control = example::streamed();
        control.request.id = format!("req-{n}");
        control.request.arrived_ms += n * 600_000;
        let mut candidate = control.clone();
        candidate.response.as_mut().unwrap().headers[1].1 = "abc1234567".into();
        if n % 10 == 0 {
            candidate.upstream.as_mut().unwrap()[0].headers.retain(|(name, _)| name != "x-app");
        }
        if n == 60 {
            let effects = candidate.effects.as_mut().unwrap();
            effects["usage:cost:daily:key-1:2026-07-24"]["value"] = serde_json::json!({"+": 0.2});
        }
        if n % 40 == 0 {
            control.effects = None;
        }
        tally.add(&control, &judge(&control, &candidate, &rules()));
    }
    tally.drop_one("queue full");
    tally.not_owned("/admin/**");
    let passed = crate::tally::CellKey {
        route: "/api/v1/messages".into(),
        outcome: OutcomeClass::Upstream5xx,
        ..Default::default()
    };
    tally.passed(passed, 1);
    tally
}

#[test]
fn the_report_fits_one_screen() {
    let report = Report::new(&evidence(), &rules(), &GateSettings::default());
    let screen = report.screen();
    assert!(screen.lines().all(|line| line.chars().count() <= WIDTH), "{screen}");
    assert!(screen.lines().count() <= 50, "{screen}");
    // All rules but the one that the evidence uses; a new rule shall not need a new snapshot.
    let unused = format!("{} rules spoke for nothing.", rules().all().len() - 1);
    assert!(screen.contains(&unused), "{screen}");
    insta::assert_snapshot!(screen.replace(&unused, "All other rules spoke for nothing."));
}

#[test]
fn long_names_do_not_widen_it() {
    let mut tally = evidence();
    let (mut key, group) = tally.groups.pop_first().unwrap();
    key.group = "/é".repeat(200);
    key.route = "/r".repeat(200);
    tally.groups.insert(key, group);
    tally.not_owned(&"/n".repeat(300));
    let screen = Report::new(&tally, &rules(), &GateSettings::default()).screen();
    assert!(screen.lines().all(|line| line.chars().count() <= WIDTH), "{screen}");
}

#[test]
fn one_difference_in_many_places_hides_no_other() {
    let mut tally = evidence();
    let (key, group) = tally
        .groups
        .iter()
        .find(|(key, _)| key.plane == Plane::Effects)
        .map(|(key, group)| (key.clone(), group.clone()))
        .unwrap();
    for n in 0..20 {
        let key = GroupKey { group: format!("/usage:cost:{n}/value"), ..key.clone() };
        tally.groups.insert(key, group.clone());
    }
    let report = Report::new(&tally, &rules(), &GateSettings::default());
    assert_eq!((report.differs.len(), report.more_groups), (LISTED, 14));
    let planes: BTreeSet<_> = report.differs.iter().map(|group| group.plane).collect();
    assert_eq!(planes, [Plane::UpstreamRequest, Plane::Effects].into());
    assert_eq!(report.differs[0].weight, Weight::Money, "the order stays");
}

#[test]
fn nothing_seen_is_said() {
    let report = Report::new(&Tally::default(), &rules(), &GateSettings::default());
    assert!(report.screen().starts_with("Nothing was compared yet."));
    assert!(!report.may_advance);
}

#[test]
fn the_report_survives_writing() {
    let report = Report::new(&evidence(), &rules(), &GateSettings::default());
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    assert!(text.contains("\"may_advance\":false"));
}

fn differing() -> (Observation, Observation) {
    let control = example::streamed();
    let mut candidate = control.clone();
    let exchange = &mut candidate.upstream.as_mut().unwrap()[0];
    exchange.headers[0].1 = "a".into();
    exchange.body = exchange.body.text().unwrap().replace("1024", "2048").into();
    let response = candidate.response.as_mut().unwrap();
    response.body = example::STREAM.replace("end_turn", "max_tokens").into();
    candidate.account.as_mut().unwrap().reasons = vec!["lowest load".into()];
    let effects = candidate.effects.as_mut().unwrap();
    effects["usage:cost:daily:key-1:2026-07-24"]["value"] = serde_json::json!({"+": 0.2});
    (control, candidate)
}

#[test]
fn a_case_is_shown_plane_by_plane() {
    let (control, candidate) = differing();
    let verdict = judge(&control, &candidate, &rules());
    let text = show(&control, &candidate, &verdict);
    assert!(!text.contains("oat01"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_case_as_json_has_both_sides_reasons() {
    let (control, candidate) = differing();
    let verdict = judge(&control, &candidate, &rules());
    let value = show_json(&control, &candidate, &verdict);
    assert_eq!(value["account_reasons"]["control"][0], "sticky");
    assert_eq!(value["account_reasons"]["candidate"][0], "lowest load");
    assert!(value["verdict"]["findings"].as_array().unwrap().len() >= 4);
}
