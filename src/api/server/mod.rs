//! The listener: accepts connections, bounds them, and drains them at the end.
//!
//! Stopping goes in steps. `stop` is cancelled: no new connections, idle ones close, open exchanges go
//! on and their connections are not kept. After the drain time `cut` is cancelled: streams end
//! themselves properly. A little later what is left is dropped.

mod activity;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::middleware::Front;
use activity::{Activity, Tracked};

/// A head longer than this is refused unread (431), in bytes; the front has the exact limit.
const MAX_HEAD: usize = 32 * 1024;
/// Most bytes buffered per connection and direction; it stays with the connection.
const MAX_BUFFER: usize = MAX_HEAD;
/// A connection may carry this many headers.
const MAX_HEADERS: usize = 512;
/// Silence after which a connection is closed; promised to clients as `Keep-Alive`.
const IDLE: Duration = Duration::from_secs(605);
/// Time within which request line and headers must have arrived (408 beyond).
const HEAD_TIME: Duration = Duration::from_secs(60);
/// Wait after a failed accept, doubled up to the second figure.
const ACCEPT_BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
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

/// Serves until `shutdown.stop`, then drains.
pub async fn run(listener: TcpListener, front: Front, shutdown: Shutdown, limits: Limits) {
    let slots = Arc::new(Semaphore::new(limits.max_connections as usize));
    let connections = TaskTracker::new();
    let drop_all = CancellationToken::new();
    let mut backoff = ACCEPT_BACKOFF.0;
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
        let (front, stop, drop_all) = (front.clone(), shutdown.stop.clone(), drop_all.clone());
        // Supervised by the tracker, which the drain waits for.
        connections.spawn(async move {
            tokio::select! {
                () = connection(stream, peer, front, stop) => {}
                () = drop_all.cancelled() => {}
            }
            drop(slot);
        });
    }
    drop(listener);
    drain(&connections, &shutdown.cut, &drop_all, limits.drain).await;
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
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

/// One connection, from its first byte to its end.
async fn connection(stream: TcpStream, peer: SocketAddr, front: Front, stop: CancellationToken) {
    // Small writes (events of a stream) must not wait for each other.
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(Activity::new());
    let peer: Arc<str> = peer_text(peer).into();
    let service = service_fn({
        let (activity, stop) = (Arc::clone(&activity), stop.clone());
        move |request: Request<Incoming>| {
            activity.head_complete();
            let (front, peer, stop) = (front.clone(), Arc::clone(&peer), stop.clone());
            let busy = activity.busy();
            async move {
                let response = front.handle(request, &peer, stop.is_cancelled()).await;
                Ok::<_, Infallible>(response.map(|body| activity::Counted::new(body, busy)))
            }
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(MAX_BUFFER)
        .max_header_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(Tracked::new(stream, Arc::clone(&activity))), service);
    let mut served = pin!(served);
    let mut stopping = false;
    loop {
        let wake = activity.next_check(IDLE, HEAD_TIME);
        tokio::select! {
            ended = &mut served => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "Connection ended");
                }
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                served.as_mut().graceful_shutdown();
            }
            () = sleep_until(wake) => {
                let now = Instant::now();
                if activity.head_is_late(now, HEAD_TIME) {
                    activity.refuse_late_head();
                } else if activity.is_silent(now, IDLE) {
                    return;
                }
            }
        }
    }
}

/// The peer's address; IPv4 over an IPv6 socket is shown as IPv4.
fn peer_text(peer: SocketAddr) -> String {
    peer.ip().to_canonical().to_string()
}
