//! Other protocols after 101.

use tokio::io::AsyncWriteExt;

use super::{
    ADDED, Sidecar,
    node::{Plan, Then},
    text,
};

const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
const LINES: &str =
    "Host: h\r\nX-Plan: p\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_speak_after_an_upgrade() {
    let side = Sidecar::start(&[]).await;
    side.node.plan("p", Plan::bytes(format!("{SWITCH}\u{1}hello")).then(Then::Echo));
    let mut client = side.connect().await;
    client.send(format!("GET /ws HTTP/1.1\r\n{LINES}\r\n")).await;
    client.expect(format!("{SWITCH}\u{1}hello")).await;
    for round in 0..3 {
        let frame = vec![round; 100_000];
        client.send(&frame).await;
        client.expect(&frame).await;
    }
    let head = text(&side.node.received("p").await.head);
    assert_eq!(head, format!("GET /ws HTTP/1.1\r\n{LINES}{ADDED}\r\n"));
    // Each side may end its half.
    client.send("last").await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.rest().await, ("last".to_owned(), true));
    side.node.left("p").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_may_refuse_an_upgrade() {
    let side = Sidecar::start(&[]).await;
    let refusal = "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno";
    side.node.plan("p", Plan::bytes(refusal));
    let mut client = side.connect().await;
    for _ in 0..2 {
        client.send(format!("GET /ws HTTP/1.1\r\n{LINES}\r\n")).await;
        client.expect(refusal).await;
    }
}
