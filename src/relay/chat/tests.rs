//! What requests ask for, without a service.

use std::sync::Arc;

use rstest::rstest;

use super::{ChatAsk, ChatRoute, ask::Outcome};
use crate::{
    domain::HeaderList,
    keys::Service,
    relay::{Family, RequestBody},
};

const UNIFIED: ChatRoute = ChatRoute { unified: true, prompt: false };
const CLAUDE: ChatRoute = ChatRoute { unified: false, prompt: false };
const PROMPT: ChatRoute = ChatRoute { unified: true, prompt: true };

fn read(body: &'static str, route: ChatRoute) -> ChatAsk {
    ChatAsk::read(&Arc::new(RequestBody::parse(body.into()).unwrap()), route)
}

#[rstest]
#[case(r#"{"model":"gpt-5","messages":[1]}"#, Some(Service::OpenAi))]
#[case(r#"{"model":"Gemini-2.5-pro","messages":[1]}"#, Some(Service::Gemini))]
#[case(r#"{"model":" gpt-5","messages":[1]}"#, None)]
#[case(r#"{"model":"o3","messages":[1]}"#, None)]
#[case(r#"{"messages":[1]}"#, None)]
fn the_model_decides_on_the_platform(#[case] body: &'static str, #[case] other: Option<Service>) {
    let ask = read(body, UNIFIED);
    match (&ask.outcome, other) {
        (Outcome::Other(service), Some(other)) => assert_eq!(*service, other),
        (Outcome::Claude(Ok(_)), None) => {}
        (Outcome::OpenAi(Ok(_)), Some(Service::OpenAi)) => {}
        (outcome, other) => panic!("{outcome:?} instead of {other:?}"),
    }
    assert_eq!(ask.is_elsewhere(), other == Some(Service::Gemini));
    assert!(!read(body, CLAUDE).is_elsewhere());
}

#[test]
fn conversations_are_named_by_the_system_line_alone() {
    let headers = HeaderList::new();
    let hash = |body| read(body, CLAUDE).session_hash(&headers);
    let one = hash(r#"{"messages":[{"role":"user","content":"a"}]}"#);
    assert!(one.is_some());
    assert_eq!(one, hash(r#"{"messages":[{"role":"system","content":"b"}],"model":"m"}"#));
    let xcode = r#"{"messages":[{"role":"system","content":"You are currently in Xcode"}]}"#;
    assert_ne!(one, hash(xcode));
    assert_eq!(hash(r#"{"messages":{}}"#), None);
}

#[test]
fn prompts_become_messages_with_a_model() {
    let ask = read(r#"{"prompt":["a"],"stop":"x","suffix":"y","n":0}"#, PROMPT);
    assert_eq!(
        ask.body.bytes(),
        concat!(
            r#"{"model":"claude-3-5-sonnet-20241022","messages":[{"role":"user","content":["a"]}],"#,
            r#""stop":"x","n":1}"#
        )
    );
    assert!(matches!(read(r#"{"prompt":""}"#, PROMPT).outcome, Outcome::Refused(_)));
}

#[test]
fn conversations_with_openai_are_named_by_headers_or_members() {
    let body = r#"{"model":"gpt-5","messages":[1],"prompt_cache_key":"k"}"#;
    let (ask, mut headers) = (read(body, UNIFIED), HeaderList::new());
    assert_eq!(ask.family(), Family::OpenAi);
    let by_member = ask.session_hash(&headers);
    assert!(by_member.is_some());
    headers.push("session_id", "s");
    assert_ne!(ask.session_hash(&headers), by_member);
    // A completion request has no such members left.
    let prompt = r#"{"model":"gpt-5","prompt":"x","prompt_cache_key":"k"}"#;
    assert_eq!(read(prompt, PROMPT).session_hash(&HeaderList::new()), None);
}
