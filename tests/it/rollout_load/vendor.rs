//! A vendor with two doors, one for Node and one for crs, that counts what comes through each; held
//! streams tick until they are let go.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

use crate::{
    harness::http::{Framing, Reader},
    vendor::{DELTA, START, STOP},
};

/// A message with this text is held.
pub const HOLD: &str = "hold this one";
/// A message with this text is refused.
pub const REFUSE: &str = "refuse this one";
/// A message with this text is answered with counts of the prompt cache.
pub const CACHE: &str = "answer from the cache";
/// Between two events of a held stream.
const TICK: Duration = Duration::from_millis(400);
const JSON: &str = r#"{"id":"m","type":"message","role":"assistant","model":"claude-sonnet-4-20250514","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":11,"output_tokens":7}}"#;
const CACHED: &str = r#"{"id":"m","type":"message","role":"assistant","model":"claude-sonnet-4-20250514","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":12,"output_tokens":9,"cache_creation_input_tokens":70,"cache_read_input_tokens":500,"cache_creation":{"ephemeral_5m_input_tokens":30,"ephemeral_1h_input_tokens":40}}}"#;
const REFUSAL: &str = r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages: at least one message is required"}}"#;
const COUNT: &str = r#"{"input_tokens":11}"#;

#[derive(Default)]
struct Counts {
    by_node: AtomicUsize,
    by_crs: AtomicUsize,
    open: AtomicUsize,
}

/// The vendor.
pub struct Vendor {
    /// Ports for Node and for crs.
    pub ports: [u16; 2],
    counts: Arc<Counts>,
    held: watch::Sender<bool>,
}

impl Vendor {
    pub async fn start() -> Self {
        let counts = Arc::new(Counts::default());
        let (held, _) = watch::channel(true);
        let mut ports = [0; 2];
        for (door, port) in ports.iter_mut().enumerate() {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            *port = listener.local_addr().unwrap().port();
            let (counts, held) = (Arc::clone(&counts), held.subscribe());
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (counts, held) = (Arc::clone(&counts), held.clone());
                    // A caller that leaves early shows in the caller's books.
                    tokio::spawn(async move { serve(stream, door, &counts, held).await });
                }
            });
        }
        Self { ports, counts, held }
    }

    /// Requests of Node and of crs so far.
    pub fn calls(&self) -> [usize; 2] {
        [self.counts.by_node.load(SeqCst), self.counts.by_crs.load(SeqCst)]
    }

    /// Held streams that are open.
    pub fn open(&self) -> usize {
        self.counts.open.load(SeqCst)
    }

    /// Lets all held streams come to their ends.
    pub fn let_go(&self) {
        self.held.send_replace(false);
    }
}

async fn serve(
    mut stream: TcpStream,
    door: usize,
    counts: &Counts,
    mut held: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.split();
    let mut reader = Reader::new(read);
    while let Some(head) = reader.head().await? {
        let body = reader.body(Framing::of_request(&head)).await?;
        let body = String::from_utf8_lossy(&body);
        if door == 0 { &counts.by_node } else { &counts.by_crs }.fetch_add(1, SeqCst);
        let whole = match &body {
            _ if head.first_line.contains("/count_tokens") => Some(("200 OK", COUNT)),
            text if text.contains(REFUSE) => Some(("400 Bad Request", REFUSAL)),
            text if text.contains("\"stream\":true") => None,
            text if text.contains(CACHE) => Some(("200 OK", CACHED)),
            _ => Some(("200 OK", JSON)),
        };
        if let Some((status, body)) = whole {
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}",
                body.len()
            );
            write.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await?;
            continue;
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        write.write_all(head.as_bytes()).await?;
        write.write_all(&chunk(START)).await?;
        if body.contains(HOLD) {
            counts.open.fetch_add(1, SeqCst);
            let mut number = 0;
            while *held.borrow() {
                write.write_all(&chunk(&tick(number))).await?;
                number += 1;
                tokio::select! {
                    () = sleep(TICK) => {}
                    _ = held.changed() => {}
                }
            }
            counts.open.fetch_sub(1, SeqCst);
        }
        let end = [chunk(DELTA), chunk(STOP), b"0\r\n\r\n".to_vec()].concat();
        write.write_all(&end).await?;
    }
    Ok(())
}

/// A text event with a number.
fn tick(number: usize) -> String {
    format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"t{number};\"}}}}\n\n"
    )
}

/// Ticks in what a client got; fails when one is missing or out of order.
pub fn ticks(body: &str) -> usize {
    let numbers = body.split("\"text\":\"t").skip(1).map(|rest| rest.split(';').next().unwrap());
    numbers
        .enumerate()
        .map(|(due, found)| assert_eq!(found, due.to_string(), "an event is missing: {body}"))
        .count()
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}
