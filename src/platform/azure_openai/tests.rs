use bytes::Bytes;
use rstest::rstest;

use super::*;
use crate::{domain::TokenUsage, wire::json::Doc};

fn account() -> Account {
    Account {
        endpoint: "https://unit.openai.azure.com".into(),
        deployment: "dep-1".into(),
        api_version: "2024-02-01".into(),
        api_key: Some(Secret::from("az-key")),
    }
}

fn built(endpoint: Endpoint, account: &Account, body: &str) -> Result<BuiltRequest, BuildError> {
    let body = RequestBody::parse(Bytes::from(body.to_owned())).unwrap();
    build(&Call { endpoint, body: &body, account, stream: false, keep_alive: true })
}

#[rstest]
#[case(Endpoint::Chat, r#"{ "model":"azure/gpt-4o","x":1.0 }"#, r#"{"model":"gpt-4o","x":1.0}"#)]
#[case(Endpoint::Chat, r#"{ "model":"gpt-4o" }"#, r#"{ "model":"gpt-4o" }"#)]
#[case(Endpoint::Chat, r#"{"x":1}"#, r#"{"x":1,"model":"gpt-4"}"#)]
#[case(Endpoint::Embeddings, r#"{"model":null}"#, r#"{"model":"gpt-4"}"#)]
#[case(Endpoint::Chat, r#"{"model":"azure/azure/a"}"#, r#"{"model":"azure/a"}"#)]
#[case(Endpoint::Chat, r#"{"model":"Azure/a"}"#, r#"{"model":"Azure/a"}"#)]
#[case(Endpoint::Responses, r#"{"model":7,"x":[]}"#, r#"{"model":"dep-1","x":[]}"#)]
#[case(Endpoint::Responses, "[true,{}]", r#"{"0":true,"1":{},"model":"dep-1"}"#)]
fn the_body_passes_but_for_its_model(
    #[case] endpoint: Endpoint,
    #[case] body: &str,
    #[case] sent: &str,
) {
    assert_eq!(built(endpoint, &account(), body).unwrap().body, sent);
}

#[rstest]
#[case(Endpoint::Chat, "/openai/deployments/dep-1/chat/completions?api-version=2024-02-01")]
#[case(Endpoint::Embeddings, "/openai/deployments/dep-1/embeddings?api-version=2024-02-01")]
#[case(Endpoint::Responses, "/openai/responses?api-version=2024-02-01")]
fn each_endpoint_has_its_path(#[case] endpoint: Endpoint, #[case] path: &str) {
    let request = built(endpoint, &account(), "{}").unwrap();
    assert_eq!(request.url, format!("https://unit.openai.azure.com{path}"));
    let names: Vec<_> = request.headers.iter().map(|(name, _)| name.to_owned()).collect();
    let expected = [
        "Accept",
        "Content-Type",
        "api-key",
        "User-Agent",
        "Content-Length",
        "Accept-Encoding",
        "Host",
        "Connection",
    ];
    assert_eq!(names, expected);
}

#[test]
fn empty_fields_have_defaults() {
    let bare = Account { deployment: String::new(), api_version: String::new(), ..account() };
    let url = |endpoint| built(endpoint, &bare, "{}").unwrap().url;
    assert!(
        url(Endpoint::Chat)
            .ends_with("/deployments/default/chat/completions?api-version=2024-02-01")
    );
    assert!(url(Endpoint::Responses).ends_with("/openai/responses?api-version=2025-04-01-preview"));
}

#[test]
fn odd_models_and_endpoints_are_errors() {
    let odd = built(Endpoint::Chat, &account(), r#"{"model":5}"#).unwrap_err();
    assert_eq!(odd.to_string(), "model.startsWith is not a function");
    let other = Account { endpoint: "ftp://unit.test".into(), ..account() };
    let error = built(Endpoint::Chat, &other, "{}").unwrap_err();
    assert_eq!(error.to_string(), "Unsupported protocol ftp:");
    let lost = Account { endpoint: String::new(), ..account() };
    assert_eq!(built(Endpoint::Chat, &lost, "{}").unwrap_err(), BuildError::Url);
}

fn usage(text: &str) -> Option<Usage> {
    let doc = Doc::parse_deep(Bytes::from(text.to_owned())).unwrap();
    usage_of_reply(doc.root())
}

fn tokens(input: u64, output: u64, create: u64, read: u64) -> TokenUsage {
    TokenUsage { input, output, cache_create: create, cache_read: read, ..TokenUsage::default() }
}

fn counts(input: u64, output: u64, create: u64, read: u64, model: &str) -> Usage {
    let model = match model {
        "" => Named::Nothing,
        "?" => Named::Odd,
        name => Named::Model(name.to_owned()),
    };
    Usage { tokens: tokens(input, output, create, read), model }
}

#[rstest]
#[case(r#"{"model":"m","usage":{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":2,"cache_creation_tokens":1}}}"#, counts(9, 4, 1, 2, "m"))]
#[case(r#"{"response":{"model":"r","usage":{"input_tokens":5,"output_tokens":6,"input_tokens_details":{"cached_tokens":3}}}}"#, counts(5, 6, 0, 3, "r"))]
#[case(r#"{"model":"o","response":{"usage":{"input_tokens":1}}}"#, counts(1, 0, 0, 0, "o"))]
#[case(
    r#"{"model":"o","a":[{"b":{"model":"n","usage":{"prompt_tokens":1}}}]}"#,
    counts(1, 0, 0, 0, "n")
)]
#[case(r#"{"model":"o","usage":null,"a":{"usage":{"output_tokens":1}}}"#, counts(0, 1, 0, 0, "o"))]
#[case(r#"{"choices":[{"usage":7},{"model":"c","usage":true}]}"#, counts(0, 0, 0, 0, "c"))]
#[case(
    r#"{"usage":{"prompt_tokens":0,"input_tokens":8,"completion_tokens":"4"}}"#,
    counts(8, 0, 0, 0, "")
)]
#[case(r#"[{"usage":{"input_tokens":8}}]"#, counts(8, 0, 0, 0, ""))]
#[case(r#"{"model":4,"usage":{}}"#, counts(0, 0, 0, 0, "?"))]
#[case(r#"{"model":"o","a.b":{"model":"n","usage":{"input_tokens":8}}}"#, counts(8, 0, 0, 0, "o"))]
fn counts_are_found(#[case] text: &str, #[case] expected: Usage) {
    assert_eq!(usage(text), Some(expected));
}

#[test]
fn no_counts_no_usage() {
    for text in ["{}", "null", "\"usage\"", r#"{"usage":0,"choices":[]}"#, r#"{"a":{"usage":3}}"#] {
        assert_eq!(usage(text), None, "{text}");
    }
}

#[test]
fn the_cached_part_can_be_taken_out() {
    assert_eq!(without_cached(tokens(9, 4, 1, 2)), tokens(6, 4, 1, 2));
    assert_eq!(without_cached(tokens(1, 4, 0, 2)).input, 0);
}

fn tapped(reading: Reading, stream: &str, pieces: usize) -> Option<Usage> {
    let mut tap = UsageTap::new(reading);
    stream.as_bytes().chunks(pieces).for_each(|piece| tap.chunk(piece));
    tap.finish()
}

#[test]
fn streams_count_the_first_usage_and_the_last_model() {
    let stream = "data: {\"model\":\"a\",\"usage\":null}\n\ndata: {\"model\":\"b\",\"usage\":{\"prompt_tokens\":1}}\n\n\
        data: {\"usage\":{\"prompt_tokens\":2}}\n\ndata: {\"model\":\"c\"}\n\ndata: [DONE]\n\n";
    for pieces in [1, 7, 4096] {
        let found = tapped(Reading::LEGACY, stream, pieces);
        assert_eq!(found, Some(counts(1, 0, 0, 0, "c")), "{pieces}");
    }
}

#[test]
fn the_end_is_searched_when_nothing_was_found() {
    let last = "data: {\"usage\":{\"input_tokens\":3}}";
    assert_eq!(tapped(Reading::LEGACY, last, 5).unwrap().tokens.input, 3);
    let windows = format!("data: {{\"model\":\"a\"}}\r\n\r\n{last}\r\n\r\n");
    assert_eq!(tapped(Reading::LEGACY, &windows, 5), Some(counts(3, 0, 0, 0, "a")));
}

/// One event whose text is `pad` characters longer than its counts.
fn padded(pad: &str) -> String {
    format!("data: {{\"pad\":\"{pad}\",\"usage\":{{\"input_tokens\":3}}}}\n\n")
}

#[rstest]
#[case(10_000, true)]
#[case(20_000, true)]
#[case(32_700, true)]
#[case(32_768, false)]
#[case(90_000, false)]
fn long_events_count_within_the_end(#[case] pad: usize, #[case] found: bool) {
    let stream = padded(&"x".repeat(pad));
    assert_eq!(tapped(Reading::LEGACY, &stream, 8192).is_some(), found);
    assert_eq!(tapped(Reading::WHOLE, &stream, 8192).unwrap().tokens.input, 3);
    // Lengths are those of JavaScript.
    let wide = padded(&"字".repeat(pad));
    assert_eq!(tapped(Reading::LEGACY, &wide, 8192).is_some(), found);
}
