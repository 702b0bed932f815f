use bytes::Bytes;

use super::{build, stream_failure, stream_interrupted};
use crate::{
    domain::{HeaderList, Secret},
    platform::provider::{Account, Call},
    wire::{
        body::RequestBody,
        json::{Doc, Value},
    },
};

fn pairs(value: Value<'_>) -> Vec<(String, String)> {
    value
        .elements()
        .map(|pair| {
            let mut pair = pair.elements().map(|text| text.as_str().unwrap().into_owned());
            (pair.next().unwrap(), pair.next().unwrap())
        })
        .collect()
}

/// Requests that the legacy service sent, byte for byte.
#[test]
fn builds_the_recorded_requests() {
    let recorded = include_str!("fixtures/requests.json");
    let recorded = Doc::parse_deep(Bytes::from_static(recorded.as_bytes())).unwrap();
    for row in recorded.root().elements() {
        let field = |name: &str| row.get_str(name).map(|text| text.into_owned());
        let account = Account {
            api_url: format!("http://127.0.0.1:9000{}", field("path").unwrap()),
            api_key: Secret::from(field("key").unwrap()),
            user_agent: field("agent"),
            models: pairs(row.get("map").unwrap()),
        };
        let body = RequestBody::parse(Bytes::from(field("body").unwrap())).unwrap();
        let headers: HeaderList = pairs(row.get("headers").unwrap()).into_iter().collect();
        let built = build(&Call {
            body: &body,
            headers: &headers,
            account: &account,
            path: row.get_truthy("custom").map(|_| "/v1/messages/count_tokens"),
            beta: field("beta").as_deref(),
            keep_alive: true,
        })
        .unwrap();
        assert_eq!(built.request.body, field("sent").unwrap().as_bytes());
        let path = built.request.url.strip_prefix("http://127.0.0.1:9000").unwrap();
        let lines = built.request.headers.iter().map(|(n, v)| format!("{n}: {v}\r\n"));
        let head = format!("POST {path} HTTP/1.1\r\n") + &lines.collect::<String>();
        assert_eq!(head.trim_end(), field("head").unwrap());
    }
}

#[test]
fn unmapped_bodies_are_not_copied_and_bad_urls_are_errors() {
    let account = Account {
        api_url: "https://provider.example".into(),
        api_key: Secret::from("k"),
        user_agent: None,
        models: vec![],
    };
    let text = Bytes::from_static(b"{ \"model\":\"m\" , \"x\":1.0 }");
    let body = RequestBody::parse(text.clone()).unwrap();
    let headers = HeaderList::new();
    let call = Call {
        body: &body,
        headers: &headers,
        account: &account,
        path: None,
        beta: None,
        keep_alive: true,
    };
    let built = build(&call).unwrap();
    assert_eq!(built.request.body.as_ptr(), text.as_ptr());
    assert_eq!(built.request.url, "https://provider.example/v1/messages");
    assert_eq!(built.request.headers.get("host"), Some("provider.example"));
    assert_eq!(built.model.as_deref(), Some("m"));
    let account = Account { api_url: "provider".into(), ..account.clone() };
    assert!(build(&Call { account: &account, ..call }).is_err());
}

#[test]
fn error_events() {
    let now = "2026-01-01T00:00:00.000Z";
    assert_eq!(
        stream_failure("connect \"x\"", Some("ECONNREFUSED"), now),
        "event: error\ndata: {\"error\":\"connect \\\"x\\\"\",\"code\":\"ECONNREFUSED\",\"timestamp\":\"2026-01-01T00:00:00.000Z\"}\n\n"
    );
    assert_eq!(
        stream_failure("m", None, now),
        "event: error\ndata: {\"error\":\"m\",\"timestamp\":\"2026-01-01T00:00:00.000Z\"}\n\n"
    );
    assert_eq!(
        stream_interrupted("aborted", now),
        "event: error\ndata: {\"error\":\"Stream error\",\"message\":\"aborted\",\"timestamp\":\"2026-01-01T00:00:00.000Z\"}\n\n"
    );
}
