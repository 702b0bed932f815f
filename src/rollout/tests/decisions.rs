//! Who answers, as a table and as properties.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn messages() -> &'static OwnedRoute {
    route(&http::Method::POST, "/api/v1/messages").unwrap()
}

fn plan(phase: Phase, percent: u16) -> Plan {
    let share = Share { percent: Percent::whole(percent), ..Share::default() };
    Plan { phase, share, ..Plan::default() }
}

fn names(list: &[&str]) -> std::collections::BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[derive(Clone, Copy)]
enum Asks {
    Owned,
    Health,
    Foreign,
}

#[rstest]
#[case(Phase::Observe, Asks::Owned, Serve::Legacy, false, "phase")]
#[case(Phase::Observe, Asks::Foreign, Serve::Legacy, false, "route_not_owned")]
#[case(Phase::Shadow, Asks::Owned, Serve::Legacy, true, "phase")]
#[case(Phase::Shadow, Asks::Health, Serve::Legacy, false, "phase")]
#[case(Phase::Shadow, Asks::Foreign, Serve::Legacy, false, "route_not_owned")]
#[case(Phase::Canary, Asks::Owned, Serve::Own, false, "in_share")]
#[case(Phase::Canary, Asks::Health, Serve::Legacy, false, "nodes_until_primary")]
#[case(Phase::Canary, Asks::Foreign, Serve::Legacy, false, "route_not_owned")]
#[case(Phase::Primary, Asks::Owned, Serve::Own, false, "owned")]
#[case(Phase::Primary, Asks::Health, Serve::Own, false, "owned")]
#[case(Phase::Primary, Asks::Foreign, Serve::Legacy, false, "route_not_owned")]
#[case(Phase::Standalone, Asks::Owned, Serve::Own, false, "standalone")]
#[case(Phase::Standalone, Asks::Foreign, Serve::Own, false, "standalone")]
fn the_phase_and_the_route_decide(
    #[case] phase: Phase,
    #[case] asks: Asks,
    #[case] serve: Serve,
    #[case] shadow: bool,
    #[case] reason: &str,
) {
    let route = match asks {
        Asks::Owned => Some(messages()),
        Asks::Health => route(&http::Method::GET, "/health"),
        Asks::Foreign => None,
    };
    let key = key("k", &[]);
    let decision = decide(&plan(phase, 100), route, KeyOf::Known(&key), None, 0);
    assert_eq!(
        (decision.serve, decision.shadow, decision.reason.as_str()),
        (serve, shadow, reason)
    );
    assert_eq!(decision.fallback, serve == Serve::Own && phase != Phase::Standalone);
}

#[test]
fn canary_knows_its_keys() {
    let mut plan = plan(Phase::Canary, 0);
    plan.share.include.keys = names(&["mine"]);
    plan.share.include.tags = names(&["team: blue"]);
    plan.share.exclude.keys = names(&["never"]);
    let of = |plan: &Plan, key: KeyOf<'_>, unfit| {
        let decision = decide(plan, Some(messages()), key, unfit, 0);
        (decision.serve, decision.shadow, decision.reason.as_str())
    };
    let known = |id, tags: &[&str]| key(id, tags);
    let (mine, blue) = (known("mine", &[]), known("other", &["x", "team: blue"]));
    let (never, other) = (known("never", &["team: blue"]), known("other", &["red"]));
    assert_eq!(of(&plan, KeyOf::Known(&mine), None), (Serve::Own, false, "named"));
    assert_eq!(of(&plan, KeyOf::Known(&blue), None), (Serve::Own, false, "named"));
    assert_eq!(of(&plan, KeyOf::Known(&never), None), (Serve::Legacy, true, "excluded"));
    assert_eq!(of(&plan, KeyOf::Known(&other), None), (Serve::Legacy, true, "outside_share"));
    assert_eq!(of(&plan, KeyOf::Unknown, None), (Serve::Legacy, true, "key_unknown"));
    let bedrock = Some("bedrock");
    assert_eq!(of(&plan, KeyOf::Known(&mine), bedrock), (Serve::Legacy, false, "unfit"));
    plan.share.include.routes = names(&["count_tokens"]);
    assert_eq!(of(&plan, KeyOf::Known(&other), None).2, "outside_share");
    plan.share.include.routes = names(&["messages"]);
    assert_eq!(of(&plan, KeyOf::Known(&other), None).2, "named");
    plan.share.exclude.platforms = names(&["claude"]);
    assert_eq!(of(&plan, KeyOf::Known(&mine), None).2, "excluded");
}

#[test]
fn shadow_takes_its_sample() {
    let mut plan = plan(Phase::Shadow, 0);
    plan.shadow.percent = Percent::whole(10);
    plan.shadow.routes.insert("models".into(), Percent::NONE);
    let of = |path, method: &http::Method, draw| {
        decide(&plan, route(method, path), KeyOf::NotAsked, None, draw).shadow
    };
    assert!(of("/api/v1/messages", &http::Method::POST, 999));
    assert!(!of("/api/v1/messages", &http::Method::POST, 1000));
    assert!(!of("/api/v1/models", &http::Method::GET, 0));
}

#[rstest]
#[case("POST", "/api/v1/messages", Some("messages"))]
#[case("GET", "/api/v1/messages", None)]
#[case("HEAD", "/claude/v1/models", Some("models"))]
#[case("GET", "/api/v1/organizations/o1/usage", Some("organization-usage"))]
#[case("GET", "/api/v1/organizations//usage", None)]
#[case("GET", "/api/v1/organizations/a/b/usage", None)]
#[case("POST", "/antigravity/api/v1/messages", None)]
#[case("POST", "/gemini-cli/api/v1/messages/count_tokens", None)]
#[case("GET", "/admin/api-keys", None)]
#[case("GET", "/", None)]
#[case("OPTIONS", "/api/v1/messages", None)]
fn routes_are_found(#[case] method: &str, #[case] path: &str, #[case] name: Option<&str>) {
    let method = http::Method::from_bytes(method.as_bytes()).unwrap();
    assert_eq!(route(&method, path).map(|route| route.name), name);
}

#[test]
fn places_are_spread_evenly_and_never_change() {
    // These are promises: a change would move keys between services.
    assert_eq!(place("0f8fad5b-d9cb-469f-a165-70867728950e"), 9952);
    let ids: Vec<String> = (0..20_000).map(|n| format!("key-{n}")).collect();
    for percent in [1_u16, 5, 25, 50] {
        let inside = ids.iter().filter(|id| Percent::whole(percent).holds(place(id))).count();
        let (share, expected) = (inside as f64 / 200.0, f64::from(percent));
        assert!((share - expected).abs() < 1.0, "{share} % at {percent} %");
    }
}

#[rstest]
#[case::nobody_named(&[], &[], false, "outside_share", "outside_share")]
#[case::one_in(&["openai"], &[], true, "outside_share", "named")]
#[case::one_out(&[], &["openai"], true, "outside_share", "excluded")]
#[case::both_in(&["claude", "openai"], &[], false, "named", "named")]
#[case::out_wins(&["claude", "openai"], &["claude"], true, "excluded", "named")]
#[case::another(&["azure"], &["azure"], false, "outside_share", "outside_share")]
fn the_model_of_a_chat_request_says_whose_it_is(
    #[case] include: &[&str],
    #[case] exclude: &[&str],
    #[case] matters: bool,
    #[case] claude: &str,
    #[case] openai: &str,
) {
    let mut plan = plan(Phase::Canary, 0);
    plan.share.include.platforms = names(include);
    plan.share.exclude.platforms = names(exclude);
    let key = key("k", &[]);
    for path in ["/api/v1/chat/completions", "/openai/v1/completions"] {
        let chat = route(&http::Method::POST, path).unwrap();
        assert_eq!(plan.share.asks_for_model(chat), matters);
        for (platform, reason) in [("claude", claude), ("openai", openai), ("gemini", claude)] {
            let on = chat.on(platform);
            let decision = decide(&plan, Some(&on), KeyOf::Known(&key), None, 0);
            assert_eq!(decision.reason.as_str(), reason, "{platform}");
        }
    }
    assert!(!plan.share.asks_for_model(messages()), "nobody else's accounts serve it");
}

proptest! {
    #[test]
    fn a_key_that_is_in_stays_in(id in "[a-z0-9-]{1,40}", low in 0.0..=100.0, more in 0.0..=100.0) {
        let high = f64::min(100.0, low + more);
        let member = |percent| {
            let share = Share { percent: Percent::new(percent).unwrap(), ..Share::default() };
            share.membership(&key(&id, &[]), messages())
        };
        let (before, after) = (member(low), member(high));
        prop_assert_eq!(before, member(low));
        prop_assert!(before != Membership::InShare || after == Membership::InShare);
        prop_assert_eq!(member(100.0), Membership::InShare);
        prop_assert_eq!(member(0.0), Membership::Outside);
    }

    #[test]
    fn percentages_survive_json(hundredths in 0_u16..=10_000) {
        let percent = Percent::new(f64::from(hundredths) / 100.0).unwrap();
        let text = serde_json::to_string(&percent).unwrap();
        prop_assert_eq!(serde_json::from_str::<Percent>(&text).unwrap(), percent);
        prop_assert_eq!(percent.to_string().parse::<Percent>().unwrap(), percent);
    }
}

#[test]
fn what_is_no_percentage_is_refused() {
    for text in ["-1", "100.1", "NaN", "x", ""] {
        assert!(text.parse::<Percent>().is_err(), "{text}");
    }
    assert!(serde_json::from_str::<Percent>("101").is_err());
}
