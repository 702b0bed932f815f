//! The receiving end of the tap: a unix socket on which Node tells what it did for traced requests.
//!
//! [`Tap::expect`] announces a request before it is forwarded; [`Expected::trace`] waits until Node has
//! done everything for it. What nobody expects is thrown away. Nothing here waits for Node on a client's
//! path, and a tap that talks nonsense loses its connection, no more.

mod frame;
mod socket;
#[cfg(test)]
mod tests;
mod trace;

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use frame::{Frame, Note};
use socket::Socket;
use trace::Growing;

pub use frame::{Closed, ExchangeEnd, Hello, RequestHead, ResponseHead};
pub use trace::{Command, Exchange, NodeTrace};

/// Taps at a time: the workers of one service, old and new ones.
const MAX_TAPS: usize = 32;
/// How often a socket that somebody else listens on is tried again.
const TAKE_OVER: Duration = Duration::from_millis(250);
/// How often it is looked whether the socket still has its name, and one that cannot be made is tried again.
const LOOK: Duration = Duration::from_secs(2);
/// How long silence must last after the client's answer when the tap does not say it is quiet.
const SILENCE: Duration = Duration::from_millis(400);
/// After the tap said that nothing is pending: timers of the service may still fire.
const AFTER_QUIET: Duration = Duration::from_millis(60);

/// So many requests at once keep a service from its timers; then silence must last longer.
const BUSY: usize = 16;
const WHEN_BUSY: Duration = Duration::from_secs(2);

/// What the tap is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TapSettings {
    /// Whether anything is reported.
    pub enabled: bool,
    /// Whether Redis commands are.
    pub redis: bool,
    /// Whether exchanges with vendors are.
    pub upstream: bool,
    /// Most bytes that wait in Node.
    pub max_buffered: usize,
}

impl Default for TapSettings {
    fn default() -> Self {
        Self { enabled: true, redis: true, upstream: true, max_buffered: 32 << 20 }
    }
}

/// All taps of this sidecar.
pub struct Tap {
    path: PathBuf,
    settings: watch::Sender<TapSettings>,
    expected: Mutex<HashMap<String, Arc<Slot>>>,
    taps: AtomicUsize,
    /// Bytes of all traces together that may be kept.
    room: usize,
    kept: AtomicUsize,
}

/// A request whose trace is awaited. Dropped, it is forgotten.
pub struct Expected {
    tap: Arc<Tap>,
    id: String,
    slot: Arc<Slot>,
}

#[derive(Default)]
struct Slot {
    growing: Mutex<Growing>,
    changed: Notify,
}

impl Tap {
    /// A receiver for the socket at `path`; `room` bounds the bytes of all traces together. When they are
    /// used up, traces come out incomplete.
    pub fn new(path: PathBuf, settings: TapSettings, room: usize) -> Arc<Self> {
        let (settings, _) = watch::channel(settings);
        Arc::new(Self {
            path,
            settings,
            expected: Mutex::default(),
            taps: AtomicUsize::new(0),
            room,
            kept: AtomicUsize::new(0),
        })
    }

    /// Taps that are connected.
    pub fn connected(&self) -> usize {
        self.taps.load(Ordering::Relaxed)
    }

    /// Tells all taps other settings.
    pub fn set(&self, settings: TapSettings) {
        self.settings.send_replace(settings);
    }

    /// Announces the request that Node will know by this id.
    pub fn expect(self: &Arc<Self>, id: String) -> Expected {
        let slot = Arc::new(Slot::default());
        self.expected.lock().insert(id.clone(), Arc::clone(&slot));
        Expected { tap: Arc::clone(self), id, slot }
    }

    /// Listens until `stop`. While the socket cannot be made, it is tried again and again; one whose name
    /// was taken away is made anew.
    pub async fn listen(self: Arc<Self>, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        while let Some(socket) = self.bind(&stop).await {
            let mut look = tokio::time::interval(LOOK);
            loop {
                tokio::select! {
                    () = stop.cancelled() => {
                        socket.remove();
                        break;
                    }
                    Some(_) = connections.join_next() => {}
                    _ = look.tick() => {
                        if !socket.is_there() {
                            tracing::warn!(path = %self.path.display(), "The tap's socket was taken away");
                            break;
                        }
                    }
                    accepted = socket.listener.accept(), if connections.len() < MAX_TAPS => match accepted {
                        Ok((stream, _)) => {
                            let (tap, stop) = (Arc::clone(&self), stop.clone());
                            connections.spawn(async move { tap.serve(stream, &stop).await });
                        }
                        Err(error) => {
                            tracing::warn!(%error, "Cannot accept a tap");
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                    }
                }
            }
        }
        while connections.join_next().await.is_some() {}
    }

    /// Makes the socket, once a predecessor that is still draining has let go of it and nothing else is in
    /// the way. `None` at `stop`.
    async fn bind(&self, stop: &CancellationToken) -> Option<Socket> {
        let mut told = String::new();
        while !stop.is_cancelled() {
            let pause = match Socket::bind(&self.path).await {
                Ok(socket) => return Some(socket),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => TAKE_OVER,
                Err(error) => {
                    // Once for each reason: somebody has to mend it.
                    if told != error.to_string() {
                        told = error.to_string();
                        let path = self.path.display();
                        tracing::error!(%path, %error, "The tap's socket cannot be used; shadow evidence is weaker");
                    }
                    LOOK
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        None
    }

    async fn serve(&self, stream: UnixStream, stop: &CancellationToken) {
        let count = self.taps.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::info!(taps = count, "A tap has connected");
        let mut open = HashMap::new();
        let ended = tokio::select! {
            ended = self.converse(stream, &mut open) => ended,
            () = stop.cancelled() => Ok(()),
        };
        for slot in open.into_values() {
            let slot: Arc<Slot> = slot;
            slot.growing.lock().spoil("the tap has left");
            slot.changed.notify_waiters();
        }
        let count = self.taps.fetch_sub(1, Ordering::Relaxed) - 1;
        match ended {
            Ok(()) => tracing::info!(taps = count, "A tap has left"),
            Err(error) => tracing::warn!(taps = count, %error, "A tap was lost"),
        }
    }

    async fn converse(
        &self,
        mut stream: UnixStream,
        open: &mut HashMap<u32, Arc<Slot>>,
    ) -> io::Result<()> {
        let mut settings = self.settings.subscribe();
        let mut buffer = BytesMut::with_capacity(64 * 1024);
        settings.mark_changed();
        loop {
            tokio::select! {
                changed = settings.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let frame = frame::encode(b'S', &*settings.borrow_and_update());
                    stream.write_all(&frame).await?;
                }
                read = stream.read_buf(&mut buffer) => {
                    if read? == 0 {
                        return Ok(());
                    }
                    while let Some(frame) = frame::next(&mut buffer).map_err(io::Error::other)? {
                        self.take(frame, open);
                    }
                }
            }
        }
    }

    fn take(&self, frame: Frame, open: &mut HashMap<u32, Arc<Slot>>) {
        let (request, note) = match frame {
            Frame::Hello(hello) => {
                tracing::debug!(pid = hello.pid, node = hello.node, v = hello.v, "tap");
                return;
            }
            Frame::Of(request, note) => (request, note),
        };
        if let Note::Begin { id, .. } = &note
            && let Some(slot) = self.expected.lock().get(id)
        {
            open.insert(request, Arc::clone(slot));
        }
        let Some(slot) = open.get(&request) else { return };
        // Only this table still knows it: nobody waits.
        if Arc::strong_count(slot) == 1 {
            open.remove(&request);
            return;
        }
        let mut growing = slot.growing.lock();
        let before = growing.bytes;
        growing.add(note, self.room.saturating_sub(self.kept.load(Ordering::Relaxed)));
        self.kept.fetch_add(growing.bytes - before, Ordering::Relaxed);
        drop(growing);
        slot.changed.notify_waiters();
    }
}

impl Expected {
    /// The id that Node knows the request by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Waits until Node has done everything for the request, at most until `deadline`. What is there by
    /// then is given; a trace that had not ended says so.
    pub async fn trace(self, deadline: Instant) -> NodeTrace {
        let busy = self.tap.expected.lock().len() > BUSY;
        loop {
            let changed = self.slot.changed.notified();
            let patience = {
                let growing = self.slot.growing.lock();
                // Since it was last told something, which may be long ago when many wait to be done again.
                let last = growing.last.unwrap_or_else(Instant::now);
                match (growing.is_closed(), growing.quiet) {
                    (true, _) if busy => last + WHEN_BUSY,
                    (true, true) => last + AFTER_QUIET,
                    (true, false) => last + SILENCE,
                    (false, _) => deadline,
                }
            };
            if timeout_at(patience.min(deadline), changed).await.is_err() {
                break;
            }
        }
        let mut growing = std::mem::take(&mut *self.slot.growing.lock());
        if !growing.is_closed() {
            growing.spoil("the trace has no end");
        }
        self.tap.kept.fetch_sub(growing.bytes, Ordering::Relaxed);
        growing.finish()
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.tap.expected.lock().remove(&self.id);
        let left = std::mem::take(&mut *self.slot.growing.lock());
        self.tap.kept.fetch_sub(left.bytes, Ordering::Relaxed);
    }
}
