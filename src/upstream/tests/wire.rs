//! What stands on the wire, byte by byte.

use parking_lot::Mutex;

use super::*;
use crate::upstream::host_map::HostMap;

/// Runs one request and gives back what the peer read.
async fn recorded(request: impl FnOnce(String) -> UpstreamRequest) -> (String, Vec<u8>) {
    let seen = Arc::new(Mutex::new(None));
    let slot = seen.clone();
    let peer = Peer::start(move |_, mut stream| {
        let slot = slot.clone();
        async move {
            let request = read_request(&mut stream).await;
            *slot.lock() = request;
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            let _ = stream.read(&mut [0; 1]).await;
        }
    })
    .await;
    sender().send(request(peer.url())).await.unwrap();
    seen.lock().take().unwrap()
}

#[tokio::test]
async fn order_and_spelling_reach_the_peer() {
    let headers = [
        ("host", "api.anthropic.com"),
        ("connection", "keep-alive"),
        ("X-Stainless-OS", "MacOS"),
        ("anthropic-Beta", "b"),
        ("Authorization", "Bearer t"),
        ("X-STAINLESS-lang", "js"),
        ("accept", "a"),
        ("Accept", "b"),
        ("content-length", "7"),
        ("x-last", ""),
    ];
    let (head, body) = recorded(|url| UpstreamRequest {
        headers: headers.into_iter().collect(),
        ..post(&format!("{url}?beta=true"), b"{\"a\":1}")
    })
    .await;
    let expected: String = headers.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
    assert_eq!(head, format!("POST /v1/messages?beta=true HTTP/1.1\r\n{expected}\r\n"));
    assert_eq!(body, b"{\"a\":1}");
}

#[tokio::test]
async fn declared_chunking_is_kept() {
    let (head, body) = recorded(|url| UpstreamRequest {
        headers: [("Host", "h"), ("Transfer-Encoding", "chunked")].into_iter().collect(),
        ..post(&url, b"hello")
    })
    .await;
    assert!(head.ends_with("Transfer-Encoding: chunked\r\n\r\n"), "{head}");
    // The peer reads by content-length only, so at most the start of the chunked body is here.
    assert!(b"5\r\nhello\r\n0\r\n\r\n".starts_with(&body));
}

#[tokio::test]
async fn a_body_larger_than_every_buffer_arrives_whole() {
    let body: Vec<u8> = (0..6_000_000_u32).map(|i| (i % 251) as u8).collect();
    let padding = "p".repeat(100_000);
    let sent = body.clone();
    let (head, received) = recorded(|url| {
        let mut request = post(&url, &sent);
        // A head larger than the socket's buffers goes out in several writes.
        for number in 0..50 {
            request.headers.push(format!("X-Pad-{number}"), padding.clone());
        }
        request
    })
    .await;
    assert_eq!(head.len(), head.trim_end().len() + 4);
    assert_eq!(head.matches(&padding).count(), 50);
    assert!(received == body, "body changed on the way");
}

#[tokio::test]
async fn get_without_body_declares_none() {
    let (head, _) = recorded(|url| UpstreamRequest {
        method: http::Method::GET,
        headers: [("Host", "h")].into_iter().collect(),
        ..post(&url, b"")
    })
    .await;
    assert_eq!(head, "GET /v1/messages HTTP/1.1\r\nHost: h\r\n\r\n");
}

#[tokio::test]
async fn the_host_map_moves_the_connection_only() {
    let seen = Arc::new(Mutex::new(String::new()));
    let slot = seen.clone();
    let peer = Peer::start(move |_, mut stream| {
        let slot = slot.clone();
        async move {
            *slot.lock() = read_request(&mut stream).await.unwrap().0;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let map = format!("*.anthropic.com=http://127.0.0.1:{}", peer.port);
    let host_map = HostMap::parse(&map).unwrap();
    let settings = SenderSettings { host_map, ..SenderSettings::default() };
    let sender = HttpSender::new(settings).unwrap();
    let url = "https://api.anthropic.com/v1/messages?beta=true";
    assert_eq!(sender.send(post(url, b"{}")).await.unwrap().status, 200);
    let head = seen.lock().clone();
    assert!(
        head.starts_with("POST /v1/messages?beta=true HTTP/1.1\r\nHost: api.anthropic.com\r\n")
    );
}

#[tokio::test]
async fn answer_headers_are_those_the_runtime_shows() {
    let peer = Peer::answering(
        &b"HTTP/1.1 429 Slow Down\r\nRequest-Id: r1\r\nset-cookie: a\r\nX-B: \xe9\r\nSet-Cookie: b\r\n\
           retry-after: 1\r\nx-b: c\r\nRetry-After: 2\r\ncontent-length: 2\r\n\r\nno"[..],
    )
    .await;
    let response = get(&peer.url()).await.unwrap();
    assert_eq!(response.status, 429);
    let headers: Vec<_> = response.headers.iter().collect();
    assert_eq!(
        headers,
        [
            ("request-id", "r1"),
            ("set-cookie", "a"),
            ("set-cookie", "b"),
            ("x-b", "\u{e9}, c"),
            ("retry-after", "1"),
            ("content-length", "2"),
        ]
    );
    assert_eq!(drain(response).await.0, b"no");
}
