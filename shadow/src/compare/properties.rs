//! Properties: nothing is found between equals, and any single change is.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::{example, json::compare_json};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        "[a-z0-9 /~:.é]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z/~:é]{1,6}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-z]{1,6}", value(), 1..6)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

/// Changes the leaf that `at` points to, going round.
fn mutate(value: &mut Value, at: usize) {
    fn leaves(value: &Value) -> usize {
        match value {
            Value::Object(m) if !m.is_empty() => m.values().map(leaves).sum(),
            Value::Array(m) if !m.is_empty() => m.iter().map(leaves).sum(),
            _ => 1,
        }
    }
    fn change(value: &mut Value, mut at: usize) {
        match value {
            Value::Object(m) if !m.is_empty() => {
                for member in m.values_mut() {
                    let count = leaves(member);
                    if at < count {
                        return change(member, at);
                    }
                    at -= count;
                }
            }
            Value::Array(m) if !m.is_empty() => {
                for member in m.iter_mut() {
                    let count = leaves(member);
                    if at < count {
                        return change(member, at);
                    }
                    at -= count;
                }
            }
            leaf => *leaf = json!({ "changed": leaf.clone() }),
        }
    }
    let count = leaves(value);
    change(value, at % count);
}

fn event() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"type": "ping"})),
        ("[a-z ]{1,8}", 0..2).prop_map(|(text, index)| json!({
            "type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}
        })),
        (0..99_u32).prop_map(|n| json!({"type": "message_delta", "usage": {"output_tokens": n}})),
        object(),
    ]
}

fn stream(events: &[Value]) -> String {
    events
        .iter()
        .map(|data| match data["type"].as_str() {
            Some(name) => format!("event: {name}\ndata: {data}\n\n"),
            None => format!("data: {data}\n\n"),
        })
        .collect()
}

fn with_body(body: String) -> Observation {
    let mut side = example::streamed();
    side.response.as_mut().unwrap().body = body.into();
    side
}

fn effects() -> impl Strategy<Value = Value> {
    let amount = prop_oneof![
        any::<i32>().prop_map(|n| json!({"+": n})),
        "[a-z]{1,5}".prop_map(|text| json!({"=": text})),
    ];
    let fields = prop::collection::btree_map("[a-zA-Z]{1,8}", amount, 1..4);
    let key = "(usage:daily:[a-z]{3}:2026-07-2[0-9]|usage:cost:total:[a-z]{3}|other:[a-z]{1,4})";
    prop::collection::btree_map(key, fields, 1..5).prop_map(|keys| {
        let change = |fields| json!({"type": "hash", "fields": fields, "ttl": 1000});
        Value::Object(keys.into_iter().map(|(key, fields)| (key, change(fields))).collect())
    })
}

fn with_effects(effects: Value) -> Observation {
    Observation { effects: Some(effects), ..example::streamed() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn equal_json_has_no_difference(value in value()) {
        prop_assert!(compare_json(&value, &value).is_empty());
    }

    #[test]
    fn any_change_of_json_is_found(value in object(), at in any::<usize>()) {
        let mut other = value.clone();
        mutate(&mut other, at);
        prop_assert!(!compare_json(&value, &other).is_empty());
        prop_assert!(!compare_json(&other, &value).is_empty());
    }

    #[test]
    fn the_order_of_members_says_nothing(value in object()) {
        let Value::Object(members) = &value else { unreachable!() };
        let turned: Map<String, Value> =
            members.iter().rev().map(|(name, value)| (name.clone(), value.clone())).collect();
        prop_assert!(compare_json(&value, &Value::Object(turned)).is_empty());
    }

    #[test]
    fn equal_streams_have_no_difference(events in prop::collection::vec(event(), 0..12)) {
        let side = with_body(stream(&events));
        prop_assert!(compare(&side, &side.clone()).findings.is_empty());
    }

    #[test]
    fn a_lost_event_is_exactly_one_missing(
        events in prop::collection::vec(event(), 1..14),
        at in any::<usize>(),
    ) {
        let at = at % events.len();
        let mut fewer = events.clone();
        fewer.remove(at);
        let found = compare(&with_body(stream(&events)), &with_body(stream(&fewer))).findings;
        let of = |kind| found.iter().filter(move |f| {
            f.difference.kind == kind && f.difference.path.starts_with("/events/")
        }).count();
        prop_assert_eq!(of(DifferenceKind::Missing), 1, "{:?}", found);
        let others = found.iter().filter(|f| f.difference.path.starts_with("/events/")).count();
        prop_assert_eq!(others, 1, "{:?}", found);
    }

    #[test]
    fn any_change_of_an_event_is_found(
        events in prop::collection::vec(event(), 1..12),
        which in any::<usize>(),
        at in any::<usize>(),
    ) {
        let mut other = events.clone();
        let which = which % events.len();
        mutate(&mut other[which], at);
        let (a, b) = (with_body(stream(&events)), with_body(stream(&other)));
        prop_assert!(compare(&a, &b).findings.iter().any(Finding::counts));
    }

    #[test]
    fn equal_effects_have_no_difference(effects in effects()) {
        let side = with_effects(effects);
        prop_assert!(compare(&side, &side.clone()).findings.is_empty());
    }

    #[test]
    fn any_change_of_an_effect_is_found_at_its_key(effects in effects(), at in any::<usize>()) {
        let mut other = effects.clone();
        mutate(&mut other, at);
        let found = compare(&with_effects(effects), &with_effects(other)).findings;
        prop_assert_eq!(found.len(), 1, "{:?}", found);
        prop_assert!(found[0].counts() && found[0].plane == Plane::Effects);
    }

    #[test]
    fn a_lost_key_is_missing_by_its_name(effects in effects(), at in any::<usize>()) {
        let mut other = effects.clone();
        let members = other.as_object_mut().unwrap();
        let key = members.keys().nth(at % members.len()).unwrap().clone();
        members.remove(&key);
        let found = compare(&with_effects(effects), &with_effects(other)).findings;
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(&found[0].difference.path, &format!("/{key}"));
        prop_assert_eq!(found[0].weight == Weight::Money, key.starts_with("usage:cost"));
    }

    #[test]
    fn no_path_makes_grouping_fail(path in "\\PC{0,300}") {
        for plane in Plane::ALL {
            let grouped = crate::group::group(plane, &path);
            prop_assert!(grouped.len() <= 240);
        }
    }
}
