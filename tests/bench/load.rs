//! The load generator: keep-alive HTTP/1.1 clients in a closed loop, one thread, as little work per
//! request as possible. All targets are measured by it alike.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// A load to put on one address.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where.
    pub address: SocketAddr,
    /// The complete request, as bytes.
    pub request: Bytes,
    /// Text that a good answer holds.
    pub marker: &'static [u8],
    /// Clients at once.
    pub clients: usize,
    /// Not measured.
    pub warm_up: Duration,
    /// Measured.
    pub span: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Duration in microseconds of exchanges that also began within the measured time, sorted.
    pub latencies: Vec<u32>,
    /// Exchanges that ended within the measured time.
    pub finished: u64,
    /// Failed exchanges, warm-up included.
    pub failures: u64,
    /// All answered exchanges, warm-up included.
    pub answered: u64,
    /// What a failure looked like.
    pub example: Option<String>,
    /// Measured time.
    pub span: Duration,
}

impl Outcome {
    /// Answers per second.
    pub fn rate(&self) -> f64 {
        self.finished as f64 / self.span.as_secs_f64()
    }

    /// Latency in milliseconds below which this share of the exchanges was.
    pub fn quantile(&self, share: f64) -> f64 {
        if self.latencies.is_empty() {
            return f64::NAN;
        }
        let index = ((self.latencies.len() - 1) as f64 * share).round() as usize;
        f64::from(self.latencies[index]) / 1_000.0
    }
}

/// Runs the load on a thread of its own.
pub async fn run(load: Load) -> Result<Outcome> {
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(clients(load))
    })
    .await?
}

async fn clients(load: Load) -> Result<Outcome> {
    let outcome = Arc::new(Mutex::new(Outcome { span: load.span, ..Outcome::default() }));
    let begin = Instant::now() + load.warm_up;
    let end = begin + load.span;
    let mut tasks = JoinSet::new();
    for _ in 0..load.clients {
        tasks.spawn(client(load.clone(), begin, end, outcome.clone()));
    }
    while tasks.join_next().await.transpose()?.is_some() {}
    let mut outcome = std::mem::take(&mut *outcome.lock());
    outcome.latencies.sort_unstable();
    Ok(outcome)
}

async fn client(load: Load, begin: Instant, end: Instant, outcome: Arc<Mutex<Outcome>>) {
    let mut latencies = Vec::with_capacity(4_096);
    let (mut answered, mut finished, mut failures, mut example) = (0, 0, 0, None);
    let mut connection = None;
    while Instant::now() < end {
        let mut open = match connection.take() {
            Some(open) => open,
            None => match Connection::open(load.address).await {
                Ok(open) => open,
                Err(error) => {
                    failures += 1;
                    example.get_or_insert_with(|| error.to_string());
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            },
        };
        let start = Instant::now();
        match open.exchange(&load.request, load.marker).await {
            Ok(()) => {
                answered += 1;
                let now = Instant::now();
                finished += u64::from(now >= begin && now <= end);
                if start >= begin {
                    let micros = (now - start).as_micros();
                    latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
                }
                connection = Some(open);
            }
            Err(error) => {
                failures += 1;
                example.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }
    let mut outcome = outcome.lock();
    outcome.latencies.append(&mut latencies);
    outcome.answered += answered;
    outcome.finished += finished;
    outcome.failures += failures;
    if outcome.example.is_none() {
        outcome.example = example;
    }
}

/// One client's connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and reads its answer to the end.
    pub async fn exchange(&mut self, request: &[u8], marker: &[u8]) -> Result<()> {
        self.begin(request).await?;
        self.finish(marker).await
    }

    /// Sends a request.
    pub async fn begin(&mut self, request: &[u8]) -> Result<()> {
        self.buffer.clear();
        self.stream.write_all(request).await.context("write")
    }

    /// Reads until `marker` has arrived, without waiting for the answer's end.
    pub async fn until(&mut self, marker: &[u8]) -> Result<()> {
        while memchr::memmem::find(&self.buffer, marker).is_none() {
            self.read().await?;
        }
        Ok(())
    }

    /// Reads the answer to its end.
    pub async fn finish(&mut self, marker: &[u8]) -> Result<()> {
        let head = loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let framing = Framing::of(&self.buffer[..head])?;
        while !framing.is_complete(&self.buffer[head..]) {
            self.read().await?;
        }
        let good = self.buffer.starts_with(b"HTTP/1.1 200");
        if !good || memchr::memmem::find(&self.buffer[head..], marker).is_none() {
            bail!(
                "answered {}",
                String::from_utf8_lossy(&self.buffer[..self.buffer.len().min(600)])
            );
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await.context("read")? == 0 {
            bail!("closed after {} bytes", self.buffer.len());
        }
        Ok(())
    }
}

enum Framing {
    Length(usize),
    Chunked,
}

impl Framing {
    fn of(head: &[u8]) -> Result<Self> {
        let head = std::str::from_utf8(head)?;
        for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                return Ok(Self::Length(value.trim().parse()?));
            }
            if name.eq_ignore_ascii_case("transfer-encoding") {
                return Ok(Self::Chunked);
            }
        }
        bail!("an answer without framing: {head}")
    }

    fn is_complete(&self, body: &[u8]) -> bool {
        match self {
            Self::Length(length) => body.len() >= *length,
            // Nothing is pipelined, so the last chunk is the end of what has arrived.
            Self::Chunked => body.ends_with(b"\r\n0\r\n\r\n") || body == b"0\r\n\r\n",
        }
    }
}
