//! The request's way to Node, and whether its client stays.

use std::{
    io::{self, IoSlice},
    sync::atomic::Ordering,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
};

use super::{
    framing::BodyTrack,
    head::{Framing, RequestHead},
    shared::{READ, Shared},
};

/// A request on its way out.
pub(super) struct Outgoing<'a> {
    pub head: &'a RequestHead,
    pub head_out: &'a Bytes,
    pub early: &'a Bytes,
    pub track: BodyTrack,
}

/// Takes what belongs to the body out of the buffer.
pub(super) fn next_part(
    shared: &Shared<'_>,
    buffer: &mut BytesMut,
    track: &mut BodyTrack,
) -> Bytes {
    if track.is_done() || buffer.is_empty() {
        return Bytes::new();
    }
    let mut observed = shared.observed.lock();
    if !observed.is_on() {
        let used = match track.advance(buffer, |_| {}) {
            Ok(used) => used,
            Err(_) => give_up_framing(shared, buffer, track),
        };
        return buffer.split_to(used).freeze();
    }
    let mut places = Vec::new();
    let used = match track.advance(buffer, |range| places.push(range)) {
        Ok(used) => used,
        Err(_) => give_up_framing(shared, buffer, track),
    };
    let part = buffer.split_to(used).freeze();
    for place in places {
        observed.tell(|observer| observer.on_request_chunk(part.slice(place)));
    }
    part
}

/// What cannot be followed is passed on for Node to judge; nothing after it is read as a request.
fn give_up_framing(shared: &Shared<'_>, buffer: &BytesMut, track: &mut BodyTrack) -> usize {
    shared.broken.store(true, Ordering::Relaxed);
    *track = BodyTrack::new(Framing::UntilClose);
    buffer.len()
}

/// Passes the request on, then watches whether the client stays. Returns when it does not.
pub(super) async fn upload(
    shared: &Shared<'_>,
    buffer: &mut BytesMut,
    from_client: &mut ReadHalf<'_>,
    to_node: &mut WriteHalf<'_>,
    request: Outgoing<'_>,
) {
    let Outgoing { head_out, early, mut track, .. } = request;
    let stats = &shared.forwarder.stats;
    let mut node_reads = write_both(to_node, head_out, early).await.is_ok();
    stats.up.increment((head_out.len() + early.len()) as u64);
    while node_reads && !track.is_done() {
        let part = next_part(shared, buffer, &mut track);
        if !part.is_empty() {
            shared.turn(true);
            node_reads = to_node.write_all(&part).await.is_ok();
            stats.up.increment(part.len() as u64);
            continue;
        }
        shared.turn(false);
        buffer.reserve(READ);
        match from_client.read_buf(buffer).await {
            Ok(0) => {
                shared.half_open.store(true, Ordering::Relaxed);
                let _ = to_node.shutdown().await;
                return;
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
    // Node that does not read may still answer; its answer ends the exchange either way.
    shared.sent.store(track.is_done(), Ordering::Relaxed);
    if track.is_done() {
        shared.observed.lock().tell(|observer| observer.on_request_end());
    }
    shared.turn(true);
    if buffer.is_empty() {
        // Open streams cost little.
        *buffer = BytesMut::new();
    }
    if !node_reads {
        shared.broken.store(true, Ordering::Relaxed);
        std::future::pending::<()>().await;
    }
    match from_client.peek(&mut [0; 1]).await {
        // The next request already; it waits, and a client that leaves now is noticed by writing.
        Ok(1..) => std::future::pending().await,
        Ok(0) => {
            shared.half_open.store(true, Ordering::Relaxed);
            let _ = to_node.shutdown().await;
        }
        Err(_) => {}
    }
}

pub(super) async fn write_both(
    to: &mut WriteHalf<'_>,
    first: &[u8],
    second: &[u8],
) -> io::Result<()> {
    if second.is_empty() {
        return to.write_all(first).await;
    }
    let n = to.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]).await?;
    if let Some(rest) = first.get(n..) {
        to.write_all(rest).await?;
    }
    to.write_all(second.get(n.saturating_sub(first.len())..).unwrap_or_default()).await
}
