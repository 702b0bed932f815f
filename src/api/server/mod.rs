//! The listener: accepts connections, bounds them, and drains them at the end.
//!
//! Stopping goes in steps. `stop` is cancelled: no new connections, idle ones close, open exchanges go
//! on and their connections are not kept. After the drain time `cut` is cancelled: streams end
//! themselves properly. A little later what is left is dropped.

mod activity;
mod exchanges;
#[cfg(test)]
mod tests;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use activity::{Activity, LATE, Tracked};
pub use axum::body::Body;
pub use exchanges::exchanges;

use super::middleware::Front;

/// Silence after which a connection is closed; promised to clients as `Keep-Alive`.
pub const IDLE: Duration = Duration::from_secs(605);
/// Time within which request line and headers must have arrived (408 beyond).
pub const HEAD_TIME: Duration = Duration::from_secs(60);
/// Wait after a failed accept, doubled up to the second figure.
const ACCEPT_BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// Most connections taken from the backlog after `stop`; the socket may be another process's too.
const LAST_ACCEPTED: usize = 1024;
/// What streams get to end themselves after `cut`.
const CUT_GRACE: Duration = Duration::from_secs(5);

/// Bounds of the server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections; more wait in the listen backlog.
    pub max_connections: u32,
    /// How long open exchanges may go on after `stop`.
    pub drain: Duration,
}

/// The two moments of an ending service.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Cancelled when the service shall stop.
    pub stop: CancellationToken,
    /// Cancelled by the server when the drain time is over: streams end now.
    pub cut: CancellationToken,
}

/// What serves a connection from its first byte to its end.
pub trait Connections: Clone + Send + Sync + 'static {
    /// Serves `stream`. After `stop` is cancelled it takes no further exchange.
    fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send;
}

impl Connections for Front {
    async fn serve(&self, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
        let activity = Arc::new(Activity::begin());
        let stream = Tracked::new(stream, Arc::clone(&activity));
        let peer: Arc<str> = peer_text(peer).into();
        exchanges(stream, &activity, &stop, move |request, closing| {
            let (front, peer) = (self.clone(), Arc::clone(&peer));
            async move { front.handle(request, &peer, closing).await }
        })
        .await;
    }
}

/// Serves until `shutdown.stop`, then drains.
pub async fn run(
    listener: TcpListener,
    front: impl Connections,
    shutdown: Shutdown,
    limits: Limits,
) {
    let slots = Arc::new(Semaphore::new(limits.max_connections as usize));
    let connections = TaskTracker::new();
    let drop_all = CancellationToken::new();
    let mut backoff = ACCEPT_BACKOFF.0;
    let begin = |stream: TcpStream, peer, slot: OwnedSemaphorePermit| {
        let (front, stop, drop_all) = (front.clone(), shutdown.stop.clone(), drop_all.clone());
        // Supervised by the tracker, which the drain waits for.
        connections.spawn(async move {
            // Small writes (events of a stream) must not wait for each other.
            let _ = stream.set_nodelay(true);
            tokio::select! {
                () = front.serve(stream, peer, stop) => {}
                () = drop_all.cancelled() => {}
            }
            drop(slot);
        });
    };
    loop {
        let accepted = tokio::select! {
            () = shutdown.stop.cancelled() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let (stream, peer, slot) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: the backlog holds the clients meanwhile.
                tracing::warn!(%error, "Cannot accept connections");
                sleep(backoff).await;
                backoff = (backoff * 2).min(ACCEPT_BACKOFF.1);
                continue;
            }
        };
        backoff = ACCEPT_BACKOFF.0;
        begin(stream, peer, slot);
    }
    // Who waits in the backlog was let in by the system; closing the socket would reset them.
    for _ in 0..LAST_ACCEPTED {
        let Some(Ok((stream, peer, slot))) = accept(&listener, &slots).now_or_never() else {
            break;
        };
        begin(stream, peer, slot);
    }
    drop(listener);
    drain(&connections, &shutdown.cut, &drop_all, limits.drain).await;
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, slot))
}

async fn drain(
    connections: &TaskTracker,
    cut: &CancellationToken,
    drop_all: &CancellationToken,
    time: Duration,
) {
    connections.close();
    if !connections.is_empty() {
        tracing::info!(connections = connections.len(), "Draining");
    }
    if tokio::time::timeout(time, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "Drain time is over, ending open streams");
        cut.cancel();
        if tokio::time::timeout(CUT_GRACE, connections.wait()).await.is_err() {
            drop_all.cancel();
            connections.wait().await;
        }
    }
    cut.cancel();
}

/// The peer's address; IPv4 over an IPv6 socket is shown as IPv4.
pub fn peer_text(peer: SocketAddr) -> String {
    peer.ip().to_canonical().to_string()
}
