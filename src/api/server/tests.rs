//! Tests of the listener over real sockets.

use std::convert::Infallible;

use axum::{Router, body::Body, extract::Request as AxumRequest, http::Response, routing::get};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    task::JoinHandle,
};

use super::*;
use crate::api::middleware::{Arrival, Cors, FrontSettings, answer};

struct Running {
    address: SocketAddr,
    shutdown: Shutdown,
    served: JoinHandle<()>,
    events: mpsc::Sender<Result<Bytes, Infallible>>,
}

async fn start(max_connections: u32, drain: Duration) -> Running {
    let (events, stream) = mpsc::channel::<Result<Bytes, Infallible>>(4);
    let stream = Arc::new(parking_lot::Mutex::new(Some(stream)));
    let shutdown = Shutdown::default();
    let cut = shutdown.cut.clone();
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route(
            "/stream",
            get(move || async move {
                let mut events = stream.lock().take().unwrap();
                let events = futures_util::stream::poll_fn(move |cx| events.poll_recv(cx));
                Response::new(Body::from_stream(futures_util::StreamExt::take_until(
                    events,
                    cut.cancelled_owned(),
                )))
            }),
        )
        .fallback(|request: AxumRequest| async move {
            answer::not_found(&request.extensions().get::<Arrival>().unwrap().original_url, "now")
        });
    let front = Front::new(
        FrontSettings {
            cors: Cors::BuiltIn,
            request_max_mib: None,
            development: false,
            trust_proxy: false,
            browser_rewrite: |_| false,
            now: Arc::new(|| 0),
        },
        router,
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits { max_connections, drain };
    let served = tokio::spawn(run(listener, front, shutdown.clone(), limits));
    Running { address, shutdown, served, events }
}

/// Sends `request` and reads until the server closes or `until` is seen.
async fn exchange(stream: &mut TcpStream, request: &str, until: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).await.unwrap();
        seen.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&seen);
        if n == 0 || (!until.is_empty() && text.contains(until)) {
            return text.into_owned();
        }
    }
}

#[tokio::test]
async fn connections_are_kept_and_names_are_title_cased() {
    let running = start(10, Duration::from_secs(5)).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    for _ in 0..2 {
        let seen = exchange(&mut stream, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "hello").await;
        assert!(seen.starts_with("HTTP/1.1 200 OK\r\nCross-Origin-Opener-Policy: same-origin\r\n"));
        assert!(
            seen.contains("\r\nConnection: keep-alive\r\nKeep-Alive: timeout=605\r\n"),
            "{seen}"
        );
    }
    let seen =
        exchange(&mut stream, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "").await;
    assert!(seen.contains("\r\nConnection: close\r\n"), "{seen}");
}

#[tokio::test]
async fn oversized_and_broken_heads_are_refused() {
    let running = start(10, Duration::from_secs(5)).await;
    for (head, status) in [
        (format!("GET / HTTP/1.1\r\nHost: h\r\nX-A: {}\r\n\r\n", "a".repeat(16_500)), "431"),
        (format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(17_000)), "4"),
        ("garbage\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nHost: h\r\nX-A : b\r\n\r\n".to_owned(), "400"),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
                .to_owned(),
            "400",
        ),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n".to_owned(), "400"),
    ] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let seen = exchange(&mut stream, &head, "").await;
        assert!(
            seen.starts_with(&format!("HTTP/1.1 {status}")),
            "{:?}: {seen}",
            &head[..40.min(head.len())]
        );
    }
}

#[tokio::test]
async fn stopping_lets_streams_finish_and_takes_no_more() {
    let running = start(10, Duration::from_secs(30)).await;
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    exchange(&mut idle, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "hello").await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    running.events.send(Ok(Bytes::from_static(b"one"))).await.unwrap();
    exchange(&mut stream, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n", "one").await;

    running.shutdown.stop.cancel();
    assert_eq!(idle.read(&mut [0; 16]).await.unwrap(), 0, "idle connections close");
    running.events.send(Ok(Bytes::from_static(b"two"))).await.unwrap();
    let seen = exchange(&mut stream, "", "two").await;
    assert!(seen.contains("two"));
    drop(running.events);
    assert!(exchange(&mut stream, "", "").await.ends_with("0\r\n\r\n"));
    running.served.await.unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn after_the_drain_time_streams_are_cut() {
    let running = start(10, Duration::ZERO).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    running.events.send(Ok(Bytes::from_static(b"one"))).await.unwrap();
    exchange(&mut stream, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n", "one").await;
    running.shutdown.stop.cancel();
    assert!(exchange(&mut stream, "", "").await.ends_with("0\r\n\r\n"));
    running.served.await.unwrap();
}

#[tokio::test]
async fn connections_beyond_the_bound_wait() {
    let running = start(1, Duration::from_secs(5)).await;
    let mut first = TcpStream::connect(running.address).await.unwrap();
    exchange(&mut first, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "hello").await;
    let mut second = TcpStream::connect(running.address).await.unwrap();
    second.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    assert!(second.try_read(&mut [0; 16]).is_err(), "not accepted yet");
    drop(first);
    assert!(exchange(&mut second, "", "hello").await.contains("hello"));
}

#[tokio::test]
async fn a_late_head_is_told_so() {
    let running = start(1, Duration::from_secs(5)).await;
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(b"GET / HT").await.unwrap();
    // Let the server read before the clock leaps.
    for _ in 0..200 {
        tokio::task::yield_now().await;
        std::thread::sleep(Duration::from_millis(1));
    }
    tokio::time::pause();
    let mut seen = String::new();
    client.read_to_string(&mut seen).await.unwrap_or_default();
    assert!(seen.starts_with("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"), "{seen:?}");
}
