//! The stand-in upstream: answers like the Anthropic API and like ChatGPT's backend, from nothing.
//!
//! Speaks Messages and Responses (JSON and SSE), `count_tokens`, the model list and the OAuth token endpoint
//! over plain HTTP/1.1. Its speed and the size of its answers can be set while it runs. It must stay cheap:
//! measurements share their machine with it. It checks nothing and remembers nothing but a count.

mod behaviour;
mod messages;
mod paced;
mod responses;
#[cfg(test)]
mod tests;

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream, ToSocketAddrs},
    sync::Notify,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

pub use self::behaviour::{Behaviour, Cue, TokenCounts};
use self::{messages::MessageRequest, paced::Paced};

/// A listener that answers like the vendor once [`run`](Self::run).
pub struct StandIn {
    listener: TcpListener,
    controls: Controls,
}

/// Handle to a running [`StandIn`]; cheap to clone.
#[derive(Clone, Default)]
pub struct Controls(Arc<Shared>);

#[derive(Default)]
struct Shared {
    behaviour: ArcSwap<Behaviour>,
    requests: AtomicU64,
    arrival: Notify,
    held: AtomicU64,
    let_go: AtomicBool,
}

const EVENTS: &str = "text/event-stream; charset=utf-8";
const JSON: &str = "application/json";

/// Between two events of a held stream.
const TICK: Duration = Duration::from_millis(100);

/// A held stream while it is open.
struct Held(Controls);

impl StandIn {
    /// Listens on `address`.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, controls: Controls::default() })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// A handle that outlives [`run`](Self::run).
    pub fn controls(&self) -> Controls {
        self.controls.clone()
    }

    /// Answers until `stop`, then drops its connections.
    pub async fn run(self, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(serve(stream, self.controls.clone()));
                    }
                    // Out of descriptors: the next connection may find one.
                    Err(_) => tokio::task::yield_now().await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

impl Controls {
    /// Changes what following requests get.
    pub fn set(&self, behaviour: Behaviour) {
        self.0.behaviour.store(Arc::new(behaviour));
    }

    /// Requests for messages and responses so far.
    pub fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// Held streams that are open.
    pub fn held(&self) -> u64 {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Lets held streams come to their ends, these and all that follow.
    pub fn let_go(&self) {
        self.0.let_go.store(true, Ordering::Relaxed);
    }

    /// Resolves when the next request for messages arrives.
    pub async fn arrival(&self) {
        self.0.arrival.notified().await;
    }
}

impl Held {
    fn new(controls: &Controls) -> Self {
        controls.0.held.fetch_add(1, Ordering::Relaxed);
        Self(controls.clone())
    }

    fn may_end(&self) -> bool {
        self.0.0.let_go.load(Ordering::Relaxed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve(stream: TcpStream, controls: Controls) {
    // Events are small and must leave at once.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let controls = controls.clone();
        async move { Ok::<_, Infallible>(answer(request, &controls).await) }
    });
    // A client that leaves in the middle is none of our business.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(request: Request<Incoming>, controls: &Controls) -> Response<Paced> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return error(StatusCode::BAD_REQUEST, "invalid_request_error", "body cut short");
    };
    let body = body.to_bytes();
    match (&parts.method, parts.uri.path()) {
        (&Method::POST, "/v1/messages") => message(&body, controls).await,
        (&Method::POST, "/backend-api/codex/responses") => response(&body, controls).await,
        (&Method::POST, "/v1/messages/count_tokens") => {
            json_reply(&json!({ "input_tokens": messages::tokens_in(body.len()) }))
        }
        (&Method::POST, "/v1/oauth/token") => json_reply(&messages::token()),
        (&Method::GET, "/v1/models") => json_reply(&messages::models()),
        (_, path) => {
            let text = format!("{} {path} is not something the stand-in knows", parts.method);
            error(StatusCode::NOT_FOUND, "not_found_error", &text)
        }
    }
}

/// A request that costs something has arrived.
fn count(controls: &Controls) {
    controls.0.requests.fetch_add(1, Ordering::Relaxed);
    controls.0.arrival.notify_waiters();
}

async fn response(body: &Bytes, controls: &Controls) -> Response<Paced> {
    count(controls);
    let behaviour = controls.0.behaviour.load();
    let Ok(request) = serde_json::from_slice::<MessageRequest<'_>>(body) else {
        return error(StatusCode::BAD_REQUEST, "invalid_request_error", "body is not JSON");
    };
    let usage = behaviour.usage(body.len());
    if !behaviour.delay.is_zero() {
        tokio::time::sleep(behaviour.delay).await;
    }
    let answer = if request.stream {
        let events = responses::events(&request, &behaviour, usage);
        (EVENTS, Paced::events(events, behaviour.delta_delay))
    } else {
        (JSON, Paced::whole(responses::whole(&request, &behaviour, usage).into()))
    };
    with_headers(answer, &responses::LIMIT_HEADERS)
}

fn with_headers(
    (kind, body): (&'static str, Paced),
    more: &[(&'static str, &'static str)],
) -> Response<Paced> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in more {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    response
}

async fn message(body: &Bytes, controls: &Controls) -> Response<Paced> {
    count(controls);
    let behaviour = controls.0.behaviour.load();
    let Ok(request) = serde_json::from_slice::<MessageRequest<'_>>(body) else {
        return error(StatusCode::BAD_REQUEST, "invalid_request_error", "body is not JSON");
    };
    let cue = behaviour.cues.then(|| Cue::of(body)).flatten();
    let refused = match cue {
        Some(Cue::RateLimit) => {
            Some((StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "Too many requests"))
        }
        Some(Cue::Refuse) => {
            Some((StatusCode::BAD_REQUEST, "invalid_request_error", "max_tokens: too large"))
        }
        Some(Cue::Hold) | None => None,
    };
    if let Some((status, kind, text)) = refused {
        return error(status, kind, text);
    }
    let usage = behaviour.usage(body.len());
    if !behaviour.delay.is_zero() {
        tokio::time::sleep(behaviour.delay).await;
    }
    let answer = if request.stream {
        let events = messages::events(&request, &behaviour, usage);
        let body = match cue {
            Some(Cue::Hold) => held(events, controls),
            _ => Paced::events(events, behaviour.delta_delay),
        };
        (EVENTS, body)
    } else {
        let text = messages::whole(&request, &behaviour, usage);
        (JSON, Paced::whole(text.into()))
    };
    with_headers(answer, &messages::LIMIT_HEADERS)
}

/// A message's events with others in its middle, as many as it takes.
fn held(events: Vec<Bytes>, controls: &Controls) -> Paced {
    let mut events = events.into_iter();
    let open = Held::new(controls);
    let (mut begun, mut ticks) = (0, 0);
    let more = move || {
        // After the start of the message, of its text, and the ping.
        if begun < 3 {
            begun += 1;
            return events.next();
        }
        if !open.may_end() {
            ticks += 1;
            return Some(messages::tick(ticks));
        }
        events.next()
    };
    Paced::made(TICK, Box::new(more))
}

fn json_reply(value: &serde_json::Value) -> Response<Paced> {
    with_headers((JSON, Paced::whole(value.to_string().into())), &[])
}

fn error(status: StatusCode, kind: &str, message: &str) -> Response<Paced> {
    let body = json!({ "type": "error", "error": { "type": kind, "message": message } });
    let mut response = json_reply(&body);
    *response.status_mut() = status;
    response
}
