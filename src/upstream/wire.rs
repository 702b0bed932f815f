//! The bytes of one connection, between hyper and the socket.
//!
//! hyper frames bodies and reads answers, but it folds header names to lower case. So the request head
//! is not hyper's: it is armed here before each request, and goes out in place of the head that hyper
//! writes. The module also keeps what hyper does not tell: when a byte last moved, how many came in,
//! and what the socket itself said when it failed.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::client::TlsStream;

use super::failure::Operation;

/// An open connection to the vendor, however it was reached.
pub(super) enum Transport {
    /// TCP, direct or through a proxy's tunnel.
    Plain(TcpStream),
    /// TLS to the vendor, or to an HTTPS proxy for a plain target.
    Tls(Box<TlsStream<TcpStream>>),
    /// TLS to the vendor within TLS to the proxy.
    Nested(Box<TlsStream<TlsStream<TcpStream>>>),
    /// A proxy's refusal, to be read as if the vendor had answered it.
    Refusal(Refusal),
}

/// An answer that is already here. It can be read once something was written; writes lead nowhere.
pub(super) struct Refusal {
    answer: Bytes,
    asked: bool,
    reader: Option<Waker>,
}

/// A [`Transport`] that writes armed heads and keeps a [`Gauge`].
pub(super) struct Wire {
    transport: Transport,
    gauge: Arc<Gauge>,
}

/// What is known of a connection from outside hyper. Shared by the [`Wire`], which hyper owns, and the
/// exchange in progress; the lock is never contended, as both run in one task.
pub(super) struct Gauge(Mutex<State>);

struct State {
    head: Option<Bytes>,
    touched: Instant,
    failure: Option<(Operation, io::ErrorKind)>,
}

impl Gauge {
    /// A gauge that reads "touched just now".
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { head: None, touched: Instant::now(), failure: None })))
    }

    /// Sets the head that replaces the next one hyper writes.
    pub fn arm(&self, head: Bytes) {
        let mut state = self.0.lock();
        state.head = Some(head);
        state.touched = Instant::now();
    }

    /// When a byte last moved, or the last request began.
    pub fn touched(&self) -> Instant {
        self.0.lock().touched
    }

    /// How the socket failed, if it did.
    pub fn failure(&self) -> Option<(Operation, io::ErrorKind)> {
        self.0.lock().failure
    }
}

impl State {
    fn moved(&mut self) {
        self.touched = Instant::now();
    }

    fn failed(&mut self, operation: Operation, error: &io::Error) {
        self.failure.get_or_insert((operation, error.kind()));
    }
}

impl Refusal {
    /// What the proxy answered.
    pub fn new(answer: Bytes) -> Self {
        Self { answer, asked: false, reader: None }
    }
}

impl Wire {
    /// Wraps a connection.
    pub fn new(transport: Transport, gauge: Arc<Gauge>) -> Self {
        Self { transport, gauge }
    }

    /// Writes the rest of the armed head, then what of `bufs` follows hyper's own head. Answers how
    /// much of `bufs` is done with.
    fn poll_write_head(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.gauge.0.lock();
        // hyper writes a head in one piece, at the front of the first buffer.
        let first = bufs.iter().position(|buf| !buf.is_empty()).unwrap_or(0);
        let skip = bufs
            .get(first)
            .and_then(|buf| memchr::memmem::find(buf, b"\r\n\r\n"))
            .map(|at| at + 4)
            .ok_or_else(|| io::Error::other("request head in pieces"))?;
        loop {
            let Some(head) = state.head.as_mut() else { return Poll::Ready(Ok(skip)) };
            let mut slices = Vec::with_capacity(bufs.len() + 1);
            slices.push(IoSlice::new(head));
            slices.push(IoSlice::new(&bufs[first][skip..]));
            slices.extend(bufs[first + 1..].iter().map(|buf| IoSlice::new(buf)));
            let written = match ready!(self.transport.poll_write_slices(cx, &slices)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => written,
                Err(error) => {
                    state.failed(Operation::Write, &error);
                    return Poll::Ready(Err(error));
                }
            };
            let of_head = written.min(head.len());
            head.advance(of_head);
            let done = head.is_empty();
            state.moved();
            if done {
                state.head = None;
                return Poll::Ready(Ok(skip + written - of_head));
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = ready!(this.transport.poll_read_into(cx, buf));
        let mut state = this.gauge.0.lock();
        match &result {
            Ok(()) => {
                if buf.filled().len() > before {
                    state.moved();
                }
            }
            Err(error) => state.failed(Operation::Read, error),
        }
        Poll::Ready(result)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.gauge.0.lock().head.is_some() {
            return this.poll_write_head(cx, bufs);
        }
        let result = ready!(this.transport.poll_write_slices(cx, bufs));
        let mut state = this.gauge.0.lock();
        match &result {
            Ok(_) => state.moved(),
            Err(error) => state.failed(Operation::Write, error),
        }
        Poll::Ready(result)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Plain(io) => Pin::new(io).poll_flush(cx),
            Transport::Tls(io) => Pin::new(io).poll_flush(cx),
            Transport::Nested(io) => Pin::new(io).poll_flush(cx),
            Transport::Refusal(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Transport::Tls(io) => Pin::new(io).poll_shutdown(cx),
            Transport::Nested(io) => Pin::new(io).poll_shutdown(cx),
            Transport::Refusal(_) => Poll::Ready(Ok(())),
        }
    }
}

impl Transport {
    fn poll_read_into(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Self::Tls(io) => Pin::new(io).poll_read(cx, buf),
            Self::Nested(io) => Pin::new(io).poll_read(cx, buf),
            Self::Refusal(refusal) if refusal.asked => {
                let count = refusal.answer.len().min(buf.remaining());
                buf.put_slice(&refusal.answer.split_to(count));
                Poll::Ready(Ok(()))
            }
            Self::Refusal(refusal) => {
                refusal.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn poll_write_slices(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Self::Tls(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Self::Nested(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Self::Refusal(refusal) => {
                refusal.asked = true;
                if let Some(reader) = refusal.reader.take() {
                    reader.wake();
                }
                Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
            }
        }
    }
}
