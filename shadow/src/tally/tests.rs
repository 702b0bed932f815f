use super::*;
use crate::{example, rules::Rules, verdict::judge};

fn request(id: &str, at_ms: i64, change: impl FnOnce(&mut Observation)) -> (Observation, Verdict) {
    let mut control = example::streamed();
    control.request.id = id.into();
    control.request.arrived_ms = at_ms;
    let mut candidate = control.clone();
    change(&mut candidate);
    let verdict = judge(&control, &candidate, &Rules::built_in().unwrap());
    (control, verdict)
}

fn mixed() -> Tally {
    let mut tally = Tally::default();
    for n in 0..10 {
        let (control, verdict) = request(&format!("r{n}"), n * 3_600_000, |candidate| {
            if n % 5 == 0 {
                candidate.response.as_mut().unwrap().status = 500;
            }
            if n == 7 {
                candidate.effects.as_mut().unwrap()["usage:cost:total:k"] =
                    serde_json::json!({"type": "string", "value": {"+": "1"}});
            }
            candidate.response.as_mut().unwrap().headers[1].1 = "abc1234567".into();
        });
        tally.add(&control, &verdict);
    }
    tally.drop_one("queue full");
    tally.not_owned("/admin/**");
    tally
}

#[test]
fn everything_is_counted() {
    let tally = mixed();
    assert_eq!((tally.observations, tally.agreeing, tally.money), (10, 7, 1));
    assert_eq!(tally.hours.covered(), 10);
    let head = tally.plane(Plane::ResponseHead);
    assert_eq!((head.agree, head.ignored_only, head.differ), (0, 8, 2));
    assert_eq!(tally.plane(Plane::Effects).mismatch_rate(), Some(0.1));
    assert_eq!(tally.rules["request-id-header"], 10);
    let top = tally.mismatches();
    assert_eq!(
        (top[0].0.group.as_str(), top[0].1.weight),
        ("/usage:cost:total:{id}", Weight::Money)
    );
    assert_eq!(top[1].0.group, "/status");
    assert_eq!((top[1].1.requests, top[1].1.example.as_str()), (2, "r5"));
    assert_eq!(top[0].1.example_path, "/usage:cost:total:k");
    assert_eq!(tally.cells.len(), 1);
    let cell = tally.cells.values().next().unwrap();
    assert_eq!(cell.planes[&Plane::ResponseHead], Share { compared: 10, matched: 8 });
}

#[test]
fn instances_add_up_and_survive_writing() {
    let (a, b) = (mixed(), mixed());
    let mut both = a.clone();
    both.merge(&b);
    assert_eq!(both.observations, 20);
    assert_eq!(both.mismatches()[1].1.requests, 4);
    assert_eq!(both.hours.covered(), 10);
    assert_eq!(both.cells.values().next().unwrap().compared, 20);
    let text = serde_json::to_string(&both).unwrap();
    assert_eq!(serde_json::from_str::<Tally>(&text).unwrap(), both);
    let mut fresh = Tally::default();
    fresh.merge(&a);
    assert_eq!(fresh, a);
    assert_eq!(serde_json::from_str::<Tally>("{}").unwrap(), Tally::default());
}

#[test]
fn groups_and_cells_are_bounded() {
    let mut tally = Tally::default();
    for n in 0..CELLS + 5 {
        tally.passed(CellKey { route: format!("/r{n}"), ..CellKey::default() }, 1);
    }
    assert_eq!((tally.cells.len(), tally.cells_overflow), (CELLS, 5));
    let (mut control, verdict) =
        request("r", 1, |candidate| candidate.response.as_mut().unwrap().status = 500);
    for n in 0..GROUPS + 5 {
        control.request.route = format!("/route-{n}");
        tally.add(&control, &verdict);
    }
    assert_eq!((tally.groups.len(), tally.groups_overflow), (GROUPS, 5));
}

#[test]
fn names_are_bounded() {
    let mut tally = Tally::default();
    for n in 0..NAMES + 5 {
        tally.drop_one(&format!("reason {n}"));
    }
    assert_eq!(tally.dropped["other"], 5);
}

#[test]
fn traffic_that_only_passed_must_be_covered() {
    let mut tally = mixed();
    let known = CellKey {
        route: "/api/v1/messages".into(),
        stream: true,
        outcome: OutcomeClass::Ok,
        ..CellKey::default()
    };
    tally.passed(known.clone(), 1);
    assert!(tally.coverage().below(10).is_empty());
    tally.passed(CellKey { stream: false, ..known.clone() }, 1);
    let below = tally.coverage().below(10).len();
    assert_eq!(below, 1);
    // Of a request outside of the sample nothing but its route is known.
    let outside = CellKey { stream: false, outcome: OutcomeClass::Unknown, ..known };
    tally.passed(outside.clone(), 1);
    assert_eq!(tally.coverage().below(10).len(), below);
    tally.passed(CellKey { route: "/openai/responses".into(), ..outside }, 1);
    assert_eq!(tally.coverage().below(10).len(), below + 1);
}

#[test]
fn outcomes_have_classes() {
    let mut side = example::streamed();
    assert_eq!(OutcomeClass::of(&side), OutcomeClass::Ok);
    side.response.as_mut().unwrap().status = 429;
    assert_eq!(OutcomeClass::of(&side), OutcomeClass::Upstream4xx);
    side.response.as_mut().unwrap().complete = false;
    assert_eq!(OutcomeClass::of(&side), OutcomeClass::ClientGone);
    let answer = side.upstream.as_mut().unwrap()[0].answer.as_mut().unwrap();
    answer.failure = Some(("ECONNRESET".into(), "read ECONNRESET".into()));
    assert_eq!(OutcomeClass::of(&side), OutcomeClass::Cut);
    let response = side.response.as_mut().unwrap();
    (response.status, response.complete) = (200, true);
    assert_eq!(OutcomeClass::of(&side), OutcomeClass::Cut, "ended by the legacy service itself");
    side.admission = Admission::Rejected { status: 429, body: "{}".into() };
    assert_eq!(OutcomeClass::of(&side), OutcomeClass::Refused);
    side.admission = Admission::Admitted;
    side.response = None;
    assert_eq!(OutcomeClass::of(&side), OutcomeClass::Unknown);
}

use crate::observation::Admission;

#[test]
fn what_could_not_be_compared_at_all_covers_nothing() {
    let mut tally = Tally::default();
    let (mut control, mut verdict) = request("r", 1, |_| {});
    for outcome in verdict.planes.values_mut() {
        *outcome = PlaneVerdict::NotCompared { why: "incomplete".into() };
    }
    control.account = None;
    tally.add(&control, &verdict);
    let cell = tally.cells.values().next().unwrap();
    assert_eq!((tally.observations, cell.compared, cell.passed), (1, 0, 1));
    assert_eq!(tally.coverage().below(1).len(), 1);
}
