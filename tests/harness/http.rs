//! HTTP/1.1 framing on bytes: heads, chunked bodies, `Date` texts. No interpretation.

use std::io::Write;

use anyhow::{Context, Result, bail};
use flate2::{Compression, write::GzEncoder, write::ZlibEncoder};
use tokio::io::{AsyncRead, AsyncReadExt};

/// First line and headers exactly as they came.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub first_line: String,
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// First value of a header, name compared ignoring case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    fn is_chunked(&self) -> bool {
        self.get("transfer-encoding").is_some_and(|v| v.to_ascii_lowercase().contains("chunked"))
    }

    fn length(&self) -> Option<usize> {
        self.get("content-length").and_then(|value| value.trim().parse().ok())
    }
}

/// How the bytes of a body are delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    None,
    Length(usize),
    Chunked,
    UntilClose,
}

impl Framing {
    pub fn of_request(head: &Head) -> Self {
        if head.is_chunked() {
            return Self::Chunked;
        }
        head.length().map_or(Self::None, Self::Length)
    }

    pub fn of_response(head: &Head, status: u16, to_head_request: bool) -> Self {
        if to_head_request || status == 204 || status == 304 || status / 100 == 1 {
            return Self::None;
        }
        if head.is_chunked() {
            return Self::Chunked;
        }
        head.length().map_or(Self::UntilClose, Self::Length)
    }
}

/// Reads a connection head by head and body piece by body piece.
pub struct Reader<R> {
    inner: R,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, buffer: Vec::new() }
    }

    /// Next head; `None` when the peer closed before sending any byte of it.
    pub async fn head(&mut self) -> Result<Option<Head>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let text = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 4);
                let mut lines = text.split("\r\n");
                let first_line = lines.next().unwrap_or_default().to_owned();
                let headers = lines
                    .filter_map(|line| line.split_once(':'))
                    .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                    .collect();
                return Ok(Some(Head { first_line, headers }));
            }
            if !self.fill().await? {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                bail!("connection closed inside a head");
            }
        }
    }

    /// Next piece of a body; `Ok(None)` is its proper end.
    pub async fn piece(&mut self, framing: &mut Framing) -> Result<Option<Vec<u8>>> {
        match *framing {
            Framing::None | Framing::Length(0) => Ok(None),
            Framing::Length(left) => {
                if self.buffer.is_empty() && !self.fill().await? {
                    bail!("closed with {left} bytes missing");
                }
                let take = left.min(self.buffer.len());
                *framing = Framing::Length(left - take);
                Ok(Some(self.buffer.drain(..take).collect()))
            }
            Framing::UntilClose => {
                if self.buffer.is_empty() && !self.fill().await? {
                    return Ok(None);
                }
                Ok(Some(std::mem::take(&mut self.buffer)))
            }
            Framing::Chunked => {
                let line = self.line().await?;
                let size = line.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(size, 16).context("chunk size")?;
                while self.buffer.len() < size + 2 {
                    if !self.fill().await? {
                        bail!("closed inside a chunk");
                    }
                }
                let chunk = self.buffer.drain(..size).collect();
                self.buffer.drain(..2);
                if size == 0 {
                    *framing = Framing::None;
                    return Ok(None);
                }
                Ok(Some(chunk))
            }
        }
    }

    /// Whole body.
    pub async fn body(&mut self, mut framing: Framing) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece(&mut framing).await? {
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// Waits until the peer closes; bytes that arrive meanwhile are kept for the next head.
    pub async fn closed(&mut self) {
        while matches!(self.fill().await, Ok(true)) {}
    }

    pub fn inner_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// Bytes read beyond the last head, and the connection itself.
    pub fn into_parts(self) -> (Vec<u8>, R) {
        (self.buffer, self.inner)
    }

    async fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 2);
                return Ok(line);
            }
            if !self.fill().await? {
                bail!("connection closed inside a line");
            }
        }
    }

    async fn fill(&mut self) -> Result<bool> {
        let mut space = [0; 16 * 1024];
        let count = self.inner.read(&mut space).await?;
        self.buffer.extend_from_slice(&space[..count]);
        Ok(count > 0)
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Bytes in a content encoding: `gzip`, or else `deflate`.
pub fn encoded(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    let done = if encoding == "gzip" {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).and_then(|()| encoder.finish())
    } else {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).and_then(|()| encoder.finish())
    };
    done.unwrap_or_default()
}
