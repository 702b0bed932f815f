use bytes::Bytes;

use super::{build, target_model};
use crate::{
    domain::{HeaderList, Secret},
    platform::provider::{Account, Call},
    wire::body::RequestBody,
};

fn account(agent: &str) -> Account {
    Account {
        api_url: "https://router.example/".into(),
        api_key: Secret::from("sk-ccr"),
        user_agent: Some(agent.to_owned()),
        models: vec![("Big".into(), "vendor/big".into())],
    }
}

fn body(text: &'static str) -> RequestBody {
    RequestBody::parse(Bytes::from_static(text.as_bytes())).unwrap()
}

#[test]
fn the_prefix_goes_and_the_rest_is_mapped() {
    let account = account("");
    for (asked, sent) in [
        (r#"{"model":"ccr,big"}"#, "vendor/big"),
        (r#"{"model":" CCR , Big "}"#, "CCR , Big"),
        (r#"{"model":" CCR, Big "}"#, "vendor/big"),
        (r#"{"model":"ccr,a,b"}"#, "a,b"),
        (r#"{"model":"ccr,"}"#, ""),
    ] {
        assert_eq!(target_model(&account, &body(asked)), sent, "{asked}");
    }
}

#[test]
fn of_the_clients_headers_few_pass() {
    let headers: HeaderList = [
        ("user-agent", "client/1"),
        ("anthropic-version", "2024-01-01"),
        ("anthropic-beta", "b1"),
        ("accept-language", "*"),
        ("x-stainless-os", "Linux"),
        ("anthropic-dangerous-direct-browser-access", "true"),
    ]
    .into_iter()
    .collect();
    let body = body(r#"{"max_tokens":1.0,"model":"ccr,big","x":1}"#);
    let built = |agent: &str| {
        let account = account(agent);
        let call = Call {
            body: &body,
            headers: &headers,
            account: &account,
            path: None,
            beta: None,
            keep_alive: true,
        };
        build(&call).unwrap().request
    };
    let request = built("");
    assert_eq!(request.url, "https://router.example/v1/messages");
    assert_eq!(request.body, r#"{"max_tokens":1.0,"model":"vendor/big","x":1}"#);
    let sent: Vec<_> = request.headers.iter().collect();
    assert_eq!(
        sent,
        [
            ("Accept", "application/json, text/plain, */*"),
            ("Content-Type", "application/json"),
            ("anthropic-version", "2023-06-01"),
            ("User-Agent", "client/1"),
            ("anthropic-beta", "b1"),
            ("accept-language", "*"),
            ("anthropic-dangerous-direct-browser-access", "true"),
            ("Authorization", "Bearer sk-ccr"),
            ("Content-Length", "45"),
            ("Accept-Encoding", "gzip, compress, deflate, br"),
            ("Host", "router.example"),
            ("Connection", "keep-alive"),
        ]
    );
    assert_eq!(built("own/2").headers.get("user-agent"), Some("own/2"));
}
