//! When a connection last moved, and whether a request's head is on its way.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};

/// Sent when a head does not arrive in time.
pub const LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n";

/// What the two sides of a connection know of each other.
pub struct Activity {
    began: Instant,
    /// Milliseconds since `began` of the last byte either way.
    moved: AtomicU64,
    /// Milliseconds since `began`, plus 1, of the first byte of an unfinished head; 0 for none.
    head_since: AtomicU64,
    /// Exchanges between the end of their head and the end of their answer.
    exchanges: AtomicUsize,
    late: AtomicBool,
    reader: Mutex<Option<Waker>>,
}

impl Activity {
    /// A connection that begins now.
    pub fn begin() -> Self {
        Self {
            began: Instant::now(),
            moved: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            exchanges: AtomicUsize::new(0),
            late: AtomicBool::new(false),
            reader: Mutex::new(None),
        }
    }

    /// A request's head is complete.
    pub fn head_complete(&self) {
        self.head_since.store(0, Ordering::Relaxed);
    }

    /// Counts an exchange until the result is dropped.
    pub fn busy(self: &Arc<Self>) -> Busy {
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Whether no exchange is under way.
    pub fn is_idle(&self) -> bool {
        self.exchanges.load(Ordering::Relaxed) == 0
    }

    /// Goes on after bytes have moved unseen.
    pub fn resume(&self) {
        self.mark();
        self.head_complete();
    }

    /// When something may have to be done at the earliest.
    pub fn next_check(&self, idle: Duration, head: Duration) -> Instant {
        let silent = self.began + Duration::from_millis(self.moved.load(Ordering::Relaxed)) + idle;
        match self.head_since.load(Ordering::Relaxed) {
            // A head may begin right after this, so the next look is not later than its time.
            0 => silent.min(Instant::now() + head),
            since => silent.min(self.began + Duration::from_millis(since) + head),
        }
    }

    /// Whether a head has been on its way for longer than `limit`.
    pub fn head_is_late(&self, now: Instant, limit: Duration) -> bool {
        let since = self.head_since.load(Ordering::Relaxed);
        since != 0 && now >= self.began + Duration::from_millis(since) + limit
    }

    /// Whether nothing moved for `limit`.
    pub fn is_silent(&self, now: Instant, limit: Duration) -> bool {
        now >= self.began + Duration::from_millis(self.moved.load(Ordering::Relaxed)) + limit
    }

    /// Makes the connection's next read answer 408 and end.
    pub fn refuse_late_head(&self) {
        self.late.store(true, Ordering::Relaxed);
        if let Some(waker) = self.reader.lock().take() {
            waker.wake();
        }
    }

    fn mark(&self) -> u64 {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(ms, Ordering::Relaxed);
        ms
    }

    fn received(&self) {
        let ms = self.mark();
        if self.exchanges.load(Ordering::Relaxed) == 0 {
            // Only the first byte of a head sets its time.
            let _ =
                self.head_since.compare_exchange(0, ms + 1, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// One exchange under way.
pub struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.exchanges.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer's body that ends its exchange when it is dropped.
pub struct Counted {
    body: Body,
    _busy: Busy,
}

impl Counted {
    /// Wraps `body`.
    pub fn new(body: Body, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A client's socket that notes its activity.
pub struct Tracked {
    stream: TcpStream,
    activity: Arc<Activity>,
}

impl Tracked {
    /// Wraps `stream`.
    pub fn new(stream: TcpStream, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    /// The socket; what moves there is not noted.
    pub fn socket(&mut self) -> &mut TcpStream {
        &mut self.stream
    }
}

impl AsyncRead for Tracked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.activity.late.load(Ordering::Relaxed) {
            // The client may have stopped reading too; then it learns nothing, which is fair.
            let _ = self.stream.try_write(LATE);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        match &polled {
            Poll::Ready(Ok(())) if buf.filled().len() > before => self.activity.received(),
            Poll::Pending => {
                let mut reader = self.activity.reader.lock();
                if !reader.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    *reader = Some(cx.waker().clone());
                }
            }
            _ => {}
        }
        polled
    }
}

impl AsyncWrite for Tracked {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, data);
        if polled.is_ready() {
            self.activity.mark();
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        if polled.is_ready() {
            self.activity.mark();
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
