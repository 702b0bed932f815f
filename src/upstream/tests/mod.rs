//! The sender against scripted peers on real sockets.

mod decoding;
mod faults;
mod pooling;
mod proxies;
mod wire;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{HttpSender, SendError, Sender, SenderSettings, UpstreamRequest, UpstreamResponse};
use crate::domain::HeaderList;

/// A listener that runs `script` for each connection, with the connection's number. Stops when dropped.
struct Peer {
    port: u16,
    accepted: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Peer {
    async fn start<F, Fut>(script: F) -> Self
    where
        F: Fn(usize, TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst);
                connections.spawn(script(number, stream));
            }
        });
        Self { port, accepted, _tasks: tasks }
    }

    /// Answers every request on every connection with the same bytes and keeps the connection open.
    async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<Vec<u8>> = Arc::new(answer.into());
        Self::start(move |_, mut stream| {
            let answer = answer.clone();
            async move {
                while read_request(&mut stream).await.is_some() {
                    stream.write_all(&answer).await.unwrap();
                }
            }
        })
        .await
    }

    /// Answers one request per connection with these bytes and closes.
    async fn answering_once(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<Vec<u8>> = Arc::new(answer.into());
        Self::start(move |_, mut stream| {
            let answer = answer.clone();
            async move {
                read_request(&mut stream).await;
                stream.write_all(&answer).await.unwrap();
                stream.shutdown().await.unwrap();
                // Until the other side is done, so that no reset overtakes the bytes.
                let _ = stream.read(&mut [0; 1]).await;
            }
        })
        .await
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1/messages", self.port)
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// One request's head and body, or `None` when the connection ended first.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head: String = bytes[..end].iter().map(|byte| char::from(*byte)).collect();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.parse().unwrap());
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, bytes[end..].to_vec()))
}

fn sender() -> HttpSender {
    HttpSender::new(SenderSettings::default()).unwrap()
}

fn post(url: &str, body: &[u8]) -> UpstreamRequest {
    let length = body.len().to_string();
    let headers = [("Host", "api.anthropic.com"), ("Content-Length", length.as_str())];
    UpstreamRequest {
        method: http::Method::POST,
        url: url.to_owned(),
        headers: headers.into_iter().collect::<HeaderList>(),
        body: Bytes::copy_from_slice(body),
        proxy: None,
        idle_timeout: Duration::from_secs(20),
        decode_body: false,
    }
}

async fn get(url: &str) -> Result<UpstreamResponse, SendError> {
    sender().send(post(url, b"{}")).await
}

/// The body's bytes up to its end or first error.
async fn drain(mut response: UpstreamResponse) -> (Vec<u8>, Option<SendError>) {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.body.next().await {
        match chunk {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(error) => return (bytes, Some(error)),
        }
    }
    (bytes, None)
}

/// The error of an exchange that must fail before its head.
async fn failure(url: &str) -> SendError {
    match get(url).await {
        Ok(response) => panic!("answered with {}", response.status),
        Err(error) => error,
    }
}
