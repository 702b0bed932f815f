//! What passes, byte for byte, and when.

use std::time::Duration;

use super::{
    ADDED, Sidecar, Wire,
    node::{Plan, Step, Then},
    text,
};

#[tokio::test(flavor = "multi_thread")]
async fn heads_keep_spelling_order_and_repetition() {
    let side = Sidecar::start(&[]).await;
    let answer = "HTTP/1.1 299 Not quite usual\r\nset-Cookie: a=1\r\nX-B:  2\t\r\nSET-COOKIE: b=2\r\n\
                  X-RateLimit-ID: \u{fc}\r\nset-Cookie: a=3\r\nContent-Length: 2\r\nx-b: \r\n\r\nok";
    side.node.plan("p", Plan::bytes(answer));
    let mut client = side.connect().await;
    let lines = "hOSt: h\r\nX-Plan: p\r\naccept:*/*\r\nX-Dup: 1\r\nOther: \u{e9}\r\nx-dup: 2\r\n\
                 Connection: keep-alive\r\nContent-Length: 4\r\n";
    for target in ["/a%2Fb//c/../d?x=%20&y=[1]#f", "http://h/absolute", "*", "/%zz"] {
        client.send(format!("OPTIONS {target} HTTP/1.1\r\n{lines}\r\nbody")).await;
        client.expect(answer).await;
        let seen = side.node.received("p").await;
        let expected = format!("OPTIONS {target} HTTP/1.1\r\n{lines}{ADDED}\r\n");
        assert_eq!(text(&seen.head), expected);
        assert_eq!(text(&seen.body), "body");
    }
    assert!(side.node.connections() <= 2, "one connection serves them all, one the health check");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_method_passes() {
    let side = Sidecar::start(&[]).await;
    side.node.plan("p", Plan::bytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let mut client = side.connect().await;
    for method in ["GET", "PROPFIND", "M-SEARCH", "PURGE", "DELETE", "PATCH", "QUERY"] {
        client.send(format!("{method} /m HTTP/1.1\r\nHost: h\r\nX-Plan: p\r\n\r\n")).await;
        client.expect("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        let head = text(&side.node.received("p").await.head);
        assert!(head.starts_with(&format!("{method} /m HTTP/1.1\r\n")), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_piece_arrives_before_the_next_is_sent() {
    let side = Sidecar::start(&[]).await;
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-t\r\n\r\n";
    let pieces = [head, "5;e=1\r\nhe", "llo\r\n3\r", "\nabc\r\n", "0\r\nX-T: 1\r\n", "\r\n"];
    let steps = pieces.iter().flat_map(|piece| [Step::Gate, Step::Send(piece.as_bytes().into())]);
    side.node.plan("p", Plan::steps(steps.collect()));
    let mut client = side.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: h\r\nX-Plan: p\r\n\r\n").await;
    side.node.received("p").await;
    for piece in pieces {
        client.silent().await;
        side.node.open();
        client.expect(piece).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_piece_of_a_request_arrives_before_the_next_is_sent() {
    let side = Sidecar::start(&[]).await;
    side.node.plan("p", Plan::bytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let mut client = side.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: h\r\nX-Plan: p\r\nContent-Length: 30\r\n\r\n").await;
    for n in 1..=3 {
        client.send("0123456789").await;
        crate::place::until("the piece", async || side.node.body_bytes() == n * 10).await;
    }
    client.expect("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interim_answers_pass() {
    let side = Sidecar::start(&[]).await;
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
                  HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!";
    side.node.plan("p", Plan::bytes(answer));
    let mut client = side.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: h\r\nX-Plan: p\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    client.send(head).await;
    client.expect("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.send("ab").await;
    client.expect(answer).await;
    assert!(text(&side.node.received("p").await.head).contains("Expect: 100-continue\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_bodies_end_with_their_heads() {
    let side = Sidecar::start(&[]).await;
    let cases = [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: W/\"x\"\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ];
    let mut client = side.connect().await;
    for (method, answer) in cases {
        side.node.plan("p", Plan::bytes(answer));
        client.send(format!("{method} / HTTP/1.1\r\nHost: h\r\nX-Plan: p\r\n\r\n")).await;
        client.expect(answer).await;
        client.silent().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_connection_can_be_the_end_of_an_answer() {
    let side = Sidecar::start(&[]).await;
    let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end";
    side.node.plan("p", Plan::bytes(answer).then(Then::Close));
    let mut client = side.connect().await;
    client.send("GET / HTTP/1.0\r\nX-Plan: p\r\n\r\n").await;
    assert_eq!(client.rest().await, (answer.to_owned(), true));
    let head = text(&side.node.received("p").await.head);
    assert!(head.starts_with("GET / HTTP/1.0\r\nX-Plan: p\r\nX-Forwarded-For: "), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_their_order() {
    let side = Sidecar::start(&[]).await;
    for n in 0..5 {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{n}");
        let steps = vec![Step::Wait(Duration::from_millis(20)), Step::Send(answer.into())];
        side.node.plan(&n.to_string(), Plan::steps(steps));
    }
    let mut client = side.connect().await;
    let all: String = (0..5)
        .map(|n| {
            let body = "x".repeat(n);
            format!(
                "POST / HTTP/1.1\r\nHost: h\r\nX-Plan: {n}\r\nContent-Length: {n}\r\n\r\n{body}"
            )
        })
        .collect();
    client.send(all).await;
    for n in 0..5 {
        client.expect(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{n}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_may_come_before_the_request_is_complete() {
    let side = Sidecar::start(&[]).await;
    let answer = "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 2\r\n\r\nno";
    side.node.plan("early", Plan::bytes(answer).early());
    side.node.plan("next", Plan::bytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let mut client = side.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: h\r\nX-Plan: early\r\nContent-Length: 6\r\n\r\n";
    client.send(head).await;
    client.expect(answer).await;
    client.send("foobar").await;
    client.send("GET / HTTP/1.1\r\nHost: h\r\nX-Plan: next\r\n\r\n").await;
    client.expect("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(text(&side.node.received("early").await.body), "foobar");

    // Node that hangs up after its answer takes the client's connection along.
    side.node.plan("rude", Plan::bytes(answer).early().then(Then::Close));
    let mut client = side.connect().await;
    client.send(head.replace("early", "rude")).await;
    client.send("foo").await;
    assert_eq!(client.rest().await.0, answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn own_paths_stay_here_on_the_same_connection() {
    let side = Sidecar::start(&[]).await;
    side.node.plan("p", Plan::bytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let mut client = side.connect().await;
    let legacy = "POST /x HTTP/1.1\r\nHost: h\r\nX-Plan: p\r\nContent-Length: 3\r\n\r\nabc";
    let own = "POST /crs/nothing HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    // All at once, so that each side must stop exactly where the other's requests begin.
    client.send([legacy, own, own, legacy, legacy, own].concat()).await;
    for kind in ["legacy", "own", "own", "legacy", "legacy", "own"] {
        if kind == "legacy" {
            client.expect("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            continue;
        }
        client.expect("HTTP/1.1 404 Not Found\r\n").await;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push_str(&text(&client.exactly(1).await));
        }
        let length = head.to_lowercase();
        let length = length.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap();
        let body = text(&client.exactly(length.parse().unwrap()).await);
        assert!(body.contains("Route /crs/nothing not found"), "{body}");
    }
    client.silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_names_the_client() {
    let side = Sidecar::start(&[("TRUST_PROXY", "true")]).await;
    side.node.plan("p", Plan::bytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let mut client = side.connect().await;
    let lines =
        "Host: h\r\nX-Plan: p\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2\r\nX-Forwarded-Proto: https\r\n";
    client.send(format!("GET / HTTP/1.1\r\n{lines}\r\n")).await;
    client.expect("HTTP/1.1 200 OK\r\n").await;
    let head = text(&side.node.received("p").await.head);
    assert_eq!(head, format!("GET / HTTP/1.1\r\n{lines}X-Forwarded-Host: h\r\n\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_is_never_held() {
    let side = Sidecar::start(&[]).await;
    side.node.plan("p", Plan::bytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let before = resident(side.crs.pid());
    let mut client = Wire::connect(side.crs.port).await;
    let length = 200 << 20;
    let head =
        format!("PUT / HTTP/1.1\r\nHost: h\r\nX-Plan: p\r\nContent-Length: {length}\r\n\r\n");
    client.send(head).await;
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..200 {
        client.send(&piece).await;
    }
    client.expect("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(side.node.body_bytes(), length);
    let grown = resident(side.crs.pid()).saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB more");
}

/// Resident memory in KiB.
fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
