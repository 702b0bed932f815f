//! A client's connection that both the forwarder and hyper read from, in turn.
//!
//! It looks at each request's head before anyone else does and has it routed. A few requests are routed by
//! what their bodies begin with; such a beginning waits in the buffer until that is known, within bounds,
//! and is neither taken out nor changed, so that whoever serves the request then finds all of it. hyper is
//! handed the bytes of requests for the own front and nothing beyond; before a request for Node it sees the
//! connection end, and whoever drives it takes over.

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

use super::{
    forward::{HeadError, RequestHead, framing::BodyTrack, head::head_end},
    routing::{Answer, BodyStart, Route, Routing, is_own},
};
use crate::api::server::{Activity, Tracked};

/// Read at once while a head is looked for.
const READ: usize = 8 * 1024;
/// Bytes of a body that may be waited for before its request is routed. The legacy service does nothing
/// before it has a body whole, so that waiting for this much costs a client nothing; an OpenAI client's
/// model stands behind its messages, which are long.
const START_BYTES: usize = 1 << 20;
/// How long they may be waited for.
const START_TIME: Duration = Duration::from_secs(3);

/// What a client's next request is.
#[derive(Debug)]
pub(super) enum Next {
    /// For the own front; hyper reads it from here.
    Own,
    /// For Node.
    Legacy(RequestHead, Route),
    /// Nothing that can be understood.
    Refused(HeadError),
}

/// Where in the client's bytes hyper is.
enum Stage {
    /// Between requests.
    Head,
    /// So many bytes of a head are still to be handed over.
    Release(usize, BodyTrack),
    Body(BodyTrack),
    /// The framing broke: hyper finds that out itself.
    Opaque,
    /// hyper is to end; what comes next is not for it.
    Handover,
}

/// A request that is routed by the beginning of its body, which stands behind its head in the buffer.
struct Starting {
    head: RequestHead,
    decider: Box<dyn BodyStart>,
    track: BodyTrack,
    /// Bytes of the buffer that were looked at, the head's among them.
    seen: usize,
    patience: Pin<Box<Sleep>>,
}

/// A client's connection.
pub(super) struct Inlet {
    stream: Tracked,
    buffer: BytesMut,
    stage: Stage,
    next: Option<Next>,
    routing: Arc<dyn Routing>,
    peer: IpAddr,
    /// A head whose route is being looked up.
    deciding: Option<(RequestHead, BoxFuture<'static, Route>)>,
    /// A head whose route hangs on what follows it.
    starting: Option<Starting>,
    activity: Arc<Activity>,
    /// Heads handed to hyper whose handling has not begun; as many as requests are pipelined into one
    /// read, which hyper bounds.
    heads: Arc<Mutex<std::collections::VecDeque<RequestHead>>>,
    flushed: bool,
    handed_over: bool,
    waiting: Option<Waker>,
}

impl Inlet {
    pub fn new(
        stream: Tracked,
        routing: Arc<dyn Routing>,
        peer: IpAddr,
        activity: Arc<Activity>,
    ) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            stage: Stage::Head,
            next: None,
            routing,
            peer,
            deciding: None,
            starting: None,
            activity,
            heads: Arc::default(),
            flushed: true,
            handed_over: false,
            waiting: None,
        }
    }

    /// Heads in the order in which hyper gets them.
    pub fn heads(&self) -> Arc<Mutex<std::collections::VecDeque<RequestHead>>> {
        Arc::clone(&self.heads)
    }

    /// Socket and what was read from it.
    pub fn parts(&mut self) -> (&mut tokio::net::TcpStream, &mut BytesMut) {
        (self.stream.socket(), &mut self.buffer)
    }

    /// Whether part of a head has arrived.
    pub fn has_begun(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Whether hyper was made to end because of a request that is not for it.
    pub fn take_handover(&mut self) -> bool {
        std::mem::take(&mut self.handed_over)
    }

    /// Waits for the next request while hyper is not at work; `None` when the client has left.
    pub async fn next(&mut self) -> Option<Next> {
        std::future::poll_fn(|cx| {
            loop {
                if let Some(next) = ready!(self.look(cx)) {
                    if matches!(next, Next::Own) {
                        return Poll::Ready(Some(next));
                    }
                    self.stage = Stage::Head;
                    return Poll::Ready(Some(next));
                }
                self.buffer.reserve(READ);
                let stream = Pin::new(self.stream.socket());
                match ready!(tokio_util::io::poll_read_buf(stream, cx, &mut self.buffer)) {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return Poll::Ready(None),
                }
            }
        })
        .await
    }

    /// Looks at the next head, if it is there, and has it routed. A request for the own front stays in
    /// the buffer for hyper.
    fn look(&mut self, cx: &mut Context<'_>) -> Poll<Option<Next>> {
        if let Some(next) = self.next.take() {
            return Poll::Ready(Some(next));
        }
        if matches!(self.stage, Stage::Release(..)) {
            return Poll::Ready(Some(Next::Own));
        }
        if let Some((head, mut deciding)) = self.deciding.take() {
            return match deciding.as_mut().poll(cx) {
                Poll::Ready(route) => Poll::Ready(Some(self.routed(head, route))),
                Poll::Pending => {
                    self.deciding = Some((head, deciding));
                    Poll::Pending
                }
            };
        }
        if let Some(starting) = self.starting.take() {
            return self.look_at_start(cx, starting);
        }
        // Empty lines before a request are no part of it.
        while self.buffer.starts_with(b"\r\n") {
            self.buffer.advance(2);
        }
        if self.buffer.is_empty() {
            return Poll::Ready(None);
        }
        let parsed = match head_end(&self.buffer) {
            Ok(None) => return Poll::Ready(None),
            Ok(Some(end)) => RequestHead::parse(Bytes::copy_from_slice(&self.buffer[..end])),
            Err(error) => Err(error),
        };
        let head = match parsed {
            Ok(head) => head,
            Err(error) => return Poll::Ready(Some(Next::Refused(error))),
        };
        let answer = if is_own(head.path()) {
            Answer::Now(Route::Own)
        } else {
            self.routing.decide(&head, self.peer)
        };
        self.answered(cx, head, answer)
    }

    fn answered(
        &mut self,
        cx: &mut Context<'_>,
        head: RequestHead,
        answer: Answer,
    ) -> Poll<Option<Next>> {
        match answer {
            Answer::Now(route) => return Poll::Ready(Some(self.routed(head, route))),
            Answer::Later(deciding) => self.deciding = Some((head, deciding)),
            Answer::AfterBody(decider) => {
                self.starting = Some(Starting {
                    decider,
                    track: BodyTrack::new(head.framing()),
                    seen: head.raw().len(),
                    patience: Box::pin(tokio::time::sleep(START_TIME)),
                    head,
                });
            }
        }
        self.look(cx)
    }

    /// Shows what has arrived of a body. `None` while more of it is needed.
    fn look_at_start(
        &mut self,
        cx: &mut Context<'_>,
        mut starting: Starting,
    ) -> Poll<Option<Next>> {
        let fresh = self.buffer.get(starting.seen..).unwrap_or_default();
        let mut enough = false;
        let Starting { decider, track, .. } = &mut starting;
        let advanced = track.advance(fresh, |place| {
            enough = enough || decider.look(fresh.get(place).unwrap_or_default());
        });
        let known = enough || advanced.is_err() || track.is_done();
        starting.seen = self.buffer.len();
        let waited = starting.patience.as_mut().poll(cx).is_ready();
        if known || waited || starting.seen > starting.head.raw().len() + START_BYTES {
            let Starting { head, decider, .. } = starting;
            return self.answered(cx, head, decider.decide());
        }
        self.starting = Some(starting);
        Poll::Ready(None)
    }

    /// Takes the head out of the buffer for Node, or leaves it there for hyper.
    fn routed(&mut self, head: RequestHead, route: Route) -> Next {
        let length = head.raw().len();
        match route {
            Route::Own => {
                self.stage = Stage::Release(length, BodyTrack::new(head.framing()));
                self.heads.lock().push_back(head);
                Next::Own
            }
            legacy => {
                self.buffer.advance(length);
                Next::Legacy(head, legacy)
            }
        }
    }

    /// Whether hyper has nothing more to say.
    fn is_quiet(&self) -> bool {
        self.activity.is_idle() && self.flushed
    }

    /// Hands body bytes over, those in the buffer first.
    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
        mut track: BodyTrack,
    ) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        if self.buffer.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(cx, out))?;
        } else {
            let n = self.buffer.len().min(out.remaining());
            out.put_slice(&self.buffer.split_to(n));
        }
        let read = out.filled().get(before..).unwrap_or_default();
        let length = read.len();
        match track.advance(read, |_| {}) {
            Ok(used) if used < length => {
                // The next request's beginning goes back.
                let mut rest = BytesMut::with_capacity(length - used + self.buffer.len());
                rest.extend_from_slice(&read[used..]);
                rest.extend_from_slice(&self.buffer);
                self.buffer = rest;
                out.set_filled(before + used);
                self.stage = Stage::Body(track);
            }
            Ok(_) => self.stage = Stage::Body(track),
            Err(_) => self.stage = Stage::Opaque,
        }
        Poll::Ready(Ok(()))
    }

    /// Between requests: looks for the next head. `Ready` with the stage unchanged means the end.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            match ready!(self.look(cx)) {
                Some(Next::Own) => return Poll::Ready(Ok(true)),
                Some(other) => {
                    self.next = Some(other);
                    self.stage = Stage::Handover;
                    return Poll::Ready(Ok(true));
                }
                None => {}
            }
            self.buffer.reserve(READ);
            let stream = Pin::new(&mut self.stream);
            if ready!(tokio_util::io::poll_read_buf(stream, cx, &mut self.buffer))? == 0 {
                return Poll::Ready(Ok(false));
            }
        }
    }
}

impl AsyncRead for Inlet {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match this.stage {
                Stage::Head => {
                    if !ready!(this.poll_head(cx))? {
                        return Poll::Ready(Ok(()));
                    }
                }
                Stage::Release(0, track) => {
                    this.stage = Stage::Body(track);
                }
                Stage::Release(left, track) => {
                    let n = left.min(out.remaining());
                    out.put_slice(&this.buffer.split_to(n));
                    this.stage = Stage::Release(left - n, track);
                    return Poll::Ready(Ok(()));
                }
                Stage::Body(track) if track.is_done() => this.stage = Stage::Head,
                Stage::Body(track) => return this.poll_body(cx, out, track),
                Stage::Opaque if this.buffer.is_empty() => {
                    return Pin::new(&mut this.stream).poll_read(cx, out);
                }
                Stage::Opaque => {
                    let n = this.buffer.len().min(out.remaining());
                    out.put_slice(&this.buffer.split_to(n));
                    return Poll::Ready(Ok(()));
                }
                Stage::Handover => {
                    if this.is_quiet() {
                        this.handed_over = true;
                        return Poll::Ready(Ok(()));
                    }
                    this.waiting = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }
    }
}

impl AsyncWrite for Inlet {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.flushed = false;
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.flushed = false;
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        this.flushed = true;
        if let Some(waiting) = this.waiting.take() {
            waiting.wake();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.handed_over {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
