//! One exchange between a client and Node, both directions in one task.

use std::{
    io,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

use super::{
    After, Client, Context, Forwarder,
    download::{Download, Downloaded},
    failure::{self, Failure, FailureKind},
    framing::BodyTrack,
    head::{Framing, RequestHead},
    observe::End,
    rewrite::{self, Rewrite},
    shared::Shared,
    tunnel,
    upload::{Outgoing, next_part, upload},
};

/// Methods that may be sent again when a kept connection turns out to be closed.
const REPEATABLE: [&str; 3] = ["GET", "HEAD", "OPTIONS"];
/// How long Node may go on with a client that has stopped sending before we hang up.
const HALF_OPEN: Duration = Duration::from_secs(30);
/// How long, and how far, a client is read after an error, so that it gets to see it.
const LINGER: (Duration, usize) = (Duration::from_secs(2), 1 << 20);

/// How one attempt ended.
pub(super) enum Outcome {
    /// The whole answer was passed on; whether Node's connection, and the client's, can go on.
    Answered {
        node_keeps: bool,
        client_keeps: bool,
    },
    /// 101: what Node sent beyond its head.
    Upgraded(Bytes),
    /// Nothing was sent to the client.
    Failed(Failure),
    /// The answer broke off; whether by a reset.
    Cut {
        reset: bool,
    },
    ClientLeft,
}

impl Forwarder {
    /// Passes one request on and its answer back. `client.buffer` begins with what follows the head.
    pub async fn forward(
        &self,
        mut client: Client<'_>,
        head: &RequestHead,
        context: Context<'_>,
    ) -> After {
        let _in_flight = self.stats.begin();
        let trace_id = context.trace.as_ref().and_then(|trace| trace.id.clone());
        let observer = context.trace.and_then(|trace| trace.observer);
        let shared = Shared::new(self, observer);
        shared.observed.lock().tell(|observer| observer.on_request_head(head));
        let rewrite = Rewrite {
            peer: context.peer,
            trust_proxy: self.trust_proxy,
            trace: trace_id.as_deref(),
        };
        let head_out = rewrite::request(head, rewrite).freeze();
        // What is there of the body goes out with the head.
        let mut track = BodyTrack::new(head.framing());
        let early = next_part(&shared, client.buffer, &mut track);
        let mut kept = self.pool.take();
        loop {
            let reused = kept.is_some();
            let opened = match kept.take() {
                Some(stream) => Ok(stream),
                None => {
                    self.stats.connections.increment(1);
                    self.pool.open().await
                }
            };
            let mut node = match opened {
                Ok(node) => node,
                Err(failure) => return self.fail(client, head, &shared, failure).await,
            };
            let request = Outgoing { head, head_out: &head_out, early: &early, track };
            let outcome =
                self.attempt(&mut client, &mut node, request, &shared, context.stop).await;
            match outcome {
                Outcome::Answered { node_keeps, client_keeps } => {
                    shared.observed.lock().end(End::Complete);
                    if node_keeps {
                        self.pool.put(node);
                    }
                    if client_keeps {
                        return After::Kept;
                    }
                    if !shared.sent.load(Ordering::Relaxed) {
                        linger(client.stream).await;
                    }
                    return After::Closed;
                }
                Outcome::Upgraded(first) => {
                    shared.observed.lock().end(End::Upgraded);
                    tunnel::run(client, node, &first).await;
                    return After::Closed;
                }
                Outcome::Failed(failure) => {
                    let repeatable = head.framing() == Framing::None
                        && REPEATABLE.contains(&head.method())
                        && failure.kind == FailureKind::Closed;
                    if reused && repeatable {
                        // Node closed the kept connection at this very moment.
                        self.stats.retries.increment(1);
                        shared.sent.store(false, Ordering::Relaxed);
                        continue;
                    }
                    drop(node);
                    return self.fail(client, head, &shared, failure).await;
                }
                Outcome::Cut { reset } => {
                    if shared.half_open.load(Ordering::Relaxed) {
                        // Node was told that the client is gone, and ended its answer for that.
                        self.stats.client_left.increment(1);
                        shared.observed.lock().end(End::ClientLeft);
                    } else {
                        shared.observed.lock().end(End::Cut);
                        self.note(head, &FailureKind::Cut.into());
                    }
                    if reset {
                        // The client must not take it for the proper end.
                        let _ = client.stream.set_zero_linger();
                    }
                    return After::Closed;
                }
                Outcome::ClientLeft => {
                    self.stats.client_left.increment(1);
                    shared.observed.lock().end(End::ClientLeft);
                    // Node's connection is dropped here: it sees the client leave.
                    return After::Closed;
                }
            }
        }
    }

    /// One attempt on one connection.
    async fn attempt(
        &self,
        client: &mut Client<'_>,
        node: &mut TcpStream,
        request: Outgoing<'_>,
        shared: &Shared<'_>,
        stop: &CancellationToken,
    ) -> Outcome {
        let head = request.head;
        let (mut from_client, mut to_client) = client.stream.split();
        let (mut from_node, mut to_node) = node.split();
        let mut up = pin!(upload(shared, client.buffer, &mut from_client, &mut to_node, request));
        // Until the answer begins, Node's time is measured.
        let mut timer = pin!(tokio::time::sleep(self.head_timeout));
        let answering = AtomicBool::new(false);
        let mut up_ended = false;
        let finished = {
            let download = Download { shared, head, stop };
            let mut down = pin!(download.run(&mut from_node, &mut to_client));
            loop {
                tokio::select! {
                    biased;
                    finished = &mut down => break finished,
                    () = &mut up, if !up_ended => {
                        up_ended = true;
                        if !shared.half_open.load(Ordering::Relaxed) {
                            return Outcome::ClientLeft;
                        }
                        // Node learns of it and decides; what it still says is passed on.
                        timer.as_mut().reset(tokio::time::Instant::now() + HALF_OPEN);
                    }
                    () = &mut timer, if up_ended || !answering.load(Ordering::Relaxed) => {
                        if up_ended {
                            return Outcome::ClientLeft;
                        }
                        if shared.has_answered() {
                            answering.store(true, Ordering::Relaxed);
                            continue;
                        }
                        match shared.patience() {
                            Some(left) => timer.as_mut().reset(tokio::time::Instant::now() + left),
                            None => return Outcome::Failed(FailureKind::HeadTimeout.into()),
                        }
                    }
                }
            }
        };
        let (node_keeps, client_keeps) = match finished {
            Downloaded::Complete { node_keeps, client_keeps } => (node_keeps, client_keeps),
            Downloaded::Other(outcome) => return outcome,
        };
        if up_ended || !client_keeps {
            return Outcome::Answered { node_keeps: false, client_keeps: false };
        }
        // An answer before the end of the request: the rest of it is Node's to read.
        if !shared.sent.load(Ordering::Relaxed) {
            let whole = std::future::poll_fn(|cx| {
                if up.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(false);
                }
                if shared.sent.load(Ordering::Relaxed) {
                    return Poll::Ready(true);
                }
                let mut byte = [0; 1];
                let mut byte = ReadBuf::new(&mut byte);
                from_node.poll_peek(cx, &mut byte).map(|_| false)
            });
            if !whole.await {
                return Outcome::Answered { node_keeps: false, client_keeps: false };
            }
        }
        let sound = !shared.broken.load(Ordering::Relaxed);
        Outcome::Answered { node_keeps: node_keeps && sound, client_keeps: sound }
    }

    /// Logs and counts a failure.
    pub(super) fn note(&self, head: &RequestHead, failure: &Failure) {
        self.stats.failed(failure.kind);
        let cause = failure.cause.as_ref().map(ToString::to_string).unwrap_or_default();
        tracing::warn!(
            kind = failure.kind.label(),
            cause,
            method = head.method(),
            path = head.path(),
            "A request was not answered by the legacy service"
        );
    }

    async fn fail(
        &self,
        client: Client<'_>,
        head: &RequestHead,
        shared: &Shared<'_>,
        failure: Failure,
    ) -> After {
        shared.observed.lock().end(End::Failed);
        self.note(head, &failure);
        self.stats.answered(failure.kind.status(), shared.began.elapsed());
        let answer = failure::answer(failure.kind, head.path(), head.method());
        if client.stream.write_all(&answer).await.is_ok() {
            linger(client.stream).await;
        }
        After::Closed
    }
}

/// Ends our side and reads on for a moment: closing with unread bytes would take the answer away from
/// a client that is still sending.
pub(crate) async fn linger(stream: &mut TcpStream) {
    let reading = async {
        stream.shutdown().await?;
        let mut buffer = vec![0; 8 * 1024];
        let mut left = LINGER.1;
        loop {
            let n = stream.read(&mut buffer).await?;
            left = left.saturating_sub(n);
            if n == 0 || left == 0 {
                return io::Result::Ok(());
            }
        }
    };
    let _ = tokio::time::timeout(LINGER.0, reading).await;
}
