use rstest::rstest;

use serde_json::json;
use shadow::{AccountChoice, Body};

use super::*;
use crate::sidecar::tap::{Command, RequestHead, ResponseHead};

const PROVIDER: &str = "https://responses.example.test/v1/responses";
const CHATGPT: &str = "https://chatgpt.com/backend-api/codex/responses";

fn choice(kind: &str, id: &str) -> Observation {
    let account = AccountChoice { kind: kind.into(), id: id.into(), ..Default::default() };
    let mut side = Observation { account: Some(account), ..Observation::default() };
    side.request.arrived_ms = 1_700_000_000_000;
    side
}

fn trace(key: &str, fields: &[&str]) -> NodeTrace {
    let reply = fields.iter().map(|field| Reply::Data((*field).to_owned().into())).collect();
    let words = ["hgetall", key].map(|word| word.to_owned().into()).to_vec();
    let command = Command { ms: 0.0, words, reply: Some(Reply::Array(reply)) };
    NodeTrace { commands: vec![command], ..NodeTrace::default() }
}

#[rstest]
#[case("openai", "openai:account:", &["isActive", "false"], Some("58"))]
#[case("openai", "openai:account:", &["isActive", "true", "status", "unauthorized"], Some("60"))]
#[case("openai", "openai:account:", &["isActive", "true", "status", "active"], None)]
#[case("openai", "openai:account:", &["status", "error"], None)]
#[case("openai-responses", "openai_responses_account:",
    &["rateLimitStatus", "limited", "rateLimitResetAt", "2099-01-01T00:00:00.000Z"], Some("59"))]
#[case("openai-responses", "openai_responses_account:",
    &["rateLimitStatus", "limited", "rateLimitResetAt", "2020-01-01T00:00:00.000Z"], None)]
#[case("openai-responses", "openai_responses_account:", &["status", "unauthorized"], None)]
fn what_node_read_of_its_account_explains_it(
    #[case] kind: &str,
    #[case] start: &str,
    #[case] fields: &[&str],
    #[case] number: Option<&str>,
) {
    let trace = trace(&format!("{start}a"), fields);
    let (control, other) = (choice(kind, "a"), choice(kind, "b"));
    for candidate in [&other, &Observation::default()] {
        let why = explained(&trace, &control, candidate);
        let number = number.map(|number| format!("(MIGRATION {number})"));
        assert_eq!(why.is_some(), number.is_some(), "{why:?}");
        assert!(number.is_none_or(|number| why.is_some_and(|why| why.ends_with(&number))));
    }
    assert_eq!(explained(&trace, &control, &control), None, "both chose it");
    let another = self::trace(&format!("{start}b"), fields);
    assert_eq!(explained(&another, &control, &other), None, "another's record");
}

#[rstest]
#[case::provider(PROVIDER, "{}", "data: {}\n\n", false, Some("74"))]
#[case::provider_no(PROVIDER, r#"{"stream":false}"#, "event: a\ndata: {}", false, Some("74"))]
#[case::asked_for(PROVIDER, r#"{"stream":true}"#, "data: {}\n\n", true, None)]
#[case::json(PROVIDER, "{}", "{}", false, None)]
#[case::chatgpt(CHATGPT, "{}", "data: {}\n\n", true, None)]
#[case::chatgpt_no(CHATGPT, r#"{"stream":false}"#, "data: {}\n\n", false, Some("74"))]
#[case::chatgpt_json(CHATGPT, "{}", "{}", true, Some("62"))]
#[case::text(PROVIDER, "{}", "oops", false, None)]
fn an_answer_that_node_took_for_another_kind(
    #[case] url: &str,
    #[case] asked: &'static str,
    #[case] told: &'static str,
    #[case] stream: bool,
    #[case] number: Option<&str>,
) {
    let exchange = Exchange {
        request: RequestHead { url: url.into(), ..RequestHead::default() },
        request_body: vec![asked.into()],
        response: Some(ResponseHead { status: 200, ..ResponseHead::default() }),
        response_body: vec![told.into()],
        ..Exchange::default()
    };
    let trace = NodeTrace { exchanges: vec![exchange], ..NodeTrace::default() };
    let mut side = Observation::default();
    side.request.stream = stream;
    assert_eq!(gaps(&trace, &side, &side), [], "not a chat request");
    side.request.route = "/openai/v1/chat/completions".into();
    let found = gaps(&trace, &side, &side);
    assert_eq!(found.len(), if number.is_some() { ANSWER.len() } else { 0 }, "{found:?}");
    let number = number.map(|number| format!("(MIGRATION {number})"));
    assert!(found.iter().all(|gap| number.as_ref().is_some_and(|it| gap.why.ends_with(it))));
}

#[rstest]
#[case("https://auth.openai.com/oauth/token", 200, r#"{"refresh_token":"r"}"#, true)]
#[case("https://auth.openai.com/oauth/token", 200, r#"{"access_token":""}"#, true)]
#[case("https://auth.openai.com/oauth/token", 200, r#"{"access_token":"t"}"#, false)]
#[case("https://auth.openai.com/oauth/token", 400, "{}", false)]
#[case("https://chatgpt.com/backend-api/codex/responses", 200, "{}", false)]
fn a_refresh_without_a_token(
    #[case] url: &str,
    #[case] status: u16,
    #[case] body: &'static str,
    #[case] explains: bool,
) {
    let exchange = Exchange {
        request: RequestHead { url: url.into(), ..RequestHead::default() },
        response: Some(ResponseHead { status, ..ResponseHead::default() }),
        response_body: vec![body.into()],
        ..Exchange::default()
    };
    let trace = NodeTrace { exchanges: vec![exchange], ..NodeTrace::default() };
    let side = Observation::default();
    assert_eq!(explained(&trace, &side, &side).is_some(), explains);
}

fn with(commands: Vec<Command>) -> NodeTrace {
    NodeTrace { commands, ..NodeTrace::default() }
}

fn told(words: [&str; 2], reply: Reply) -> Command {
    let words = words.map(|word| word.to_owned().into()).to_vec();
    Command { ms: 0.0, words, reply: Some(reply) }
}

fn refused() -> Observation {
    let admission = Admission::Rejected { status: 500, body: Body::default() };
    Observation { admission, account: None, ..choice("", "") }
}

#[test]
fn redis_that_failed_node() {
    let side = Observation::default();
    let lost = |error: &str| with(vec![told(["get", "k"], Reply::Error(error.into()))]);
    let why = explained(&lost("TAP Connection is closed."), &side, &side);
    assert!(why.is_some_and(|why| why.ends_with("(MIGRATION 7)")), "{why:?}");
    assert_eq!(explained(&lost("WRONGTYPE Operation"), &side, &side), None, "Redis said that");
}

#[rstest]
#[case(&["supportedModels", "x"], Some("46"))]
#[case(&["supportedModels", "{}", "proxy", "x"], Some("46"))]
#[case(&["supportedModels", "", "proxy", ""], None)]
fn a_record_that_cannot_be_read(#[case] fields: &[&str], #[case] number: Option<&str>) {
    for start in ["ccr_account:", "claude_console_account:"] {
        let trace = trace(&format!("{start}c"), fields);
        let why = explained(&trace, &refused(), &choice("claude-official", "a"));
        let number = number.map(|number| format!("(MIGRATION {number})"));
        assert_eq!(why.map(|why| why[why.len() - 14..].to_owned()), number);
        let mut stumbled = refused();
        let body = r#"{"message":"\"x\" is not valid JSON"}"#.into();
        stumbled.admission = Admission::Rejected { status: 500, body };
        let why = explained(&trace, &stumbled, &refused());
        assert_eq!(why.is_some(), number.is_some(), "both refuse");
    }
}

#[rstest]
#[case(&["status", "overloaded", "overloadedAt", "2023-11-14T22:00:00.000Z"], true)]
#[case(&["status", "overloaded", "overloadedAt", "2023-11-14T22:10:00.000Z"], false)]
#[case(&["rateLimitStatus", "limited", "rateLimitedAt", "2023-11-14T22:00:00.000Z"], false)]
#[case(&["rateLimitStatus", "limited", "rateLimitedAt", "2023-11-14T22:00:00.000Z",
    "rateLimitDuration", "5"], true)]
#[case(&["status", "quota_exceeded"], true)]
#[case(&["status", "active"], false)]
fn a_state_of_a_ccr_account_that_is_over(#[case] fields: &[&str], #[case] explains: bool) {
    let trace = trace("ccr_account:c", fields);
    for control in [refused(), choice("ccr", "other")] {
        let why = explained(&trace, &control, &choice("ccr", "c"));
        assert_eq!(why.is_some_and(|why| why.ends_with("(MIGRATION 45)")), explains, "{why:?}");
    }
    assert_eq!(explained(&trace, &refused(), &choice("ccr", "d")), None, "another");
}

#[test]
fn a_bedrock_account_without_credentials() {
    let read = |record: Value| {
        let reply = Reply::Data(record.to_string().into());
        with(vec![told(["get", "bedrock_account:b"], reply)])
    };
    let bare = read(json!({ "awsCredentials": null }));
    for control in [refused(), choice("bedrock", "b")] {
        let why = explained(&bare, &control, &choice("claude-official", "a"));
        assert!(why.is_some_and(|why| why.ends_with("(MIGRATION 75)")), "{why:?}");
    }
    let own = read(json!({ "awsCredentials": "x" }));
    assert_eq!(explained(&own, &refused(), &choice("claude-official", "a")), None);
    assert_eq!(explained(&bare, &choice("ccr", "c"), &refused()), None, "another was chosen");
}

#[rstest]
#[case("https://api.anthropic.com/v1/messages", 403, "gzip", true, true)]
#[case("https://api.anthropic.com/v1/messages", 403, "identity", true, false)]
#[case("https://api.anthropic.com/v1/messages", 200, "gzip", true, false)]
#[case("https://api.anthropic.com/v1/messages", 403, "gzip", false, false)]
#[case("https://console.example.test/v1/messages", 403, "gzip", true, false)]
fn a_packed_error_in_place_of_a_stream(
    #[case] url: &str,
    #[case] status: u16,
    #[case] coding: &str,
    #[case] stream: bool,
    #[case] explains: bool,
) {
    let headers = vec![("Content-Encoding".to_owned(), coding.to_owned())];
    let exchange = Exchange {
        request: RequestHead { url: url.into(), ..RequestHead::default() },
        request_body: vec![json!({ "stream": stream }).to_string().into()],
        response: Some(ResponseHead { status, headers }),
        ..Exchange::default()
    };
    let trace = NodeTrace { exchanges: vec![exchange], ..NodeTrace::default() };
    let found = gaps(&trace, &Observation::default(), &Observation::default());
    assert_eq!(found.len(), if explains { ANSWER.len() } else { 0 });
    assert!(found.iter().all(|gap| gap.why.ends_with("(MIGRATION 77)")));
}
