//! What is sent to providers and what their refusals mean.

use bytes::Bytes;
use rstest::rstest;

use super::*;
use crate::wire::{json::stringify, openai::data};

fn built(base: &str, agent: &str, client: &[(&str, &str)]) -> Result<BuiltRequest, NoUrl> {
    let (key, body) = (Secret::from("sk".to_owned()), Bytes::from_static(b"{}"));
    let headers: HeaderList = client.iter().copied().collect();
    let account = Account { base, key: &key, agent, keep_alive: false };
    build(&account, &Call { body: &body, headers: &headers, path: "/v1/responses" })
}

#[test]
fn headers_pass_but_for_credentials_and_the_connections_own() {
    let client = [
        ("host", "relay"),
        ("user-agent", "mine"),
        ("x-api-key", "cr_x"),
        ("x-goog-api-key", "cr_x"),
        ("api-key", "cr_x"),
        ("cookie", "cr_x"),
        ("cf-ray", "1"),
        ("content-type", "application/json; charset=utf-8"),
        ("accept", "text/event-stream"),
        ("originator", "codex_cli_rs"),
        ("transfer-encoding", "chunked"),
        ("accept-encoding", "br"),
    ];
    let built = built("http://provider.example:81/v1", "", &client).unwrap();
    assert_eq!(built.url, "http://provider.example:81/v1/responses");
    assert_eq!(
        built.headers.iter().collect::<Vec<_>>(),
        [
            ("Accept", "text/event-stream"),
            ("Content-Type", "application/json"),
            ("user-agent", "mine"),
            ("originator", "codex_cli_rs"),
            ("accept-encoding", "br"),
            ("Authorization", "Bearer sk"),
            ("Content-Length", "2"),
            ("Host", "provider.example:81"),
            ("Connection", "close"),
        ]
    );
}

#[test]
fn the_accounts_user_agent_wins_over_the_clients() {
    let agent = |own: &str, client: &[(&str, &str)]| {
        let built = built("https://p.example", own, client).unwrap();
        built.headers.get("user-agent").map(str::to_owned)
    };
    assert_eq!(agent("own", &[("user-agent", "mine")]).as_deref(), Some("own"));
    assert_eq!(agent("", &[]).as_deref(), Some("axios/1.11.0"));
}

#[rstest]
#[case("https://p.example/v1", Some("https://p.example/v1/responses"))]
#[case("https://p.example", Some("https://p.example/v1/responses"))]
#[case("https://p.example/v1/", Some("https://p.example/v1//v1/responses"))]
#[case("https://u:p@p.example", Some("https://p.example/v1/responses"))]
#[case("", None)]
#[case("p.example", None)]
#[case("localhost:3000", None)]
fn addresses(#[case] base: &str, #[case] want: Option<&str>) {
    assert_eq!(built(base, "", &[]).ok().map(|built| built.url).as_deref(), want);
}

#[test]
fn addresses_that_cannot_be_asked_are_told_apart() {
    let said = |base: &str| built(base, "", &[]).unwrap_err().to_string();
    assert_eq!(said("p.example"), "Invalid URL");
    assert_eq!(said("localhost:3000"), "Unsupported protocol localhost:");
}

#[test]
fn a_login_in_an_address_takes_the_keys_place() {
    let built = built("https://u:p@p.example", "", &[]).unwrap();
    assert_eq!(built.headers.get("authorization"), Some("Basic dTpw"));
}

const OWN: &str = r#"{"error":{"message":"Rate limit exceeded","type":"rate_limit_error","code":"rate_limit_exceeded","resets_in_seconds":null}}"#;

#[rstest]
#[case(
    r#"{"error":{"resets_in_seconds":90}}"#,
    Some(90.0),
    r#"{"error":{"resets_in_seconds":90}}"#
)]
#[case(r#"{"error":{"resets_in":"45s"}}"#, Some(45.0), r#"{"error":{"resets_in":"45s"}}"#)]
#[case(r#"{"error":{"resets_in":"soon"}}"#, None, r#"{"error":{"resets_in":"soon"}}"#)]
#[case("slow", None, r#"{"error":{"message":"slow"}}"#)]
#[case("", None, OWN)]
#[case("null", None, OWN)]
#[case("[]", None, "[]")]
fn limits(#[case] body: &'static str, #[case] seconds: Option<f64>, #[case] json: &str) {
    assert_eq!(limit(body.into()), (seconds, json.to_owned().into()));
}

#[rstest]
#[case(
    "event: error\ndata: {\"error\":{\"resets_in_seconds\":5}}\n\n",
    Some(5.0),
    r#"{"error":{"resets_in_seconds":5}}"#
)]
#[case("data: x\ndata: [DONE]\ndata: {\"a\":1}\n", None, r#"{"a":1}"#)]
#[case("{\"e\":\"data: \"}", None, r#"{"e":"data: "}"#)]
#[case("slow", None, OWN)]
fn limits_in_streams(#[case] body: &str, #[case] seconds: Option<f64>, #[case] json: &str) {
    assert_eq!(limit_of_stream(body.as_bytes()), (seconds, json.to_owned().into()));
}

#[rstest]
#[case("data: {\"a\":1}\n\n", r#"{"a":1}"#)]
#[case("data: [DONE]\ndata: x", r#"{"error":{"message":"data: [DONE]\ndata: x"}}"#)]
#[case("{\"a\":1}", r#"{"a":1}"#)]
#[case("oops", r#"{"error":{"message":"oops"}}"#)]
#[case("", r#"{"error":{"message":"Unknown error"}}"#)]
fn errors_in_streams(#[case] body: &str, #[case] json: &str) {
    let error = error_of_stream(body.as_bytes());
    assert_eq!(String::from_utf8(stringify(error.root())).unwrap(), json);
}

#[test]
fn a_401_is_an_object() {
    let told =
        |text: &'static str| unauthorized(&data::as_data(Bytes::from_static(text.as_bytes())));
    assert_eq!(told(r#"{"a":1}"#), r#"{"a":1}"#);
    assert!(told(" no ").starts_with(br#"{"error":{"message":"no","type":"unauthorized""#));
    assert!(told("5").starts_with(br#"{"error":{"message":"Unauthorized""#));
}
