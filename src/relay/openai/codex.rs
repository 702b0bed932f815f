//! One exchange with the Codex backend: what plain and streamed calls share.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream, stream::BoxStream};

use super::{Asked, Relay, thrown};
use crate::{
    accounts::OpenAiReady,
    domain::HeaderList,
    platform::{
        BuiltRequest,
        openai_codex::{self as codex, Refused},
    },
    relay::{Call, Reply, ReplyBody, RequestBody, choose::Chosen, official::sent, plain::read_all},
    upstream::{SendError, SendErrorKind, UpstreamResponse},
    wire::{
        anthropic::sanitize::SafeError,
        json::Kind,
        openai::{adapt, events::is_no_moment},
    },
};

/// What the legacy service's runtime says of a moment that it cannot write down.
pub(in crate::relay) const NO_MOMENT: &str = "Invalid time value";
/// How long an error is read when events were wanted.
const ERROR_PATIENCE: Duration = Duration::from_secs(5);
/// Headers of an answer that clients get.
const PASSED: [&str; 3] = ["openai-version", "x-request-id", "openai-processing-ms"];

/// A ChatGPT account at work for a request.
pub(super) struct Seated {
    pub(super) chosen: Chosen,
    pub(super) ready: OpenAiReady,
    pub(super) asked: Asked,
    /// Instructions to remember once the backend has taken them.
    pub(super) genuine: Option<String>,
    /// Whether events are wanted: unless the client says `false`.
    pub(super) stream: bool,
}

impl Relay {
    /// Relays a request to a ChatGPT account.
    pub(super) async fn codex(
        self: &Arc<Self>,
        mut call: Call,
        chosen: Chosen,
        ready: OpenAiReady,
        asked: Asked,
        genuine: Option<String>,
    ) -> Reply {
        let compact = asked.ask.is_compact();
        let root = call.incoming.body.root();
        let events = root.get("stream").is_none_or(|stream| stream.kind() != Kind::False);
        // A chat client that does not say hears JSON where the backend answers JSON (MIGRATION 62).
        let hears_json = events && asked.ask.is_unified() && root.get_truthy("stream").is_none();
        let body = adapt::for_codex(&call.incoming.body, compact);
        let built = codex::build(
            &self.codex_account(&ready),
            &codex::Call { body: &body, headers: &call.incoming.headers, compact, stream: events },
        );
        if call.config.detail_capture
            && let Ok(shown) = RequestBody::parse(body)
        {
            call.incoming.body = Arc::new(shown);
        } else {
            call.forget_body();
        }
        let mut seated = Seated { chosen, ready, asked, genuine, stream: events };
        let answered = self.to_codex(&call, &seated.ready, built).await;
        let mut response = match answered {
            Ok(response) => response,
            Err(error) => return broken(&self.named(error)),
        };
        if !events {
            // A plain answer counts once it is complete.
            match self.whole(&call, response.body).await {
                Ok(body) => response.body = stream::iter([Ok(body)]).boxed(),
                Err(error) => return broken(&error),
            }
        }
        let entry = seated.chosen.entry();
        self.accounts.openai_usage(entry, &response.headers).await;
        if hears_json && response.status < 400 && is_json(&response.headers) {
            seated.stream = false;
        }
        match (response.status, seated.stream) {
            (429, _) => self.codex_limited(&call, &seated, response).await,
            (401 | 402, _) => self.codex_unauthorized(&call, &seated, response).await,
            (_, true) => self.codex_events(call, seated, response).await,
            (_, false) => self.codex_plain(&call, &seated, response).await,
        }
    }

    pub(super) fn codex_account<'r>(&self, ready: &'r OpenAiReady) -> codex::Account<'r> {
        codex::Account {
            token: &ready.access_token,
            account_id: &ready.account_header,
            keep_alive: ready.proxy.is_none() || self.settings.proxy_keep_alive,
        }
    }

    /// One exchange, up to the answer's head. It goes on without its client, as the legacy service has it:
    /// what the account is charged for is booked.
    pub(super) async fn to_codex(
        &self,
        call: &Call,
        ready: &OpenAiReady,
        built: BuiltRequest,
    ) -> Result<UpstreamResponse, SendError> {
        let request = self.to_send(built, ready.proxy.clone());
        let answered = call.while_connected(self.unless_cut(self.sender.send(request))).await;
        call.trail.note("send", sent(&answered));
        answered
    }

    /// Work that ends with the service.
    pub(super) async fn unless_cut<T>(
        &self,
        work: impl Future<Output = Result<T, SendError>>,
    ) -> Result<T, SendError> {
        tokio::select! {
            done = work => done,
            () = self.cut_streams.cancelled() => {
                Err(SendError::new(SendErrorKind::Network, "the service is restarting"))
            }
        }
    }

    /// A failure in the words of the legacy service's HTTP library.
    pub(in crate::relay) fn named(&self, error: SendError) -> SendError {
        match error.kind {
            SendErrorKind::IdleTimeout => {
                let ms = self.settings.request_timeout.as_millis();
                SendError::new(error.kind, format!("timeout of {ms}ms exceeded"))
                    .with_code(Some("ECONNABORTED"))
            }
            _ => error,
        }
    }

    /// The account is limited.
    async fn codex_limited(
        &self,
        call: &Call,
        seated: &Seated,
        response: UpstreamResponse,
    ) -> Reply {
        let refused = match self.read_refusal(call, response.body, seated.stream).await {
            Ok(refused) => refused,
            Err(error) => return broken(&error),
        };
        let (resets_in_s, error) = codex::limit(refused);
        if resets_in_s.is_some_and(|s| s > 0.0 && is_no_moment(self.clock.now_ms(), s)) {
            return thrown(SafeError::of_message(NO_MOMENT));
        }
        let session = seated.asked.session.as_deref();
        self.accounts.openai_limited(seated.chosen.entry(), resets_in_s, session).await;
        if !seated.stream {
            return Reply { status: 429, headers: HeaderList::new(), body: ReplyBody::Json(error) };
        }
        let headers = [
            ("Content-Type", "text/event-stream"),
            ("Cache-Control", "no-cache"),
            ("Connection", "keep-alive"),
        ];
        let mut frame = BytesMut::with_capacity(error.len() + 8);
        frame.extend_from_slice(b"data: ");
        frame.extend_from_slice(&error);
        frame.extend_from_slice(b"\n\n");
        Reply::written(429, headers.into_iter().collect(), frame.freeze())
    }

    /// The account's token is refused, or it has not been paid for.
    async fn codex_unauthorized(
        &self,
        call: &Call,
        seated: &Seated,
        response: UpstreamResponse,
    ) -> Reply {
        let status = response.status;
        let refused = match self.read_refusal(call, response.body, seated.stream).await {
            Ok(refused) => refused,
            Err(error) => return broken(&error),
        };
        let (reason, error) = codex::unauthorized(status, refused);
        let session = seated.asked.session.as_deref();
        self.accounts.openai_unauthorized(seated.chosen.entry(), &reason, session).await;
        Reply { status, headers: HeaderList::new(), body: ReplyBody::Json(error) }
    }

    /// Reads a refusal as the call would have read its answer.
    pub(super) async fn read_refusal(
        &self,
        call: &Call,
        body: BoxStream<'static, Result<Bytes, SendError>>,
        stream: bool,
    ) -> Result<Refused, SendError> {
        if !stream {
            return Ok(Refused::plain(self.whole(call, body).await?));
        }
        Ok(match call.while_connected(collected(body)).await {
            (_, Some(_)) => Refused::Broken,
            (text, None) => Refused::Stream(text),
        })
    }

    /// Reads a whole answer, also without its client.
    pub(super) async fn whole(
        &self,
        call: &Call,
        body: BoxStream<'static, Result<Bytes, SendError>>,
    ) -> Result<Bytes, SendError> {
        let read = call.while_connected(self.unless_cut(read_all(body))).await;
        read.map_err(super::super::exchange::half_read)
    }
}

/// What an error consists of, within the time that it is read for, and how it broke.
pub(in crate::relay) async fn collected(
    mut body: BoxStream<'static, Result<Bytes, SendError>>,
) -> (Bytes, Option<SendError>) {
    let mut whole = BytesMut::new();
    let end = tokio::time::sleep(ERROR_PATIENCE);
    let mut end = std::pin::pin!(end);
    loop {
        let next = tokio::select! {
            next = body.next() => next,
            () = &mut end => return (whole.freeze(), None),
        };
        match next {
            Some(Ok(chunk)) => whole.extend_from_slice(&chunk),
            Some(Err(error)) => return (whole.freeze(), Some(error)),
            None => return (whole.freeze(), None),
        }
    }
}

fn is_json(headers: &HeaderList) -> bool {
    headers.get("content-type").is_some_and(|kind| kind.starts_with("application/json"))
}

/// The headers of an answer that clients get, after `first`.
pub(super) fn passed(first: &[(&str, &str)], answer: &HeaderList) -> HeaderList {
    let mut headers: HeaderList = first.iter().copied().collect();
    for name in PASSED {
        if let Some(value) = answer.get(name) {
            headers.push(name, value);
        }
    }
    headers
}

/// An exchange that broke.
pub(super) fn broken(error: &SendError) -> Reply {
    thrown(SafeError::of_error(&error.message, error.code))
}
