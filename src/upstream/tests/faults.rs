//! Peers that fail in every way we know.

use rstest::rstest;

use super::*;
use crate::upstream::SendErrorKind;

#[rstest]
#[case::mid_event(
    "content-length: 500\r\n\r\nevent: message_start\ndata: {\"type\":\"mess",
    "event: message_start\ndata: {\"type\":\"mess"
)]
#[case::mid_chunk("transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n10\r\nwor", "hellowor")]
#[case::mid_chunk_header("transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1", "hello")]
#[case::before_last_chunk("transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", "hello")]
#[case::nothing_of_a_promised_body("content-length: 5\r\n\r\n", "")]
#[tokio::test]
async fn a_cut_body_gives_what_came_and_then_aborted(#[case] answer: &str, #[case] came: &str) {
    let peer = Peer::answering_once(format!("HTTP/1.1 200 OK\r\n{answer}")).await;
    let (bytes, error) = drain(get(&peer.url()).await.unwrap()).await;
    assert_eq!(String::from_utf8(bytes).unwrap(), came);
    let error = error.unwrap();
    assert_eq!(
        (error.kind, error.message.as_str(), error.code),
        (SendErrorKind::Reset, "aborted", Some("ECONNRESET"))
    );
}

#[tokio::test]
async fn a_cut_within_a_character_hands_on_the_bytes() {
    let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".to_vec();
    answer.extend_from_slice(&"\u{4e2d}\u{6587}".as_bytes()[..4]);
    let peer = Peer::answering_once(answer).await;
    let (bytes, error) = drain(get(&peer.url()).await.unwrap()).await;
    assert_eq!(bytes, &"\u{4e2d}\u{6587}".as_bytes()[..4]);
    assert!(error.is_some());
}

#[tokio::test]
async fn without_a_length_the_end_of_the_connection_is_the_end() {
    let peer = Peer::answering_once("HTTP/1.1 200 OK\r\n\r\ndata: x\n\n").await;
    let (bytes, error) = drain(get(&peer.url()).await.unwrap()).await;
    assert_eq!(bytes, b"data: x\n\n");
    assert!(error.is_none());
}

#[tokio::test]
async fn a_body_longer_than_its_length_is_cut_there() {
    let sender = sender();
    let peer = Peer::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokEXTRA").await;
    for _ in 0..2 {
        let response = sender.send(post(&peer.url(), b"{}")).await.unwrap();
        assert_eq!(drain(response).await.0, b"ok");
    }
    assert_eq!(peer.accepted(), 2, "the rest must not be read as the next answer");
}

#[rstest]
#[case::not_http("SSH-2.0-OpenSSH_9.2\r\n\r\n", "Parse Error: Expected HTTP/")]
#[case::bad_status("HTTP/1.1 abc OK\r\n\r\n", "Parse Error: Expected HTTP/")]
#[case::two_lengths(
    "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "Parse Error: Expected HTTP/"
)]
#[tokio::test]
async fn garbage_is_a_parse_error(#[case] answer: &str, #[case] message: &str) {
    let peer = Peer::answering_once(answer).await;
    let error = failure(&peer.url()).await;
    assert_eq!((error.kind, error.message.as_str()), (SendErrorKind::Protocol, message));
}

#[tokio::test]
async fn a_broken_chunk_size_is_a_parse_error() {
    let peer = Peer::answering_once(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n",
    )
    .await;
    let (bytes, error) = drain(get(&peer.url()).await.unwrap()).await;
    assert_eq!(bytes, b"ok");
    let error = error.unwrap();
    assert_eq!(error.kind, SendErrorKind::Protocol);
    assert_eq!(error.code, Some("HPE_INVALID_CHUNK_SIZE"));
}

#[rstest]
#[case::one_huge(1, 20_000)]
#[case::many(1_000, 10)]
#[tokio::test]
async fn an_endless_head_is_refused(#[case] count: usize, #[case] size: usize) {
    let headers: String = (0..count).map(|n| format!("x-{n}: {}\r\n", "v".repeat(size))).collect();
    let peer = Peer::start(move |_, mut stream| {
        let answer = format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n");
        async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.read(&mut [0; 1]).await;
        }
    })
    .await;
    let error = failure(&peer.url()).await;
    assert_eq!(error.kind, SendErrorKind::Protocol);
    assert_eq!(error.code, Some("HPE_HEADER_OVERFLOW"));
}

#[tokio::test]
async fn two_hundred_headers_are_fine() {
    let headers: String = (0..200).map(|n| format!("x-{n}: v\r\n")).collect();
    let peer =
        Peer::answering(format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n")).await;
    assert_eq!(get(&peer.url()).await.unwrap().headers.len(), 201);
}

#[tokio::test]
async fn informational_answers_are_passed_over() {
    let peer = Peer::answering(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n\
         HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    let response = get(&peer.url()).await.unwrap();
    assert_eq!(response.status, 200);
    assert!(response.headers.get("link").is_none());
    assert_eq!(drain(response).await.0, b"ok");
}

#[rstest]
#[case::at_once("")]
#[case::within_the_head("HTTP/1.1 200 OK\r\nx: ")]
#[tokio::test]
async fn a_close_before_the_head_is_a_hang_up(#[case] answer: &str) {
    let peer = Peer::answering_once(answer).await;
    let error = failure(&peer.url()).await;
    assert_eq!(
        (error.kind, error.message.as_str(), error.code),
        (SendErrorKind::Reset, "socket hang up", Some("ECONNRESET"))
    );
}

#[tokio::test]
async fn a_reset_is_told_as_such() {
    let peer = Peer::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    let error = failure(&peer.url()).await;
    assert_eq!(
        (error.kind, error.message.as_str(), error.code),
        (SendErrorKind::Reset, "read ECONNRESET", Some("ECONNRESET"))
    );
}

#[tokio::test]
async fn refusals_name_the_address() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = failure(&format!("http://127.0.0.1:{port}/")).await;
    assert_eq!(error.kind, SendErrorKind::Refused);
    assert_eq!(error.message, format!("connect ECONNREFUSED 127.0.0.1:{port}"));
}

#[tokio::test]
async fn unknown_names_are_dns_failures() {
    let error = failure("http://no-such-host.invalid/").await;
    assert_eq!(error.kind, SendErrorKind::Dns);
    // Which of the two depends on the machine's resolver.
    let code = error.code.unwrap();
    assert!(matches!(code, "ENOTFOUND" | "EAI_AGAIN"), "{code}");
    assert_eq!(error.message, format!("getaddrinfo {code} no-such-host.invalid"));
}

#[tokio::test]
async fn silence_before_the_head_is_an_idle_timeout() {
    let peer = Peer::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let request =
        UpstreamRequest { idle_timeout: Duration::from_millis(50), ..post(&peer.url(), b"{}") };
    let error = sender().send(request).await.err().unwrap();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (SendErrorKind::IdleTimeout, "Request timeout")
    );
}

#[tokio::test]
async fn silence_within_the_body_is_an_idle_timeout() {
    let peer = Peer::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n").await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let request =
        UpstreamRequest { idle_timeout: Duration::from_millis(50), ..post(&peer.url(), b"{}") };
    let (bytes, error) = drain(sender().send(request).await.unwrap()).await;
    assert_eq!(bytes, b"data: 1\n\n");
    assert_eq!(error.unwrap().kind, SendErrorKind::IdleTimeout);
}

#[tokio::test]
async fn an_early_answer_is_read_while_the_body_is_still_going_out() {
    let peer = Peer::start(|_, mut stream| async move {
        let mut start = [0; 1024];
        stream.read_exact(&mut start).await.unwrap();
        stream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig").await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    let response = sender().send(post(&peer.url(), &vec![b'x'; 4_000_000])).await.unwrap();
    assert_eq!(response.status, 413);
    assert_eq!(drain(response).await.0, b"big");
}
