//! Either side leaves in the middle.

use super::{
    Sidecar, failure,
    node::{Plan, Step, Then},
};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";

fn get(plan: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: h\r\nX-Plan: {plan}\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn node_sees_a_client_leave_a_stream() {
    let side = Sidecar::start(&[]).await;
    side.node.plan("p", Plan::steps(vec![Step::Send(CHUNKED.into()), Step::Gate]));
    let mut client = side.connect().await;
    client.send(get("p")).await;
    client.expect(CHUNKED).await;
    assert!(!side.node.has_left("p"));
    drop(client);
    side.node.left("p").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_sees_a_client_leave_before_the_answer() {
    let side = Sidecar::start(&[]).await;
    side.node.plan("p", Plan::steps(vec![Step::Gate]));
    let mut client = side.connect().await;
    client.send(get("p")).await;
    side.node.received("p").await;
    client.stream.set_zero_linger().unwrap();
    drop(client);
    side.node.left("p").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_sees_a_client_leave_its_own_request() {
    let side = Sidecar::start(&[]).await;
    side.node.plan("p", Plan::bytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let mut client = side.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: h\r\nX-Plan: p\r\nContent-Length: 9\r\n\r\nabc").await;
    crate::place::until("the piece", async || side.node.body_bytes() == 3).await;
    drop(client);
    side.node.left("p").await;
    assert!(side.node.find("p").is_none(), "the request never was complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_sending_may_read_on() {
    use tokio::io::AsyncWriteExt;
    let side = Sidecar::start(&[]).await;
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    // Node is told, and this one does not mind.
    side.node.plan("p", Plan::bytes(answer).then(Then::Close));
    let mut client = side.connect().await;
    client.send(get("p")).await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.rest().await, (answer.to_owned(), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_answer_is_cut_for_the_client() {
    let side = Sidecar::start(&[]).await;
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc";
    let endless = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc";
    // What was received before a reset may be lost on the way, so the test waits for it.
    for (sent, then) in [
        (CHUNKED, Then::Close),
        (CHUNKED, Then::Reset),
        (long, Then::Close),
        (long, Then::Reset),
        (endless, Then::Reset),
    ] {
        let plan = Plan::steps(vec![Step::Send(sent.into()), Step::Gate]).then(then);
        side.node.plan("p", plan);
        let mut client = side.connect().await;
        client.send(get("p")).await;
        client.expect(sent).await;
        side.node.open();
        let (rest, proper) = client.rest().await;
        assert_eq!((rest.as_str(), proper), ("", then == Then::Close), "{sent} {then:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_after_the_client_is_gone_is_the_clients_leaving() {
    use tokio::io::AsyncWriteExt;
    let side = Sidecar::start(&[]).await;
    let plan = Plan::steps(vec![Step::Send(CHUNKED.into()), Step::Gate]).then(Then::Close);
    side.node.plan("p", plan);
    let mut client = side.connect().await;
    client.send(get("p")).await;
    client.expect(CHUNKED).await;
    client.stream.shutdown().await.unwrap();
    side.node.left("p").await;
    side.node.open();
    client.rest().await;
    crate::place::until("the leaving to be counted", async || {
        let (_, metrics) = failure::get(&side, "/crs/metrics").await;
        metrics.contains("crs_forward_client_left_total 1\n")
    })
    .await;
}
