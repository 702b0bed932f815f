//! Requests as they are built, faults as they are read, answers as they are made.

use bytes::Bytes;
use rstest::rstest;

use super::{reply::*, *};
use crate::domain::HeaderList;

fn settings() -> Settings {
    Settings {
        region: "us-east-1".into(),
        small_model_region: "us-west-2".into(),
        default_model: "claude-opus-4-1".into(),
        max_tokens: 128_000,
        access_key: None,
        bearer: None,
        max_attempts: 3,
        adaptive: false,
        endpoints: Endpoints::default(),
    }
}

fn key() -> AccessKey {
    AccessKey { id: "AKIDEXAMPLE".into(), secret: "secret".into(), session_token: None }
}

fn account(region: &str) -> Account {
    let credentials = Some(Credentials::AccessKey(key()));
    Account { region: region.into(), default_model: None, credentials, odd: None }
}

fn body(text: &str) -> RequestBody {
    RequestBody::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn planned(account: &Account, settings: &Settings, model: &str) -> Result<Plan, BuildError> {
    plan(&body(&format!("{{\"model\":\"{model}\",\"messages\":[]}}")), true, account, settings)
}

fn attempt(plan: &Plan) -> BuiltRequest {
    let invocation_id = "0956171b-99e5-4278-9d90-4b1b48685827";
    let now_ms = 1_795_628_540_000;
    sign_attempt(plan, &Attempt { invocation_id, number: 1, of: 3, now_ms }).unwrap()
}

#[rstest]
#[case("", "claude-3-5-haiku", "https://bedrock-runtime.us-west-2.amazonaws.com/")]
#[case("", "x", "https://bedrock-runtime.us-east-1.amazonaws.com/")]
#[case("eu-west-1", "claude-3-5-haiku", "https://bedrock-runtime.eu-west-1.amazonaws.com/")]
#[case("cn-north-1", "x", "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/")]
#[case("us-isob-east-1", "x", "https://bedrock-runtime.us-isob-east-1.sc2s.sgov.gov/")]
fn regions_have_their_hosts(#[case] region: &str, #[case] model: &str, #[case] start: &str) {
    let plan = planned(&account(region), &settings(), model).unwrap();
    assert!(plan.url.starts_with(start), "{}", plan.url);
}

#[rstest]
#[case("evil.test/")]
#[case("a@evil.test#")]
#[case("a b")]
fn a_region_leads_nowhere_else(#[case] region: &str) {
    assert_eq!(planned(&account(region), &settings(), "x").unwrap_err(), BuildError::Url);
}

#[test]
fn other_endpoints_are_asked_where_the_operator_says_so() {
    let mut settings = settings();
    settings.endpoints.fips = true;
    let url = planned(&account(""), &settings, "a/b").unwrap().url;
    assert_eq!(
        url,
        "https://bedrock-runtime-fips.us-east-1.amazonaws.com/model/a%2Fb/invoke-with-response-stream"
    );
    settings.endpoints.base = Some("http://127.0.0.1:4566/base/".into());
    let plan = planned(&account(""), &settings, "x").unwrap();
    assert_eq!(plan.url, "http://127.0.0.1:4566/base/model/x/invoke-with-response-stream");
    assert_eq!(attempt(&plan).headers.get("host"), Some("127.0.0.1:4566"));
}

#[test]
fn a_request_is_signed_with_everything_but_the_client_s_name() {
    let mut account = account("eu-west-1");
    account.credentials =
        Some(Credentials::AccessKey(AccessKey { session_token: Some("token".into()), ..key() }));
    let request = attempt(&planned(&account, &settings(), "claude-sonnet-4").unwrap());
    let header = |name: &str| request.headers.get(name).unwrap();
    assert!(header("authorization").starts_with(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261125/eu-west-1/bedrock/aws4_request, \
         SignedHeaders=amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;host;\
         x-amz-content-sha256;x-amz-date;x-amz-security-token;x-amz-user-agent;\
         x-amzn-bedrock-accept, Signature="
    ));
    assert_eq!(header("x-amz-date"), "20261125T174220Z");
    assert_eq!(header("x-amz-security-token"), "token");
    assert!(!format!("{account:?}").contains("secret\""));
}

#[test]
fn bearer_tokens_go_out_unsigned_and_the_environment_s_wins_over_keys() {
    let mut settings = settings();
    settings.bearer = Some("env".into());
    let mut account = account("");
    let authorization = |account: &Account, settings: &Settings| {
        let request = attempt(&planned(account, settings, "x").unwrap());
        assert_eq!(request.headers.get("x-amz-date"), None);
        request.headers.get("authorization").unwrap().to_owned()
    };
    assert_eq!(authorization(&account, &settings), "Bearer env");
    account.credentials = Some(Credentials::Bearer("own".into()));
    assert_eq!(authorization(&account, &settings), "Bearer own");
    account.credentials = None;
    assert_eq!(planned(&account, &settings, "x").unwrap_err(), BuildError::NoCredentials);
    settings.access_key = Some(key());
    assert_eq!(authorization(&account, &settings), "Bearer env");
}

#[test]
fn credentials_that_cannot_sign_are_told() {
    let mut account = account("");
    account.credentials = Some(Credentials::AccessKey(AccessKey { secret: "".into(), ..key() }));
    let plan = planned(&account, &settings(), "x").unwrap();
    let attempt = Attempt { invocation_id: "i", number: 1, of: 1, now_ms: 0 };
    assert_eq!(sign_attempt(&plan, &attempt).unwrap_err(), BuildError::Credentials);
}

#[test]
fn what_no_rule_touches_keeps_its_spelling() {
    let request = body(
        r#"{"max_tokens":1e2,"messages":[{"n":1.50,"t":"\u00fc","cache_control":{"type":"ephemeral","ttl":"1h"}}],
            "top_k":0,"stream":true,"service_tier":"auto","system":[{"cache_control":[]}],"temperature":null}"#,
    );
    let built = plan(&request, false, &account(""), &settings()).unwrap().body;
    assert_eq!(
        built,
        r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":1e2,"messages":[{"n":1.50,"t":"\u00fc","cache_control":{"type":"ephemeral"}}],"system":[{"cache_control":{"type":"ephemeral"}}],"temperature":null,"top_k":0}"#
    );
}

#[rstest]
#[case(
    400,
    Some("ValidationException:http://x/"),
    "{\"message\":\"m\"}",
    "ValidationException",
    Again::No
)]
#[case(429, None, "{}", "429", Again::Throttled)]
#[case(400, None, "{\"__type\":\"a#SlowDown\"}", "SlowDown", Again::Throttled)]
#[case(503, None, "<html>", "SyntaxError", Again::Transient)]
#[case(418, Some("Odd"), "{\"code\":7}", "7", Again::No)]
#[case(408, None, "{\"code\":\"RequestTimeout\"}", "RequestTimeout", Again::Transient)]
#[case(500, None, "[1]", "500", Again::Transient)]
fn answers_are_classed_as_the_client_library_does(
    #[case] status: u16,
    #[case] class: Option<&str>,
    #[case] text: &'static str,
    #[case] name: &str,
    #[case] again: Again,
) {
    let headers: HeaderList = class.map(|class| ("x-amzn-errortype", class)).into_iter().collect();
    let fault = Fault::of_answer(status, &headers, &Bytes::from_static(text.as_bytes()));
    assert_eq!((fault.name.as_str(), fault.again), (name, again));
    assert_eq!(fault.stream_status(), status);
}

#[test]
fn chunks_become_events() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let payload = |text: &str| {
        Bytes::from(format!("{{\"bytes\":\"{}\",\"p\":\"ab\"}}", STANDARD.encode(text)))
    };
    let event = chunk(&payload(
        r#"{"type":"message_start","message":{"model":"us.anthropic.claude-x-v1:0","n":1.50}}"#,
    ))
    .unwrap();
    assert_eq!(
        event.out.unwrap(),
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-x\",\"n\":1.5}}\n\n"
    );
    let event = chunk(&payload(r#"{"type":"message_delta","usage":{"output_tokens":7}}"#)).unwrap();
    assert_eq!((event.usage, event.last), (Some((0, 7)), false));
    assert!(chunk(&payload(r#"{"type":"message_stop"}"#)).unwrap().last);
    assert!(chunk(&payload("{}")).unwrap().out.is_none());
    for (payload, said) in [
        (&b"{\"bytes\":\"abc\"}"[..], "Incorrect padding on base64 string."),
        (b"{\"bytes\":\"ab!=\"}", "Invalid base64 string."),
        (b"", "Unexpected end of JSON input"),
        (b"{", "Expected property name or '}' in JSON at position 1"),
    ] {
        assert_eq!(chunk(&Bytes::copy_from_slice(payload)).unwrap_err().message, said);
    }
}

#[test]
fn messages_are_made_anew() {
    let made = |text: &'static str| {
        message(Bytes::from_static(text.as_bytes()), "default", || "made-up".to_owned())
            .map(|bytes| String::from_utf8(bytes).unwrap())
    };
    assert_eq!(
        made("{}").unwrap(),
        r#"{"id":"made-up","type":"message","role":"assistant","content":[],"model":"default","stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":0,"output_tokens":0}}"#
    );
    assert!(made("null").is_err());
    assert!(made("{\"model\":7}").is_err());
}
