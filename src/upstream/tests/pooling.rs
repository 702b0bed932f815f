//! Reuse of connections, and its limits.

use rstest::rstest;
use tokio::sync::mpsc;

use super::*;
use crate::upstream::SendErrorKind;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn exchange(sender: &HttpSender, peer: &Peer) -> Vec<u8> {
    let response = sender.send(post(&peer.url(), b"{}")).await.unwrap();
    let (bytes, error) = drain(response).await;
    assert!(error.is_none());
    bytes
}

#[tokio::test]
async fn a_read_answer_frees_its_connection() {
    let (sender, peer) = (sender(), Peer::answering(OK).await);
    for _ in 0..5 {
        assert_eq!(exchange(&sender, &peer).await, b"ok");
    }
    assert_eq!((peer.accepted(), sender.idle_connections()), (1, 1));
}

#[tokio::test]
async fn answers_without_a_body_free_it_too() {
    let (sender, peer) = (sender(), Peer::answering("HTTP/1.1 204 No Content\r\n\r\n").await);
    exchange(&sender, &peer).await;
    exchange(&sender, &peer).await;
    assert_eq!(peer.accepted(), 1);
}

#[tokio::test]
async fn chunked_answers_free_it_too() {
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let (sender, peer) = (sender(), Peer::answering(answer).await);
    exchange(&sender, &peer).await;
    exchange(&sender, &peer).await;
    assert_eq!(peer.accepted(), 1);
}

#[rstest]
#[case::by_length("content-length: 2\r\n\r\nok")]
#[case::by_last_chunk("transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")]
#[tokio::test]
async fn a_reader_need_not_ask_for_the_end(#[case] answer: &str) {
    let peer = Peer::answering(format!("HTTP/1.1 200 OK\r\n{answer}")).await;
    let sender = sender();
    let mut response = sender.send(post(&peer.url(), b"{}")).await.unwrap();
    assert_eq!(response.body.next().await.unwrap().unwrap(), "ok");
    drop(response);
    assert_eq!(sender.idle_connections(), 1);
}

#[tokio::test]
async fn a_closing_answer_does_not() {
    let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
    let (sender, peer) = (sender(), Peer::answering(answer).await);
    exchange(&sender, &peer).await;
    assert_eq!(sender.idle_connections(), 0);
}

#[tokio::test]
async fn dropping_the_body_closes_the_connection_at_once() {
    let (closed, mut notice) = mpsc::channel(1);
    let peer = Peer::start(move |_, mut stream| {
        let closed = closed.clone();
        async move {
            read_request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n").await.unwrap();
            let end = stream.read(&mut [0; 1]).await;
            let _ = closed.send(matches!(end, Ok(0) | Err(_))).await;
        }
    })
    .await;
    let sender = sender();
    let mut response = sender.send(post(&peer.url(), b"{}")).await.unwrap();
    assert_eq!(response.body.next().await.unwrap().unwrap(), "data: 1\n\n");
    drop(response);
    assert_eq!(notice.recv().await, Some(true));
    assert_eq!(sender.idle_connections(), 0);
}

#[tokio::test]
async fn giving_up_the_wait_closes_the_connection_at_once() {
    let (seen, mut notice) = mpsc::channel(2);
    let peer = Peer::start(move |_, mut stream| {
        let seen = seen.clone();
        async move {
            read_request(&mut stream).await;
            seen.send("request").await.unwrap();
            let _ = stream.read(&mut [0; 1]).await;
            seen.send("closed").await.unwrap();
        }
    })
    .await;
    let sender = sender();
    let mut waiting = sender.send(post(&peer.url(), b"{}"));
    tokio::select! {
        _ = &mut waiting => panic!("nothing was answered"),
        first = notice.recv() => assert_eq!(first, Some("request")),
    }
    drop(waiting);
    assert_eq!(notice.recv().await, Some("closed"));
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced() {
    let peer = Peer::answering_once(OK).await;
    let sender = sender();
    assert_eq!(exchange(&sender, &peer).await, b"ok");
    assert_eq!(exchange(&sender, &peer).await, b"ok");
    assert_eq!(peer.accepted(), 2);
}

#[tokio::test]
async fn a_connection_closed_under_the_request_is_not_tried_again() {
    // The first connection answers once and hangs up on its second request.
    let peer = Peer::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
        read_request(&mut stream).await;
    })
    .await;
    let sender = sender();
    assert_eq!(exchange(&sender, &peer).await, b"ok");
    let error = sender.send(post(&peer.url(), b"{}")).await.err().unwrap();
    assert_eq!((error.kind, error.message.as_str()), (SendErrorKind::Reset, "socket hang up"));
    assert_eq!(peer.accepted(), 1);
}

#[tokio::test]
async fn idle_connections_are_bounded_in_number() {
    let peer = Peer::answering(OK).await;
    let settings = SenderSettings { max_idle: 2, ..SenderSettings::default() };
    let sender = HttpSender::new(settings).unwrap();
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(sender.send(post(&peer.url(), b"{}")).await.unwrap());
    }
    for response in open {
        drain(response).await;
    }
    assert_eq!((peer.accepted(), sender.idle_connections()), (4, 2));
}

#[tokio::test]
async fn idle_connections_are_bounded_in_age() {
    let answer = "HTTP/1.1 200 OK\r\nkeep-alive: timeout=0\r\ncontent-length: 2\r\n\r\nok";
    let (sender, peer) = (sender(), Peer::answering(answer).await);
    exchange(&sender, &peer).await;
    exchange(&sender, &peer).await;
    assert_eq!(peer.accepted(), 2, "the peer's own limit counts");
    sender.close_expired();
    assert_eq!(sender.idle_connections(), 0);
}

#[tokio::test]
async fn open_connections_are_bounded_and_idle_ones_make_room() {
    let (one, two) = (Peer::answering(OK).await, Peer::answering(OK).await);
    let settings = SenderSettings { max_connections: 1, ..SenderSettings::default() };
    let sender = HttpSender::new(settings).unwrap();
    exchange(&sender, &one).await;
    exchange(&sender, &two).await;
    let held = sender.send(post(&one.url(), b"{}")).await.unwrap();
    let request =
        UpstreamRequest { idle_timeout: Duration::from_millis(50), ..post(&two.url(), b"{}") };
    assert_eq!(sender.send(request).await.err().unwrap().kind, SendErrorKind::IdleTimeout);
    drain(held).await;
    exchange(&sender, &two).await;
}
