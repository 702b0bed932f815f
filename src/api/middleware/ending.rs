//! The end of an exchange: the request's log line, and telling the pipeline that the client left.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use axum::{
    body::{Body, Bytes},
    http::{header::CONTENT_LENGTH, response::Parts},
};
use http_body::{Frame, SizeHint};
use tokio_util::sync::CancellationToken;

use super::count;

/// What the log line says.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Id of the request.
    pub request_id: String,
    /// HTTP method.
    pub method: String,
    /// URL without credentials.
    pub url: String,
    /// Client address.
    pub ip: String,
    /// Client's user-agent after rewriting.
    pub agent: String,
    /// Client's `referer`.
    pub referer: String,
    /// Name and id of the key, when one was accepted.
    pub key: Option<String>,
    /// Status of the answer.
    pub status: u16,
    /// `Content-Length` of the answer, 0 for streams.
    pub length: u64,
}

/// Response extension with the accepted key's name and id, for the log line.
#[derive(Clone, Debug)]
pub struct KeyLabel(pub String);

/// A request slower than this is told separately.
const SLOW_MS: u128 = 5000;

/// What is left to do when an exchange ends. Dropped before its end, it cancels `gone`.
pub struct Ending {
    gone: CancellationToken,
    exchange: Exchange,
    started: Instant,
    complete: bool,
}

impl Ending {
    /// The end of an exchange that began at `started`.
    pub fn new(gone: CancellationToken, exchange: Exchange, started: Instant) -> Self {
        Self { gone, exchange, started, complete: false }
    }

    /// Takes what the log line says of the answer.
    pub fn answered(&mut self, head: &mut Parts) {
        self.exchange.status = head.status.as_u16();
        self.exchange.length = head
            .headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .unwrap_or(0);
        count::answered(&self.exchange, self.started);
        self.exchange.key = head.extensions.remove::<KeyLabel>().map(|label| label.0);
    }

    /// The answer was handed over whole.
    pub fn complete(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if !self.complete {
            self.complete = true;
            count::ended(&self.exchange, self.started);
            if self.exchange.url != "/health" {
                log(&self.exchange, self.started);
            }
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.complete {
            count::left(&self.exchange);
            self.gone.cancel();
        }
    }
}

/// The answer's body; ends the exchange when its last byte was taken.
pub struct Watched {
    body: Body,
    ending: Ending,
}

impl Watched {
    /// Wraps `body`.
    pub fn wrap(body: Body, ending: Ending) -> Body {
        if http_body::Body::is_end_stream(&body) {
            ending.complete();
            return body;
        }
        Body::new(Self { body, ending })
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let last = match &frame {
            None => true,
            Some(Ok(_)) => self.body.is_end_stream(),
            Some(Err(_)) => false,
        };
        if last {
            self.ending.end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn log(exchange: &Exchange, started: Instant) {
    let ms = started.elapsed().as_millis();
    let Exchange { request_id, method, url, ip, agent, referer, key, status, length } = exchange;
    let key = key.as_deref().unwrap_or("none");
    macro_rules! line {
        ($level:ident, $mark:literal) => {
            tracing::$level!(
                requestId = %request_id, key, ip = %ip, ua = %agent, referer = %referer,
                "{} {status} {method} {url}  {ms}ms {length}B", $mark
            )
        };
    }
    match status {
        500.. => line!(error, "❌"),
        400..=499 => line!(warn, "⚠️ "),
        _ if url.contains("event_logging") => line!(debug, "🟢"),
        _ => line!(info, "🟢"),
    }
    if ms > SLOW_MS {
        tracing::warn!("🐌 Slow request: {ms}ms {method} {url}");
    }
}
