//! Forwards a request whose body was already read: one that `crs` took and could not serve.
//!
//! The answer goes back through the own HTTP server, so its framing is new; status, headers and payload
//! are Node's.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::Frame;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};

use super::{
    Forwarder,
    failure::{Failure, FailureKind},
    framing::BodyTrack,
    head::{Framing, RequestHead, ResponseHead, head_end},
    rewrite::{self, Rewrite},
    stats::InFlight,
};

const READ: usize = 16 * 1024;

impl Forwarder {
    /// Sends `head` with this body instead of the one it announced, and waits for the answer's head.
    ///
    /// # Errors
    /// When Node gives no answer. Counted and logged by the caller's choice with [`Forwarder::refused`].
    pub async fn forward_collected(
        self: &Arc<Self>,
        head: &RequestHead,
        body: &Bytes,
        with: Rewrite<'_>,
    ) -> Result<Response<ForwardedBody>, Failure> {
        let in_flight = self.stats.begin();
        let began = std::time::Instant::now();
        let mut response = self.ask(head, body, with).await?;
        self.stats.answered(response.status().as_u16(), began.elapsed());
        self.stats.up.increment(body.len() as u64);
        response.body_mut().in_flight = Some(in_flight);
        Ok(response)
    }

    /// As [`Forwarder::forward_collected`], uncounted.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        head: &RequestHead,
        body: &Bytes,
        with: Rewrite<'_>,
    ) -> Result<Response<ForwardedBody>, Failure> {
        let out = with_length(&rewrite::request(head, with), body.len());
        // A fresh connection: whether a kept one still works could only be told by losing the request.
        self.stats.connections.increment(1);
        let mut node = self.pool.open().await?;
        let mut buffer = BytesMut::with_capacity(READ);
        let asking = async {
            node.write_all(&out).await?;
            node.write_all(body).await?;
            read_head(&mut node, &mut buffer, head.method()).await
        };
        let answer = match tokio::time::timeout(self.head_timeout, asking).await {
            Ok(Ok(Ok(answer))) => answer,
            Ok(Ok(Err(failure))) => return Err(failure),
            Ok(Err(cause)) => {
                return Err(Failure { kind: FailureKind::Closed, cause: Some(cause) });
            }
            Err(_) => return Err(FailureKind::HeadTimeout.into()),
        };
        let track = BodyTrack::new(answer.framing());
        let keeps = answer.keeps() && head.keeps();
        let mut response = Response::new(ForwardedBody {
            node: Some(node),
            buffer,
            track,
            keeps,
            forwarder: Arc::clone(self),
            in_flight: None,
        });
        *response.status_mut() =
            StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::BAD_GATEWAY);
        *response.headers_mut() = header_map(&answer);
        Ok(response)
    }

    /// Counts and logs a failure of [`Forwarder::forward_collected`].
    pub fn refused(&self, head: &RequestHead, failure: &Failure) {
        self.note(head, failure);
    }
}

/// The same head, announcing so many bytes and expecting nothing.
fn with_length(head: &[u8], length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(head.len() + 32);
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("content-length") || is("transfer-encoding") || is("expect") || is("trailer") {
            continue;
        }
        if line == b"\r\n" {
            if length > 0 {
                out.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
            }
            out.extend_from_slice(line);
            break;
        }
        out.extend_from_slice(line);
    }
    out
}

async fn read_head(
    node: &mut TcpStream,
    buffer: &mut BytesMut,
    method: &str,
) -> io::Result<Result<ResponseHead, Failure>> {
    loop {
        match head_end(buffer) {
            Ok(Some(end)) => {
                let raw = buffer.split_to(end).freeze();
                match ResponseHead::parse(raw, method) {
                    Ok(answer) if answer.status() >= 200 => return Ok(Ok(answer)),
                    Ok(_) => continue,
                    Err(_) => return Ok(Err(FailureKind::BadAnswer.into())),
                }
            }
            Ok(None) => {}
            Err(_) => return Ok(Err(FailureKind::BadAnswer.into())),
        }
        buffer.reserve(READ);
        if node.read_buf(buffer).await? == 0 {
            return Ok(Err(FailureKind::Closed.into()));
        }
    }
}

/// Headers without those that speak of the connection to Node.
fn header_map(answer: &ResponseHead) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in answer.headers() {
        let hop = ["connection", "keep-alive", "transfer-encoding", "trailer", "upgrade"];
        if hop.iter().any(|hop| name.eq_ignore_ascii_case(hop)) {
            continue;
        }
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    headers
}

/// Payload of Node's answer. Dropped early, it closes the connection to Node.
pub struct ForwardedBody {
    node: Option<TcpStream>,
    buffer: BytesMut,
    track: BodyTrack,
    keeps: bool,
    forwarder: Arc<Forwarder>,
    in_flight: Option<InFlight>,
}

impl ForwardedBody {
    /// The next payload in the buffer; several chunks in it come one by one.
    fn payload(&mut self) -> io::Result<Option<Bytes>> {
        while !self.buffer.is_empty() && !self.track.is_done() {
            let mut places = Vec::new();
            let used = self
                .track
                .advance(&self.buffer, |range| places.push(range))
                .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            let part = self.buffer.split_to(used).freeze();
            match places.as_slice() {
                [] => {}
                [only] => return Ok(Some(part.slice(only.clone()))),
                many => {
                    let mut joined = BytesMut::with_capacity(part.len());
                    for place in many {
                        joined.extend_from_slice(&part[place.clone()]);
                    }
                    return Ok(Some(joined.freeze()));
                }
            }
        }
        Ok(None)
    }

    fn finish(&mut self) {
        self.in_flight = None;
        if let Some(node) = self.node.take().filter(|_| self.keeps && self.buffer.is_empty()) {
            self.forwarder.pool.put(node);
        }
    }
}

impl http_body::Body for ForwardedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(payload) = self.payload()? {
                if self.track.is_done() {
                    self.finish();
                }
                return Poll::Ready(Some(Ok(Frame::data(payload))));
            }
            if self.track.is_done() {
                self.finish();
                return Poll::Ready(None);
            }
            let this = &mut *self;
            let Some(node) = this.node.as_mut() else { return Poll::Ready(None) };
            let mut piece = [0; 8 * 1024];
            let mut read = ReadBuf::new(&mut piece);
            ready!(Pin::new(node).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                this.node = None;
                return Poll::Ready(if this.track.ends_with_connection() {
                    None
                } else {
                    Some(Err(io::ErrorKind::UnexpectedEof.into()))
                });
            }
            this.buffer.extend_from_slice(read.filled());
        }
    }

    fn is_end_stream(&self) -> bool {
        self.track.is_done() && self.buffer.is_empty()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::new()
    }
}

impl std::fmt::Debug for ForwardedBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForwardedBody").finish_non_exhaustive()
    }
}

/// A head that no client sent, for questions of our own.
pub(crate) fn own_head(target: &str) -> Option<RequestHead> {
    let text = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n");
    RequestHead::parse(Bytes::from(text)).ok().filter(|head| head.framing() == Framing::None)
}
