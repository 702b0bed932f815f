//! The exchanges of one connection, by hyper.

use std::{convert::Infallible, pin::pin, sync::Arc};

use axum::{
    body::Body,
    http::{Request, Response},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    HEAD_TIME, IDLE,
    activity::{Activity, Counted},
};

/// A head longer than this is refused unread (431), in bytes; the front has the exact limit.
const MAX_HEAD: usize = 32 * 1024;
/// Most bytes buffered per connection and direction; it stays with the connection.
const MAX_BUFFER: usize = MAX_HEAD;
/// A connection may carry this many headers.
const MAX_HEADERS: usize = 512;

/// Answers what arrives on `io` with `handle`, which is also told whether the service is stopping.
/// Returns when the connection is over.
pub async fn exchanges<IO, H, F>(
    io: IO,
    activity: &Arc<Activity>,
    stop: &CancellationToken,
    handle: H,
) where
    IO: AsyncRead + AsyncWrite + Send + Unpin,
    H: Fn(Request<Incoming>, bool) -> F + Send,
    F: Future<Output = Response<Body>> + Send,
{
    let service = service_fn(|request: Request<Incoming>| {
        activity.head_complete();
        let busy = activity.busy();
        let answering = handle(request, stop.is_cancelled());
        async move {
            let response = answering.await;
            Ok::<_, Infallible>(response.map(|body| Counted::new(body, busy)))
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(MAX_BUFFER)
        .max_header_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(io), service);
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
