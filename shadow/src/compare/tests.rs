//! Seeded differences: each is found on its plane, at its path, and nothing else is.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::{
    example,
    observation::{Gap, Headers, Observation, Response, UpstreamExchange},
};

fn found(change: impl FnOnce(&mut Observation)) -> Vec<(Plane, String, DifferenceKind, Weight)> {
    let control = example::streamed();
    let mut candidate = control.clone();
    change(&mut candidate);
    let findings = compare(&control, &candidate).findings;
    findings
        .into_iter()
        .map(|f| (f.plane, f.difference.path, f.difference.kind, f.weight))
        .collect()
}

#[test]
fn an_identical_pair_has_no_difference() {
    let control = example::streamed();
    let comparison = compare(&control, &control.clone());
    assert_eq!(comparison, Comparison::default());
}

type Change = fn(&mut Observation);

fn upstream(o: &mut Observation) -> &mut UpstreamExchange {
    &mut o.upstream.as_mut().unwrap()[0]
}

fn answer(o: &mut Observation) -> &mut Response {
    o.response.as_mut().unwrap()
}

fn body(o: &mut Observation, from: &str, to: &str) {
    let body = answer(o).body.text().unwrap().to_owned();
    assert!(body.contains(from), "{from}");
    answer(o).body = body.replacen(from, to, 1).into();
}

fn sent(o: &mut Observation, from: &str, to: &str) {
    let body = upstream(o).body.text().unwrap().to_owned();
    assert!(body.contains(from), "{from}");
    upstream(o).body = body.replacen(from, to, 1).into();
}

fn header(headers: &mut Headers, name: &str, value: &str) {
    headers.iter_mut().find(|(n, _)| n == name).unwrap().1 = value.into();
}

fn effect<'a>(o: &'a mut Observation, key: &str) -> &'a mut serde_json::Value {
    o.effects.as_mut().unwrap().get_mut(key).unwrap()
}

use DifferenceKind as Kind;
use Plane::*;

const DAILY: &str = "usage:daily:key-1:2026-07-24";
const COST: &str = "usage:cost:daily:key-1:2026-07-24";

#[rstest]
#[case::turned_away(Admission, "/outcome", Kind::Value, |o: &mut Observation| o.admission = crate::Admission::Rejected { status: 429, body: "{}".into() })]
#[case::other_account(Account, "/id", Kind::Value, |o: &mut Observation| o.account.as_mut().unwrap().id = "acc-b".into())]
#[case::other_kind(Account, "/kind", Kind::Value, |o: &mut Observation| o.account.as_mut().unwrap().kind = "ccr".into())]
#[case::other_platform(Account, "/platform", Kind::Value, |o: &mut Observation| o.account.as_mut().unwrap().platform = "gemini".into())]
#[case::no_account(Account, "/account", Kind::Missing, |o: &mut Observation| o.account = None)]
#[case::wrong_beta(UpstreamRequest, "/headers/anthropic-beta", Kind::Value, |o: &mut Observation| header(&mut upstream(o).headers, "anthropic-beta", "x"))]
#[case::lost_header(UpstreamRequest, "/headers/x-app", Kind::Missing, |o: &mut Observation| upstream(o).headers.retain(|(n, _)| n != "x-app"))]
#[case::added_header(UpstreamRequest, "/headers/x-own", Kind::Extra, |o: &mut Observation| upstream(o).headers.push(("x-own".into(), "1".into())))]
#[case::doubled_header(UpstreamRequest, "/headers/x-app", Kind::Count, |o: &mut Observation| upstream(o).headers.push(("X-App".into(), "cli".into())))]
#[case::method(UpstreamRequest, "/method", Kind::Value, |o: &mut Observation| upstream(o).method = "PUT".into())]
#[case::host(UpstreamRequest, "/url", Kind::Value, |o: &mut Observation| upstream(o).url = "https://other.test/v1/messages?beta=true".into())]
#[case::query_value(UpstreamRequest, "/url/query/beta", Kind::Value, |o: &mut Observation| upstream(o).url = "https://api.vendor.test/v1/messages?beta=false".into())]
#[case::query_lost(UpstreamRequest, "/url/query/beta", Kind::Missing, |o: &mut Observation| upstream(o).url = "https://api.vendor.test/v1/messages".into())]
#[case::model(UpstreamRequest, "/body/model", Kind::Value, |o: &mut Observation| sent(o, "model-1", "model-2"))]
#[case::member_lost(UpstreamRequest, "/body/stream", Kind::Missing, |o: &mut Observation| sent(o, ",\"stream\":true", ""))]
#[case::member_type(UpstreamRequest, "/body/max_tokens", Kind::Type, |o: &mut Observation| sent(o, "1024", "\"1024\""))]
#[case::list_order(UpstreamRequest, "/body/stop", Kind::Order, |o: &mut Observation| sent(o, "[\"a\",\"b\"]", "[\"b\",\"a\"]"))]
#[case::list_length(UpstreamRequest, "/body/stop", Kind::Count, |o: &mut Observation| sent(o, "[\"a\",\"b\"]", "[\"a\"]"))]
#[case::no_json(UpstreamRequest, "/body", Kind::Type, |o: &mut Observation| upstream(o).body = "plain".into())]
#[case::no_body(UpstreamRequest, "/body", Kind::Missing, |o: &mut Observation| upstream(o).body = "".into())]
#[case::second_try(UpstreamRequest, "/exchanges", Kind::Count, |o: &mut Observation| { let e = upstream(o).clone(); o.upstream.as_mut().unwrap().push(e) })]
#[case::status(ResponseHead, "/status", Kind::Value, |o: &mut Observation| answer(o).status = 500)]
#[case::content_type(ResponseHead, "/headers/content-type", Kind::Value, |o: &mut Observation| header(&mut answer(o).headers, "content-type", "text/event-stream; charset=utf-8"))]
#[case::cut(ResponseBody, "/complete", Kind::Value, |o: &mut Observation| answer(o).complete = false)]
#[case::event_lost(ResponseBody, "/events/0:ping", Kind::Missing, |o: &mut Observation| body(o, "event: ping\ndata: {\"type\":\"ping\"}\n\n", ""))]
#[case::event_added(ResponseBody, "/events/7:message_stop", Kind::Extra, |o: &mut Observation| body(o, "event: message_stop\n", "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\nevent: message_stop\n"))]
#[case::event_changed(ResponseBody, "/events/5:message_delta/delta/stop_reason", Kind::Value, |o: &mut Observation| body(o, "end_turn", "max_tokens"))]
#[case::message_id(ResponseBody, "/events/1:message_start/message/id", Kind::Value, |o: &mut Observation| body(o, "msg_1", "msg_2"))]
#[case::effect_lost(Effects, "/usage:daily:key-1:2026-07-24", Kind::Missing, |o: &mut Observation| { o.effects.as_mut().unwrap().as_object_mut().unwrap().remove(DAILY); })]
#[case::effect_added(Effects, "/extra:key", Kind::Extra, |o: &mut Observation| o.effects.as_mut().unwrap()["extra:key"] = json!({"type": "string"}))]
#[case::field_lost(Effects, "/usage:daily:key-1:2026-07-24/fields/tokens", Kind::Missing, |o: &mut Observation| { effect(o, DAILY)["fields"].as_object_mut().unwrap().remove("tokens"); })]
#[case::field_amount(Effects, "/usage:daily:key-1:2026-07-24/fields/tokens", Kind::Value, |o: &mut Observation| effect(o, DAILY)["fields"]["tokens"] = json!({"+": 19}))]
#[case::set_not_added(Effects, "/usage:daily:key-1:2026-07-24/fields/tokens", Kind::Type, |o: &mut Observation| effect(o, DAILY)["fields"]["tokens"] = json!({"=": "18"}))]
#[case::ttl(Effects, "/usage:daily:key-1:2026-07-24/ttl", Kind::Value, |o: &mut Observation| effect(o, DAILY)["ttl"] = json!(null))]
#[case::key_type(Effects, "/usage:daily:key-1:2026-07-24/type", Kind::Type, |o: &mut Observation| effect(o, DAILY)["type"] = json!("string"))]
#[case::index_member(Effects, "/usage:daily:index:2026-07-24/members/key-1", Kind::Missing, |o: &mut Observation| effect(o, "usage:daily:index:2026-07-24")["members"] = json!({}))]
#[case::score(Effects, "/apikey:idx:lastUsedAt/members/key-1", Kind::Value, |o: &mut Observation| effect(o, "apikey:idx:lastUsedAt")["members"]["key-1"] = json!({"=": 5}))]
#[case::cost(Effects, "/usage:cost:daily:key-1:2026-07-24/value", Kind::Value, |o: &mut Observation| effect(o, COST)["value"] = json!({"+": "0.000139"}))]
#[case::record(Effects, "/usage:records:key-1/head/0/model", Kind::Value, |o: &mut Observation| effect(o, "usage:records:key-1")["head"][0] = json!(r#"{"model":"x","cost":0.000138}"#))]
fn a_seeded_difference_is_found(
    #[case] plane: Plane,
    #[case] path: &str,
    #[case] kind: DifferenceKind,
    #[case] change: Change,
) {
    let found = found(change);
    let counted: Vec<_> =
        found.iter().filter(|(_, _, _, weight)| *weight != Weight::Note).collect();
    assert_eq!(counted.len(), 1, "{found:?}");
    let (p, at, k, _) = counted[0];
    assert_eq!((*p, at.as_str(), *k), (plane, path, kind));
}

#[rstest]
#[case(|o: &mut Observation| effect(o, COST)["value"] = json!({"+": "1"}), Weight::Money)]
#[case(|o: &mut Observation| effect(o, COST)["ttl"] = json!(1), Weight::Money)]
#[case(|o: &mut Observation| { o.effects.as_mut().unwrap().as_object_mut().unwrap().remove(COST); }, Weight::Money)]
#[case(|o: &mut Observation| effect(o, "usage:records:key-1")["head"][0] = json!(r#"{"model":"model-1","cost":0.2}"#), Weight::Money)]
#[case(|o: &mut Observation| effect(o, DAILY)["ttl"] = json!(1), Weight::Plain)]
fn money_is_marked(#[case] change: Change, #[case] weight: Weight) {
    let found = found(change);
    assert_eq!(found.iter().map(|f| f.3).collect::<Vec<_>>(), [weight], "{found:?}");
}

#[test]
fn text_of_a_lost_delta_is_told_beside_the_lost_event() {
    let found = found(|o| {
        body(
            o,
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"lo\"}}\n\n",
            "",
        );
    });
    let paths: Vec<_> = found.iter().map(|f| (f.1.as_str(), f.2)).collect();
    assert_eq!(
        paths,
        [("/events/4:content_block_delta", Kind::Missing), ("/content/0/text", Kind::Value)]
    );
}

#[test]
fn usage_is_told_beside_its_event() {
    let found = found(|o| body(o, "\"output_tokens\":7", "\"output_tokens\":8"));
    let paths: Vec<_> = found.iter().map(|f| f.1.as_str()).collect();
    assert_eq!(paths, ["/events/5:message_delta/usage/output_tokens", "/usage/output_tokens"]);
}

#[rstest]
#[case::header_order(|o: &mut Observation| upstream(o).headers.reverse(), "/headers", Kind::Order)]
#[case::spelling(|o: &mut Observation| upstream(o).headers[0].0 = "Anthropic-Beta".into(), "/spelling/anthropic-beta", Kind::Value)]
#[case::framing(|o: &mut Observation| body(o, "\n\n", "\n\n: comment\n\n"), "/bytes", Kind::Value)]
#[case::spaces(|o: &mut Observation| sent(o, "{\"model\"", "{ \"model\""), "/body/bytes", Kind::Value)]
fn what_means_the_same_is_a_note(
    #[case] change: Change,
    #[case] path: &str,
    #[case] kind: DifferenceKind,
) {
    let found = found(change);
    let all: Vec<_> = found.iter().map(|f| (f.1.as_str(), f.2, f.3)).collect();
    assert_eq!(all, [(path, kind, Weight::Note)]);
}

#[test]
fn times_are_told_and_never_count() {
    let control = example::streamed();
    let mut candidate = control.clone();
    candidate.timing.total_us = Some(1);
    let found = compare(&control, &candidate).findings;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].plane, found[0].counts()), (Timing, false));
}

#[test]
fn an_event_that_moved_is_one_difference() {
    let found = found(|o| {
        body(o, "event: ping\ndata: {\"type\":\"ping\"}\n\n", "");
        body(
            o,
            "event: message_stop\n",
            "event: ping\ndata: {\"type\":\"ping\"}\n\nevent: message_stop\n",
        );
    });
    let all: Vec<_> = found.iter().map(|f| (f.1.as_str(), f.2)).collect();
    assert_eq!(all, [("/events/0:ping", Kind::Order)]);
}

#[test]
fn refusals_are_compared_by_status_and_body() {
    let refused = |status, text: &'static str| Observation {
        admission: crate::Admission::Rejected { status, body: text.into() },
        ..example::streamed()
    };
    let control = refused(429, r#"{"error":{"type":"limit"}}"#);
    let candidate = refused(403, r#"{"error":{"type":"other"}}"#);
    let found = compare(&control, &candidate);
    let all: Vec<_> = found.findings.iter().map(|f| f.difference.path.as_str()).collect();
    assert_eq!(all, ["/status", "/body/error/type"]);
    assert!(found.not_compared.contains_key(&ResponseBody));
}

#[test]
fn what_is_unknown_is_not_called_equal() {
    let control = example::streamed();
    let echo = Observation {
        upstream: None,
        effects: None,
        gaps: vec![Gap { plane: Some(ResponseBody), why: "overflow".into() }],
        ..control.clone()
    };
    let told = compare(&echo, &control).not_compared;
    let planes: Vec<_> = told.keys().copied().collect();
    assert_eq!(planes, [UpstreamRequest, ResponseBody, Effects]);
    assert_eq!(told[&ResponseBody], "incomplete: overflow");
}

#[test]
fn another_account_does_not_drown_other_effects() {
    let mut control = example::streamed();
    control.effects =
        Some(json!({"account_usage:acc-a": {"type": "hash", "fields": {"n": {"+": 1}}}}));
    let mut candidate = control.clone();
    candidate.account.as_mut().unwrap().id = "acc-b".into();
    candidate.effects =
        Some(json!({"account_usage:acc-b": {"type": "hash", "fields": {"n": {"+": 2}}}}));
    let told = compare(&control, &candidate);
    let all: Vec<_> = told.findings.iter().map(|f| f.difference.path.as_str()).collect();
    assert_eq!(all, ["/id", "/account_usage:acc-a/fields/n"]);
    assert!(told.not_compared.contains_key(&UpstreamRequest));
}

#[test]
fn keys_named_after_random_ids_are_paired() {
    let side = |id: &str, n: u32| {
        let mut side = example::streamed();
        side.effects =
            Some(json!({ format!("request_detail:item:{id}"): {"type": "string", "value": n} }));
        side
    };
    let found = compare(&side("abc12345d", 1), &side("zyx98765w", 2)).findings;
    let all: Vec<_> = found.iter().map(|f| f.group.as_str()).collect();
    assert_eq!(all, ["/request_detail:item:{request}/value"]);
}

/// A long stream whose every event holds an id made up per run.
fn chunks(id: &str, texts: impl Iterator<Item = usize>) -> Observation {
    let mut side = example::streamed();
    let body: String = texts
        .map(|n| {
            format!("data: {{\"id\":\"{id}\",\"n\":{n},\"choices\":[{{\"delta\":{{}}}}]}}\n\n")
        })
        .collect();
    side.response.as_mut().unwrap().body = body.into();
    side
}

#[test]
fn noise_in_every_event_does_not_hide_a_lost_one() {
    let control = chunks("chatcmpl-a", 0..3_000);
    let candidate = chunks("chatcmpl-b", (0..3_000).filter(|n| *n != 1_500));
    let started = std::time::Instant::now();
    let found = compare(&control, &candidate).findings;
    let missing: Vec<_> = found
        .iter()
        .filter(|f| f.difference.kind == Kind::Missing)
        .map(|f| f.difference.path.as_str())
        .collect();
    assert_eq!(missing, ["/events/1500:message"]);
    assert!(found.iter().filter(|f| f.group == "/events/message/id").count() == 2_999);
    assert_eq!(found.len(), 3_000);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[rstest]
#[case(Some("http://p.test:3128"), Some("http://p.test:3128"), false)]
#[case(Some("http://p.test"), Some("http://P.test:80"), false)]
#[case(Some("http://p.test:3128"), Some("http://p.test:3129"), true)]
#[case(Some("http://p.test:3128"), Some("socks5://p.test:3128"), true)]
#[case(Some("http://p.test:3128"), Some("direct"), true)]
#[case(Some("direct"), Some("http://p.test:3128"), true)]
#[case(None, Some("http://p.test:3128"), false)]
fn the_way_out_is_compared(
    #[case] a: Option<&str>,
    #[case] b: Option<&str>,
    #[case] differs: bool,
) {
    let side = |proxy: Option<&str>| {
        let mut side = example::streamed();
        upstream(&mut side).proxy = proxy.map(str::to_owned);
        side
    };
    let found = compare(&side(a), &side(b)).findings;
    let paths: Vec<&str> = found.iter().map(|found| found.difference.path.as_str()).collect();
    assert_eq!(paths, if differs { vec!["/proxy"] } else { vec![] });
}
