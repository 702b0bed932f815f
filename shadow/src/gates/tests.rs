use rstest::rstest;

use super::*;
use crate::{
    observation::Source,
    tally::{Cell, CellKey, OutcomeClass, PlaneCounts, Share},
};

fn good() -> Tally {
    let mut tally = Tally { observations: 2_000, agreeing: 2_000, ..Tally::default() };
    tally.hours.seen = (0..24).collect();
    tally.sources = [(Source::Tap, 2_000)].into();
    for plane in Plane::ALL {
        tally.planes.insert(plane, PlaneCounts { agree: 2_000, ..PlaneCounts::default() });
    }
    tally.cells.insert(refused(), compared(20));
    tally
}

fn refused() -> CellKey {
    CellKey { outcome: OutcomeClass::Refused, ..CellKey::default() }
}

fn compared(times: u64) -> Cell {
    let share = Share { compared: times, matched: times };
    Cell { compared: times, planes: [(Plane::Effects, share)].into(), ..Cell::default() }
}

type Change = fn(&mut Tally);

#[rstest]
#[case::good(|_: &mut Tally| {}, &[])]
#[case::few(|t: &mut Tally| t.observations = 1_999, &["observations"])]
#[case::short(|t: &mut Tally| { t.hours.seen.pop_first(); }, &["hours"])]
#[case::rare(|t: &mut Tally| { t.cells.insert(CellKey { stream: true, ..CellKey::default() }, compared(19)); }, &["coverage"])]
#[case::blind(|t: &mut Tally| { t.cells.insert(refused(), Cell { compared: 20, ..Cell::default() }); }, &["coverage"])]
#[case::passed_only(|t: &mut Tally| t.passed(CellKey { route: "/x".into(), ..CellKey::default() }, 1), &["coverage"])]
#[case::too_many_cells(|t: &mut Tally| t.cells_overflow = 1, &["coverage"])]
#[case::within_rate(|t: &mut Tally| t.planes.get_mut(&Plane::Account).unwrap().differ = 2, &[])]
#[case::beyond_rate(|t: &mut Tally| t.planes.get_mut(&Plane::Account).unwrap().differ = 3, &["mismatch account"])]
#[case::never_compared(|t: &mut Tally| { t.planes.remove(&Plane::Effects); }, &["mismatch effects", "money"])]
#[case::timing_never_matters(|t: &mut Tally| t.planes.get_mut(&Plane::Timing).unwrap().differ = 2_000, &[])]
#[case::money(|t: &mut Tally| t.money = 1, &["money"])]
#[case::dropped(|t: &mut Tally| { t.dropped.insert("queue full".into(), 200); }, &["drops"])]
#[case::dropped_little(|t: &mut Tally| { t.dropped.insert("queue full".into(), 100); }, &[])]
fn gates(#[case] change: Change, #[case] red: &[&str]) {
    let mut tally = good();
    change(&mut tally);
    let gates = evaluate(&GateSettings::default(), &tally);
    let shut: Vec<_> =
        gates.iter().filter(|gate| !gate.green).map(|gate| gate.gate.as_str()).collect();
    assert_eq!(shut, red, "{gates:?}");
    assert_eq!(all_green(&gates), red.is_empty());
    assert!(gates.iter().all(|gate| !gate.explanation.is_empty()));
}

#[test]
fn nothing_seen_is_red() {
    assert!(!all_green(&evaluate(&GateSettings::default(), &Tally::default())));
}

#[test]
fn a_plane_may_be_optional() {
    let mut tally = good();
    tally.planes.remove(&Plane::Effects);
    tally.cells.insert(refused(), Cell { compared: 20, ..Cell::default() });
    let settings = GateSettings { optional: vec![Plane::Effects], ..GateSettings::default() };
    assert!(all_green(&evaluate(&settings, &tally)));
}

#[test]
fn settings_are_read_in_part_and_unknown_ones_refused() {
    let settings: GateSettings =
        serde_json::from_str(r#"{"min_hours": 2, "max_mismatch_of": {"account": 0.5}}"#).unwrap();
    assert_eq!((settings.min_hours, settings.min_observations), (2, 2_000));
    assert_eq!(settings.max_mismatch_of[&Plane::Account], 0.5);
    assert!(serde_json::from_str::<GateSettings>(r#"{"min_hour": 2}"#).is_err());
}
