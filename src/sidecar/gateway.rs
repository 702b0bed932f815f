//! Serves client connections: each request goes to Node or to the own front, on the same connection.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    forward::{
        After, Client, Context, Forwarder, Framing, HeadError, RequestHead, linger,
        rewrite::Rewrite,
    },
    inlet::{Inlet, Next},
    routing::{Route, Routing},
};
use crate::api::{
    middleware::{Fault, Front, KeptBody, Unserved},
    server::{Activity, Body, Connections, HEAD_TIME, IDLE, LATE, Tracked, exchanges, peer_text},
};

/// A connection that was accepted just before the service stopped gets so long for its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(5);

/// What serves clients while the legacy service is there.
#[derive(Clone)]
pub struct Gateway {
    front: Front,
    forwarder: Arc<Forwarder>,
    routing: Arc<dyn Routing>,
    trust_proxy: bool,
}

impl Gateway {
    /// A gateway that asks `routing` about every request.
    pub fn new(
        front: Front,
        forwarder: Arc<Forwarder>,
        routing: Arc<dyn Routing>,
        trust_proxy: bool,
    ) -> Self {
        Self { front, forwarder, routing, trust_proxy }
    }

    /// Answers a request with the own front; what the front could not serve goes to Node after all.
    async fn own(
        &self,
        head: Option<RequestHead>,
        mut request: Request<Incoming>,
        peer: (&str, SocketAddr),
        closing: bool,
    ) -> Response<Body> {
        let kept = KeptBody::default();
        request.extensions_mut().insert(kept.clone());
        let began = Instant::now();
        let response = self.front.handle(request, peer.0, closing).await;
        let fault = response.extensions().get::<Fault>().is_some();
        self.routing.answered(true, fault, began.elapsed());
        if response.extensions().get::<Unserved>().is_none() {
            return response;
        }
        let (Some(head), Some(body)) = (head, kept.take()) else { return response };
        self.fall_back(&head, &body, peer.1).await.unwrap_or(response)
    }

    /// Node's answer to a request that the front has read; `None` when there is none either.
    async fn fall_back(
        &self,
        head: &RequestHead,
        body: &Bytes,
        peer: SocketAddr,
    ) -> Option<Response<Body>> {
        // Without its body a request must not be sent.
        if body.is_empty() && head.framing() != Framing::None {
            return None;
        }
        let with = Rewrite { peer: peer.ip(), trust_proxy: self.trust_proxy, trace: None };
        metrics::counter!("crs_forward_fallbacks_total").increment(1);
        match self.forwarder.forward_collected(head, body, with).await {
            Ok(response) => Some(response.map(Body::new)),
            Err(failure) => {
                self.forwarder.refused(head, &failure);
                None
            }
        }
    }

    /// Waits for the next request, as long as it may take.
    async fn next(&self, inlet: &mut Inlet, stop: &CancellationToken, fresh: bool) -> Option<Next> {
        let waiting_since = Instant::now();
        let mut deadline = waiting_since + HEAD_TIME;
        let mut begun: Option<Instant> = None;
        let mut stopping = false;
        loop {
            tokio::select! {
                biased;
                next = inlet.next() => return next,
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    if !fresh && !inlet.has_begun() {
                        return None;
                    }
                    deadline = deadline.min(Instant::now() + FIRST_REQUEST);
                }
                () = sleep_until(deadline) => {
                    let now = Instant::now();
                    if inlet.has_begun() {
                        let since = *begun.get_or_insert(now);
                        // The first look may come right after the head's first byte.
                        if stopping || now >= since + HEAD_TIME || since == now && fresh {
                            let _ = inlet.parts().0.write_all(LATE).await;
                            return None;
                        }
                        deadline = since + HEAD_TIME;
                    } else if stopping || now >= waiting_since + IDLE {
                        return None;
                    } else {
                        deadline = (waiting_since + IDLE).min(now + HEAD_TIME);
                    }
                }
            }
        }
    }
}

impl Connections for Gateway {
    async fn serve(&self, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
        let activity = Arc::new(Activity::begin());
        let tracked = Tracked::new(stream, Arc::clone(&activity));
        let mut inlet =
            Inlet::new(tracked, Arc::clone(&self.routing), peer.ip(), Arc::clone(&activity));
        let mut fresh = true;
        loop {
            let Some(next) = self.next(&mut inlet, &stop, fresh).await else { return };
            fresh = false;
            match next {
                Next::Own => {
                    activity.resume();
                    let (heads, name) = (inlet.heads(), Arc::<str>::from(peer_text(peer)));
                    exchanges(&mut inlet, &activity, &stop, move |request, closing| {
                        let (head, name) = (heads.lock().pop_front(), Arc::clone(&name));
                        async move { self.own(head, request, (&name, peer), closing).await }
                    })
                    .await;
                    if !inlet.take_handover() {
                        return;
                    }
                }
                Next::Legacy(head, route) => {
                    let trace = match route {
                        Route::Legacy { trace } => trace,
                        Route::Own => None,
                    };
                    // Node has no tunnels and hangs up.
                    if head.method() == "CONNECT" {
                        return;
                    }
                    let (stream, buffer) = inlet.parts();
                    let client = Client { stream, buffer };
                    let context = Context { peer: peer.ip(), stop: &stop, trace };
                    if self.forwarder.forward(client, &head, context).await == After::Closed {
                        return;
                    }
                    if stop.is_cancelled() {
                        return;
                    }
                }
                Next::Refused(error) => {
                    let stream = inlet.parts().0;
                    if stream.write_all(refusal(error)).await.is_ok() {
                        linger(stream).await;
                    }
                    return;
                }
            }
        }
    }
}

/// What Node's parser answers.
fn refusal(error: HeadError) -> &'static [u8] {
    match error {
        HeadError::Malformed => b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
        HeadError::TooLong => {
            b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n"
        }
    }
}
