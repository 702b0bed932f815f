use rstest::rstest;
use serde_json::json;

use super::*;
use crate::example;

#[rstest]
#[case("Bearer sk-ant-oat01-abcdefgh", "Bearer [secret ")]
#[case("x cr_0123456789abcdef0123 y", "x [secret ")]
#[case("key=AIzaSyA0123456789012345678901", "key=[secret ")]
fn tokens_are_found_by_their_look(#[case] text: &str, #[case] start: &str) {
    let redacted = secrets::text(text);
    assert!(redacted.starts_with(start), "{redacted}");
    assert!(!redacted.contains("abcdef"), "{redacted}");
}

#[rstest]
#[case("the sky is blue")]
#[case("task-sk-not")]
#[case("cr_short")]
#[case("")]
fn plain_text_stays(#[case] text: &str) {
    assert_eq!(secrets::text(text), text);
}

#[test]
fn equal_secrets_look_equal_and_redacting_twice_changes_nothing() {
    let once = secrets::header("Authorization", "Bearer topsecretvalue");
    assert_eq!(once, secrets::header("authorization", "Bearer topsecretvalue"));
    assert_ne!(once, secrets::header("authorization", "Bearer othersecretvalue"));
    assert_eq!(secrets::header("authorization", &once), once);
}

#[test]
fn query_keys_go() {
    let url = secrets::url("https://h.test/v1?alt=sse&key=topsecret");
    assert!(url.starts_with("https://h.test/v1?alt=sse&key=[secret"), "{url}");
    assert!(!url.contains("topsecret"));
}

fn whole(observation: &Observation) -> String {
    serde_json::to_string(observation).unwrap()
}

#[test]
fn no_secret_of_an_observation_is_left() {
    let mut observation = example::streamed();
    observation.effects.as_mut().unwrap()["claude:account:acc-a"] = json!({
        "type": "hash",
        "fields": {"accessToken": {"=": "topsecret-1"}, "refreshToken": "topsecret-2"}
    });
    observation.effects.as_mut().unwrap()["bedrock_account:b"] =
        json!({"type": "string", "value": r#"{"awsCredentials":"topsecret-3"}"#});
    let exchange = &mut observation.upstream.as_mut().unwrap()[0];
    exchange.headers.push(("Cookie".into(), "sid=topsecret-4".into()));
    exchange.url = "https://h.test/?key=topsecret-5".into();
    exchange.body = r#"{"api_key":"topsecret-6","messages":[]}"#.into();
    Redactor::new(false).observation(&mut observation);
    let text = whole(&observation);
    assert!(!text.contains("topsecret") && !text.contains("oat01"), "{text}");
    assert!(text.contains("hi there") || text.contains("Hel"), "texts stay: {text}");
}

#[test]
fn prompts_keep_their_length_and_nothing_else() {
    let mut observation = example::streamed();
    let before = observation.clone();
    Redactor::new(true).observation(&mut observation);
    let text = whole(&observation);
    assert!(!text.contains("hi there") && !text.contains("\"Hel\\\""), "{text}");
    let (a, b) = (before.upstream.unwrap(), observation.upstream.unwrap());
    assert_eq!(a[0].body.bytes().len(), b[0].body.bytes().len());
    assert_eq!(b[0].body.json().unwrap()["model"], "model-1");
    let events = crate::compare::parse_events(observation.response.unwrap().body.bytes());
    assert_eq!(events.len(), 7);
}

#[test]
fn equal_prompts_stay_equal_for_one_redactor_only() {
    let (one, other) = (Redactor::new(true), Redactor::new(true));
    let text = "a somewhat longer text";
    assert_eq!(one.stand_in(text), one.stand_in(text));
    assert_ne!(one.stand_in(text), one.stand_in("a somewhat longer task"));
    assert_ne!(one.stand_in(text), other.stand_in(text));
}

#[test]
fn findings_hold_no_secrets_and_are_short() {
    let control = example::streamed();
    let mut candidate = control.clone();
    let exchange = &mut candidate.upstream.as_mut().unwrap()[0];
    exchange.headers[1].1 = "Bearer another-secret-value".into();
    exchange.body = format!(r#"{{"model":"{}"}}"#, "m".repeat(9000)).into();
    let rules = crate::rules::Rules::default();
    let verdict = crate::verdict::judge(&control, &candidate, &rules);
    let text = serde_json::to_string(&verdict).unwrap();
    assert!(!text.contains("another-secret") && !text.contains("oat01"), "{text}");
    assert!(text.len() < 12_000, "{}", text.len());
}

#[rstest]
#[case::text("say topsecret words")]
#[case::cut_json(r#"{"messages":[{"role":"user","content":"topsecret wor"#)]
#[case::form("prompt=topsecret&n=1")]
#[case::stream("event: x\ndata: topsecret words\n\n")]
#[case::stream_json("data: {\"choices\":[{\"delta\":{\"content\":\"topsecret\"}}]}\n\n")]
#[case::preview(r#"{"requestBody":"{\"messages\":[{\"role\":\"user\",\"content\":\"topsecret words and words and words"}"#)]
#[case::tool(r#"{"content":[{"type":"tool_use","name":"run","input":{"command":"topsecret"}}]}"#)]
#[case::gemini(r#"{"contents":[{"parts":[{"text":"topsecret"}]}]}"#)]
#[case::responses(r#"{"instructions":"topsecret","input":[{"content":[{"type":"input_text","text":"topsecret"}]}]}"#)]
fn no_prompt_is_left_in_any_kind_of_body(#[case] text: &'static str) {
    let mut body = Body::from(text);
    Redactor::new(true).body(&mut body);
    assert!(!body.text().unwrap().contains("topsecret"), "{body:?}");
    let mut kept = Body::from(text);
    Redactor::new(false).body(&mut kept);
    assert_eq!(kept, Body::from(text));
}

#[test]
fn marks_of_a_stream_stay() {
    let text = "event: x\n: comment\ndata: {\"type\":\"ping\"}\n\ndata: [DONE]\n\n";
    let mut body = Body::from(text);
    Redactor::new(true).body(&mut body);
    assert_eq!(body.text().unwrap(), text);
}

#[test]
fn findings_hold_no_prompts_when_told_so() {
    let control = example::streamed();
    let mut candidate = control.clone();
    let messages = vec![r#"{"role":"user","content":"topsecret"}"#; 200].join(",");
    candidate.upstream.as_mut().unwrap()[0].body = format!(r#"{{"messages":[{messages}]}}"#).into();
    candidate.response.as_mut().unwrap().body = "topsecret".into();
    let rules = crate::rules::Rules::default();
    let mut verdict = crate::verdict::judge(&control, &candidate, &rules);
    let redactor = Redactor::new(true);
    verdict.findings.iter_mut().for_each(|finding| redactor.finding(finding));
    let text = serde_json::to_string(&verdict).unwrap();
    assert!(!text.contains("topsecret"), "{text}");
}
