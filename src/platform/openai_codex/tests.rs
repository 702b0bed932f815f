//! What is sent to the Codex backend and what its refusals mean.

use bytes::Bytes;
use rstest::rstest;

use super::*;
use crate::wire::json::Doc;

fn headers(pairs: &[(&str, &str)]) -> HeaderList {
    pairs.iter().copied().collect()
}

fn doc(text: &'static str) -> Doc {
    Doc::parse_deep(Bytes::from_static(text.as_bytes())).unwrap()
}

fn account(token: &Secret) -> Account<'_> {
    Account { token, account_id: "acct", keep_alive: true }
}

#[test]
fn three_headers_of_the_client_pass() {
    let token = Secret::from("tok".to_owned());
    let client = headers(&[
        ("user-agent", "codex_cli_rs/0.38.0"),
        ("originator", "codex_cli_rs"),
        ("session_id", "s"),
        ("openai-beta", "b"),
        ("conversation_id", "c"),
        ("cookie", "k"),
    ]);
    let body = Bytes::from_static(b"{}");
    let call = Call { body: &body, headers: &client, compact: true, stream: true };
    let built = build(&account(&token), &call);
    assert_eq!(built.url, "https://chatgpt.com/backend-api/codex/responses/compact");
    let sent: Vec<_> = built.headers.iter().collect();
    assert_eq!(
        sent,
        [
            ("Accept", "text/event-stream"),
            ("Content-Type", "application/json"),
            ("openai-beta", "b"),
            ("session_id", "s"),
            ("authorization", "Bearer tok"),
            ("chatgpt-account-id", "acct"),
            ("host", "chatgpt.com"),
            ("User-Agent", "axios/1.11.0"),
            ("Content-Length", "2"),
            ("Accept-Encoding", "gzip, compress, deflate, br"),
            ("Connection", "keep-alive"),
        ]
    );
}

#[rstest]
#[case("codex_cli_rs/0.38.0 (x)", true)]
#[case("CODEX_EXEC/1", true)]
#[case("codex_vscode/.1", true)]
#[case("codex_vscode/x", false)]
#[case("x codex_cli_rs/1", false)]
#[case("codex_cli_rs", false)]
#[case("", false)]
fn codex_is_known_by_its_user_agent(#[case] agent: &str, #[case] is: bool) {
    assert_eq!(is_codex(&headers(&[("user-agent", agent)])), is);
}

#[test]
fn only_whole_requests_of_codex_are_genuine() {
    let body = doc(r#"{"instructions":"You are Codex, and so on"}"#);
    let genuine = [
        ("user-agent", "codex_cli_rs/0.38.0"),
        ("originator", "codex_cli_rs"),
        ("session_id", "0199a2f0-0000-7000-8000-000000000000"),
    ];
    assert!(is_genuine(&headers(&genuine), body.root()).is_some());
    for left_out in 0..3 {
        let mut less = genuine.to_vec();
        less.remove(left_out);
        assert!(is_genuine(&headers(&less), body.root()).is_none(), "{less:?}");
    }
    let mut other = genuine;
    other[1].1 = "codex_exec";
    assert!(is_genuine(&headers(&other), body.root()).is_none());
    let odd = doc(r#"{"instructions":"Obey me"}"#);
    assert!(is_genuine(&headers(&genuine), odd.root()).is_none());
}

#[test]
fn limits_pass_as_the_backend_words_them() {
    let told = r#"{ "error": {"type":"usage_limit_reached","resets_in_seconds":90} }"#;
    let (seconds, json) = limit(Refused::plain(told.into()));
    assert_eq!(seconds, Some(90.0));
    assert_eq!(json, r#"{"error":{"type":"usage_limit_reached","resets_in_seconds":90}}"#);
    let own = r#"{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","resets_in_seconds":null}}"#;
    assert_eq!(limit(Refused::Stream("slow down".into())), (None, own.into()));
    assert_eq!(limit(Refused::Broken).1, own);
    assert_eq!(limit(Refused::plain("".into())).1, own);
    assert_eq!(limit(Refused::plain("slow down".into())), (None, r#""slow down""#.into()));
}

#[rstest]
#[case(
    401,
    r#"{"error":{"message":" bad token "}}"#,
    "OpenAI账号认证失败（401错误）：bad token",
    r#"{"error":{"message":" bad token "}}"#
)]
#[case(
    402,
    r#"{"message":"pay","detail":"d"}"#,
    "OpenAI账号认证失败（402错误，可能欠费）：pay",
    r#"{"message":"pay","detail":"d"}"#
)]
#[case(401, r#"{"detail":"d"}"#, "OpenAI账号认证失败（401错误）", r#"{"detail":"d"}"#)]
#[case(
    401,
    r#"" no ""#,
    "OpenAI账号认证失败（401错误）",
    r#"{"error":{"message":"no","type":"unauthorized","code":"unauthorized"}}"#
)]
#[case(
    401,
    "null",
    "OpenAI账号认证失败（401错误）",
    r#"{"error":{"message":"Unauthorized","type":"unauthorized","code":"unauthorized"}}"#
)]
fn refusals_of_an_account(
    #[case] status: u16,
    #[case] told: &'static str,
    #[case] reason: &str,
    #[case] json: &str,
) {
    for refused in [Refused::plain(told.into()), Refused::Stream(told.into())] {
        assert_eq!(unauthorized(status, refused), (reason.to_owned(), json.to_owned().into()));
    }
}

#[test]
fn a_text_is_read_differently_from_a_stream() {
    let plain = unauthorized(401, Refused::plain(" no ".into()));
    assert!(plain.1.starts_with(br#"{"error":{"message":"no","type""#));
    let stream = unauthorized(401, Refused::Stream(" no ".into()));
    assert_eq!(stream.1, r#"{"error":{"message":" no "}}"#);
    assert!(stream.0.ends_with("：no"));
}

#[rstest]
#[case("{}", "prompt is required")]
#[case(r#"{"prompt":"  "}"#, "prompt is required")]
#[case(r#"{"prompt":7}"#, "prompt is required")]
#[case(
    r#"{"prompt":"a","model":"dall-e-3"}"#,
    r#"images endpoint requires a gpt-image-* model, got "dall-e-3""#
)]
#[case(
    r#"{"prompt":"a","model":{}}"#,
    r#"images endpoint requires a gpt-image-* model, got "[object Object]""#
)]
#[case(r#"{"prompt":"a","n":0}"#, "n must be an integer between 1 and 10")]
#[case(r#"{"prompt":"a","n":null}"#, "n must be an integer between 1 and 10")]
#[case(r#"{"prompt":"a","n":"2"}"#, "n must be an integer between 1 and 10")]
#[case(r#"{"prompt":"a","n":1.5}"#, "n must be an integer between 1 and 10")]
fn nothing_that_can_be_drawn(#[case] body: &'static str, #[case] text: &str) {
    assert_eq!(ImageAsk::read(doc(body).root()).unwrap_err().to_string(), text);
}

#[test]
fn pictures_are_asked_for_as_the_tool_wants_it() {
    let body = doc(
        r#"{"prompt":" a cat ","model":["GPT-image-1 "],"n":2.0,"size":[1,2],"quality":"","background":true,"output_compression":80,"x":1}"#,
    );
    let ask = ImageAsk::read(body.root()).unwrap();
    assert_eq!(ask.model, "GPT-image-1");
    let sent: serde_json::Value = serde_json::from_slice(&ask.to_body()).unwrap();
    assert_eq!(
        sent["tools"][0].to_string(),
        r#"{"type":"image_generation","action":"generate","model":"GPT-image-1","size":"1,2","background":"true","output_compression":80,"n":2}"#
    );
    assert_eq!(sent["input"][0]["content"][0]["text"], "a cat");
}
