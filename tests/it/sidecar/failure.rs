//! Node is down, slow or strange.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::{net::TcpListener, time::sleep};

use super::{
    Sidecar,
    node::{Node, Plan, Step, Then},
};

/// Asks on a connection of its own; gives status line and body.
async fn ask(side: &Sidecar, request: &str) -> (String, String) {
    let mut client = side.connect().await;
    client.send(request).await;
    let (answer, _) = client.rest().await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

pub async fn get(side: &Sidecar, path: &str) -> (String, String) {
    ask(side, &format!("GET {path} HTTP/1.1\r\nHost: h\r\nX-Plan: p\r\nConnection: close\r\n\r\n"))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_in_their_dialect_while_node_is_down() {
    let mut side = Sidecar::start(&[]).await;
    let (line, health) = get(&side, "/crs/health").await;
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!(line, "HTTP/1.1 200 OK");
    assert_eq!((&health["status"], &health["phase"]), (&"healthy".into(), &"observe".into()));
    assert_eq!(health["legacy"]["version"], "1.1.314");
    let address = side.node.address;
    // A new one on a port that nobody listens on, for a moment.
    side.node = Node::start().await;
    for (path, pointer, expected) in [
        ("/api/v1/messages", "/error/type", "api_error"),
        ("/openai/v1/responses", "/error/code", "bad_gateway"),
        ("/azure/chat/completions", "/error/type", "server_error"),
        ("/gemini/v1beta/models/m:generateContent", "/error/status", "UNAVAILABLE"),
        ("/admin/api-keys", "/error", "Bad Gateway"),
    ] {
        let (line, body) = get(&side, path).await;
        assert_eq!(line, "HTTP/1.1 502 Bad Gateway", "{path}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body.pointer(pointer), Some(&expected.into()), "{body}");
        assert!(body.to_string().contains("is not reachable"));
    }
    let (line, health) = get(&side, "/crs/health").await;
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!(line, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(health["status"], "unhealthy");
    assert_eq!(health["crs"]["redis"]["connected"], true);
    assert_eq!(health["legacy"]["reachable"], false);
    let (_, metrics) = get(&side, "/crs/metrics").await;
    let counted = "crs_forward_errors_total{kind=\"unreachable\"} 5\n";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(metrics.contains("crs_forward_first_byte_seconds_bucket{le=\"0.001\"}"), "{metrics}");

    side.node = Node::on(TcpListener::bind(address).await.unwrap());
    side.node.plan(
        "p",
        Plan::bytes("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nback").then(Then::Close),
    );
    assert_eq!(get(&side, "/").await, ("HTTP/1.1 200 OK".to_owned(), "back".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn node_that_does_not_answer_is_left() {
    let side = Sidecar::start(&[("CRS_LEGACY_HEAD_TIMEOUT_SECONDS", "1")]).await;
    side.node.plan("p", Plan::steps(vec![Step::Gate]));
    let began = Instant::now();
    let (line, body) = get(&side, "/claude/v1/messages").await;
    assert_eq!(line, "HTTP/1.1 504 Gateway Timeout");
    assert!(body.contains("\"timeout_error\"") && body.contains("in time"), "{body}");
    assert!(began.elapsed() >= Duration::from_millis(990));
    side.node.left("p").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_and_a_slow_stream_are_not_late() {
    let side = Sidecar::start(&[("CRS_LEGACY_HEAD_TIMEOUT_SECONDS", "1")]).await;
    let steps = vec![
        Step::Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n".into()),
        Step::Wait(Duration::from_millis(1500)),
        Step::Send("ok".into()),
    ];
    side.node.plan("p", Plan::steps(steps));
    let mut client = side.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: h\r\nX-Plan: p\r\nContent-Length: 6\r\n\r\nfoo").await;
    sleep(Duration::from_millis(1500)).await;
    client.send("bar").await;
    client.expect("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_node_may_have_acted_on_is_not_sent_again() {
    let side = Sidecar::start(&[]).await;
    let fine = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    side.node.plan("fine", Plan::bytes(fine));
    side.node.plan("p", Plan::steps(vec![]).then(Then::Close));
    let mut client = side.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: h\r\nX-Plan: fine\r\n\r\n").await;
    client.expect(fine).await;
    let before = side.node.connections();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nX-Plan: p\r\nContent-Length: 1\r\n\r\nx").await;
    let (answer, _) = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
    assert!(answer.contains("without an answer"), "{answer}");
    assert_eq!(side.node.connections(), before, "sent once, on the kept connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_that_node_closed_is_replaced() {
    let side = Sidecar::start(&[]).await;
    let fine = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    side.node.plan("p", Plan::bytes(fine).then(Then::Close));
    let mut client = side.connect().await;
    for _ in 0..20 {
        client.send("GET / HTTP/1.1\r\nHost: h\r\nX-Plan: p\r\n\r\n").await;
        client.expect(fine).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_answer_is_a_bad_gateway() {
    let side = Sidecar::start(&[]).await;
    for answer in
        ["garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"]
    {
        side.node.plan("p", Plan::bytes(answer));
        let (line, body) = get(&side, "/").await;
        assert_eq!(line, "HTTP/1.1 502 Bad Gateway");
        assert!(body.contains("unreadable"), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_can_be_read_in_two_ways_are_refused() {
    let side = Sidecar::start(&[]).await;
    for (lines, status) in [
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "400 Bad Request"),
        ("Content-Length: 1\r\nContent-Length: 1\r\n", "400 Bad Request"),
        ("A: b\nC: d\r\n", "400 Bad Request"),
        ("A : b\r\n", "400 Bad Request"),
    ] {
        let mut client = side.connect().await;
        client
            .send(format!("POST / HTTP/1.1\r\nHost: h\r\nX-Plan: p\r\n{lines}\r\n0\r\n\r\n"))
            .await;
        let (answer, _) = client.rest().await;
        assert_eq!(answer, format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n"), "{lines}");
    }
    assert!(side.node.find("p").is_none());
}
