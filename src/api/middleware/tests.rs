//! Tests of the front as a whole, over a router of its own.

use axum::{
    Router,
    extract::Request as AxumRequest,
    routing::{get, post},
};
use http_body_util::{BodyExt, Full};

use super::*;

fn front(change: impl FnOnce(&mut FrontSettings)) -> Front {
    let mut settings = FrontSettings {
        cors: Cors::BuiltIn,
        request_max_mib: Some(100),
        development: false,
        trust_proxy: false,
        browser_rewrite: |_| false,
        now: Arc::new(|| 1_700_000_000_000),
    };
    change(&mut settings);
    let long = "x".repeat(1100);
    let router = Router::new()
        .route(
            "/ok",
            get(|| async { answer::json(StatusCode::OK, &serde_json::json!({ "a": 1 })) }),
        )
        .route(
            "/long",
            get(|| async move {
                answer::send(StatusCode::OK, HeaderValue::from_static("text/plain"), long)
            }),
        )
        .route(
            "/api/v1/messages",
            post(|request: AxumRequest| async move {
                let arrival = request.extensions().get::<Arrival>().unwrap();
                answer::send(
                    StatusCode::OK,
                    answer::JSON,
                    format!("{} {}", arrival.original_url, arrival.body.root().is_object()),
                )
            }),
        )
        .fallback(|request: AxumRequest| async move {
            let arrival = request.extensions().get::<Arrival>().unwrap();
            answer::not_found(&arrival.original_url, "now")
        });
    Front::new(settings, router)
}

struct Seen {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

async fn ask(front: &Front, method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Seen {
    let mut request = Request::builder().method(method).uri(uri).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !body.is_empty() {
        request = request.header("content-length", body.len());
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
    let response = front.handle(request, "127.0.0.1", false).await;
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Seen { status: head.status.as_u16(), headers: head.headers, body }
}

#[tokio::test]
async fn every_answer_carries_the_standing_headers_in_order() {
    let seen = ask(&front(|_| {}), "GET", "/ok", &[], "").await;
    let names: Vec<&str> = seen.headers.keys().map(|name| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "cross-origin-opener-policy",
            "cross-origin-resource-policy",
            "origin-agent-cluster",
            "referrer-policy",
            "strict-transport-security",
            "x-content-type-options",
            "x-dns-prefetch-control",
            "x-download-options",
            "x-frame-options",
            "x-permitted-cross-domain-policies",
            "x-xss-protection",
            "access-control-allow-origin",
            "access-control-allow-methods",
            "access-control-allow-headers",
            "access-control-expose-headers",
            "access-control-max-age",
            "access-control-allow-credentials",
            "x-request-id",
            "cache-control",
            "pragma",
            "expires",
            "content-type",
            "content-length",
            "etag",
            "vary",
            "connection",
            "keep-alive",
        ]
    );
    assert_eq!(seen.header("x-frame-options"), Some("DENY"));
    assert_eq!(seen.header("referrer-policy"), Some("strict-origin-when-cross-origin"));
    assert_eq!(seen.header("keep-alive"), Some("timeout=605"));
    assert_eq!(seen.body, b"{\"a\":1}");
}

#[tokio::test]
async fn a_broken_body_is_refused_before_the_second_set_of_headers() {
    let json = [("content-type", "application/json")];
    let seen = ask(&front(|_| {}), "POST", "/nowhere", &json, "{\"a\":").await;
    assert_eq!(seen.status, 400);
    assert_eq!(seen.header("x-frame-options"), Some("SAMEORIGIN"));
    assert_eq!(seen.header("cache-control"), None);
    let id = seen.header("x-request-id").unwrap();
    let expected = format!(
        "{{\"error\":\"Internal Server Error\",\"message\":\"Something went wrong\",\
         \"requestId\":\"{id}\",\"timestamp\":\"2023-11-14T22:13:20.000Z\"}}"
    );
    assert_eq!(String::from_utf8(seen.body).unwrap(), expected);
}

#[tokio::test]
async fn a_claimed_size_over_the_limit_is_refused_without_an_id() {
    let small = front(|settings| settings.request_max_mib = Some(0));
    let seen = ask(&small, "POST", "/ok", &[], "x").await;
    assert_eq!((seen.status, seen.header("x-request-id")), (413, None));
    assert_eq!(
        seen.body,
        br#"{"error":"Payload Too Large","message":"Request body size exceeds limit","limit":"0MB"}"#
    );
    let unchecked = front(|settings| settings.request_max_mib = None);
    assert_eq!(ask(&unchecked, "POST", "/ok", &[], "x").await.status, 405);
}

#[tokio::test]
async fn options_and_origins() {
    let built_in = front(|_| {});
    let seen = ask(&built_in, "OPTIONS", "/x", &[("origin", "http://elsewhere")], "").await;
    assert_eq!((seen.status, seen.header("access-control-allow-origin")), (204, None));
    assert_eq!((seen.header("x-request-id"), seen.header("content-length")), (None, None));
    for (origin, named) in [
        ("http://localhost:3000", Some("http://localhost:3000")),
        ("chrome-extension://abc", Some("chrome-extension://abc")),
        ("http://localhost:3001", None),
        ("", Some("*")),
    ] {
        let seen = ask(&built_in, "GET", "/ok", &[("origin", origin)], "").await;
        assert_eq!(seen.header("access-control-allow-origin"), named, "{origin}");
    }

    let permissive = front(|settings| settings.cors = Cors::Permissive);
    let asked = [("origin", "http://elsewhere"), ("access-control-request-headers", "x-a")];
    let seen = ask(&permissive, "OPTIONS", "/x", &asked, "").await;
    assert_eq!(seen.status, 204);
    assert_eq!(seen.header("access-control-allow-origin"), Some("*"));
    assert_eq!(seen.header("access-control-allow-headers"), Some("x-a"));
    assert_eq!(seen.header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn compression_and_conditional_requests() {
    let front = front(|_| {});
    let seen = ask(&front, "GET", "/long", &[("accept-encoding", "gzip")], "").await;
    assert_eq!(seen.header("content-encoding"), Some("gzip"));
    assert_eq!(
        (seen.header("content-length"), seen.header("vary")),
        (None, Some("Accept-Encoding"))
    );
    let mut text = String::new();
    std::io::Read::read_to_string(
        &mut flate2::read::GzDecoder::new(seen.body.as_slice()),
        &mut text,
    )
    .unwrap();
    assert_eq!(text.len(), 1100);

    let tag = seen.header("etag").unwrap();
    let again = ask(&front, "GET", "/long", &[("if-none-match", tag)], "").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!((again.header("content-type"), again.header("vary")), (None, None));
}

#[tokio::test]
async fn spellings_of_a_path_reach_one_route_and_keep_the_url() {
    let front = front(|_| {});
    let json = [("content-type", "application/json")];
    for uri in ["/api/v1/messages", "/API/v1/Messages/", "/api//v1/messages?beta=true"] {
        let seen = ask(&front, "POST", uri, &json, "[]").await;
        assert_eq!(String::from_utf8(seen.body).unwrap(), format!("{uri} false"));
    }
    let seen = ask(&front, "GET", "/%zz", &[], "").await;
    assert_eq!((seen.status, seen.header("cache-control").is_some()), (400, true));
}

#[tokio::test]
async fn what_the_legacy_parser_refuses_is_refused() {
    let front = front(|_| {});
    assert_eq!(ask(&front, "FOO", "/ok", &[], "").await.status, 400);
    assert_eq!(ask(&front, "GET", "/ok", &[("expect", "x")], "").await.status, 417);
    let request = Request::builder().uri("/ok").body(Full::new(Bytes::new())).unwrap();
    let response = front.handle(request, "127.0.0.1", false).await;
    assert_eq!(response.status(), 400);
    assert_eq!(response.headers()["connection"], "close");
}

#[tokio::test]
async fn a_client_that_leaves_is_told_to_the_pipeline() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let sender = Arc::new(parking_lot::Mutex::new(Some(sender)));
    let router = Router::new().fallback(move |request: AxumRequest| async move {
        let gone = request.extensions().get::<Arrival>().unwrap().gone.clone();
        sender.lock().take().unwrap().send(gone).unwrap();
        Response::new(Body::from_stream(
            futures_util::stream::pending::<Result<Bytes, axum::Error>>(),
        ))
    });
    let front = Front { router, ..front(|_| {}) };
    let request =
        Request::builder().uri("/x").header("host", "h").body(Full::new(Bytes::new())).unwrap();
    let response = front.handle(request, "127.0.0.1", false).await;
    let gone = receiver.await.unwrap();
    assert!(!gone.is_cancelled());
    drop(response);
    assert!(gone.is_cancelled());
}

#[tokio::test]
async fn long_heads_and_empty_segments() {
    let front = front(|_| {});
    let fits = "a".repeat(16 * 1024 - "/ok".len() - "hostlocalhost".len() - "x-a".len() - 1);
    assert_eq!(ask(&front, "GET", "/ok", &[("x-a", &fits)], "").await.status, 200);
    let long = format!("{fits}a");
    assert_eq!(ask(&front, "GET", "/ok", &[("x-a", &long)], "").await.status, 431);
    let seen = ask(&front, "POST", "/ok//x", &[], "").await;
    assert_eq!((seen.status, seen.header("allow")), (404, None));
    assert_eq!(ask(&front, "PUT", "/ok", &[], "").await.header("allow"), None);
}
