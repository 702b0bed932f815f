//! Encoded bodies.

use async_compression::tokio::write::{
    BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder,
};
use rstest::rstest;
use tokio::io::AsyncWrite;

use super::*;
use crate::upstream::SendErrorKind;

const TEXT: &str = "event: message_start\ndata: {\"type\":\"message_start\"}\n\n";

macro_rules! encoded {
    ($encoder:ident) => {{
        let mut encoder = $encoder::new(Vec::new());
        encoder.write_all(TEXT.as_bytes()).await.unwrap();
        finish(&mut encoder).await;
        encoder.into_inner()
    }};
}

async fn finish(encoder: &mut (impl AsyncWrite + Unpin)) {
    encoder.shutdown().await.unwrap();
}

async fn encode(coding: &str) -> Vec<u8> {
    match coding {
        "gzip" => encoded!(GzipEncoder),
        "zlib" => encoded!(ZlibEncoder),
        "raw" => encoded!(DeflateEncoder),
        "br" => encoded!(BrotliEncoder),
        "zstd" => encoded!(ZstdEncoder),
        _ => TEXT.as_bytes().to_vec(),
    }
}

/// An answer whose body arrives one byte per write.
async fn peer(header: &str, body: Vec<u8>) -> Peer {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: {header}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let body = Arc::new(body);
    Peer::start(move |_, mut stream| {
        let (head, body) = (head.clone(), body.clone());
        async move {
            read_request(&mut stream).await;
            stream.set_nodelay(true).unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            for byte in body.iter() {
                stream.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            let _ = stream.read(&mut [0; 1]).await;
        }
    })
    .await
}

async fn decoded(peer: &Peer) -> UpstreamResponse {
    let request = UpstreamRequest { decode_body: true, ..post(&peer.url(), b"{}") };
    sender().send(request).await.unwrap()
}

#[rstest]
#[case("gzip", "gzip")]
#[case("X-GZIP", "gzip")]
#[case("gzip", "zlib")]
#[case("deflate", "zlib")]
#[case("deflate", "raw")]
#[case("br", "br")]
#[case("zstd", "zstd")]
#[tokio::test]
async fn codings_are_undone(#[case] header: &str, #[case] coding: &str) {
    let peer = peer(header, encode(coding).await).await;
    let response = decoded(&peer).await;
    assert!(response.headers.get("content-encoding").is_none());
    let (bytes, error) = drain(response).await;
    assert_eq!(String::from_utf8(bytes).unwrap(), TEXT);
    assert!(error.is_none());
}

#[tokio::test]
async fn unknown_codings_and_unasked_decoding_leave_the_body() {
    let unknown = peer("identity", encode("none").await).await;
    let response = decoded(&unknown).await;
    assert_eq!(response.headers.get("content-encoding"), Some("identity"));
    assert_eq!(drain(response).await.0, TEXT.as_bytes());

    let gzip = encode("gzip").await;
    let unasked = peer("gzip", gzip.clone()).await;
    assert_eq!(drain(get(&unasked.url()).await.unwrap()).await.0, gzip);
}

#[tokio::test]
async fn a_coding_cut_short_ends_without_an_error() {
    let mut gzip = encode("gzip").await;
    gzip.truncate(gzip.len() - 8);
    let peer = peer("gzip", gzip).await;
    let (bytes, error) = drain(decoded(&peer).await).await;
    assert_eq!(String::from_utf8(bytes).unwrap(), TEXT);
    assert!(error.is_none(), "{error:?}");
}

#[tokio::test]
async fn a_broken_coding_is_a_protocol_error() {
    let peer = peer("gzip", b"plain text".to_vec()).await;
    let (_, error) = drain(decoded(&peer).await).await;
    assert_eq!(error.unwrap().kind, SendErrorKind::Protocol);
}

#[tokio::test]
async fn a_cut_connection_is_still_told() {
    let gzip = encode("gzip").await;
    let mut answer =
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 999\r\n\r\n".to_vec();
    answer.extend_from_slice(&gzip[..20]);
    let peer = Peer::answering_once(answer).await;
    let (_, error) = drain(decoded(&peer).await).await;
    assert_eq!(error.unwrap().message, "aborted");
}

#[tokio::test]
async fn a_flushed_event_is_handed_on_before_the_next() {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(TEXT.as_bytes()).await.unwrap();
    encoder.flush().await.unwrap();
    let first = encoder.get_ref().clone();
    let peer = Peer::start(move |_, mut stream| {
        let first = first.clone();
        async move {
            read_request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n").await.unwrap();
            stream.write_all(&first).await.unwrap();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let mut response = decoded(&peer).await;
    let mut text = Vec::new();
    while text.len() < TEXT.len() {
        text.extend_from_slice(&response.body.next().await.unwrap().unwrap());
    }
    assert_eq!(text, TEXT.as_bytes());
}
