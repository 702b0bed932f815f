//! Streamed calls to official accounts (contract/anthropic.md §4.1, §4.2).

use std::sync::Arc;

use bytes::Bytes;

use super::{Ending, Prepared, Relay, is_serial};
use crate::{
    keys::MessageTurn,
    platform::claude_official::{Built, Endpoint, ToolNames, outcome, reply},
    relay::{
        Call, Reply, ReplyBody,
        chat::ChatTap,
        choose::{ChoiceError, Chosen},
        failure::connect_failure,
        plain::{PlainReply, read_all, served_by},
        pump::{End, Tap},
        settle::Served,
    },
    upstream::{SendError, SendErrorKind, UpstreamResponse},
    wire::{
        anthropic::UsageTap,
        sse::{self, LineSplitter},
    },
};

/// Longest line that is looked at; longer ones pass unread.
const LINE_LIMIT: usize = 8 * 1024 * 1024;

/// Told to clients whose streams end with the service.
pub(in crate::relay) const RESTARTING: &str = r#"{"type":"error","error":{"type":"overloaded_error","message":"The service is restarting, please retry"}}"#;

/// A vendor's answer to a streamed call, before anything reached the client.
enum Opened {
    /// 200: events follow.
    Events(UpstreamResponse),
    /// Any other status, read whole.
    Refused(PlainReply),
}

impl Relay {
    /// `/v1/messages` with streaming.
    pub(in crate::relay) async fn official_stream(
        self: &Arc<Self>,
        call: Call,
        chosen: Chosen,
    ) -> Result<Reply, (Call, ChoiceError)> {
        let serial = is_serial(&chosen);
        let turn = match self.turn(&call, &chosen.entry().id, serial).await {
            Ok(turn) => turn,
            Err(error) => return Ok(super::queue_refusal_stream(error)),
        };
        let prepared = match self.prepare(&call, &chosen).await {
            Ok(prepared) => prepared,
            Err(failure) => return Err((call, failure.into())),
        };
        let opening = async { Ok(self.open(&call, &chosen, &prepared).await) };
        let opened = self.for_client(&call, opening).await;
        let (built, opened) = match opened {
            Err(failure) => return Err((call, failure.into())),
            Ok(Err(error)) => return Ok(self.broken_before_start(&error)),
            Ok(Ok(opened)) => opened,
        };
        match opened {
            Opened::Refused(plain) => {
                drop(turn);
                Ok(self.refused_stream(&call, &chosen, &prepared, &built, plain).await)
            }
            Opened::Events(response) => {
                Ok(self.events(call, chosen, prepared, built, response, turn))
            }
        }
    }

    /// Exchanges until an answer stands: a 403 is tried again, a refusal of the client's looks once
    /// more with other tool names.
    async fn open(
        &self,
        call: &Call,
        chosen: &Chosen,
        prepared: &Prepared,
    ) -> Result<(Built, Opened), SendError> {
        let (mut suffixed, mut retries) = (false, 0);
        loop {
            let built = self.build(call, prepared, Endpoint::Messages, suffixed);
            self.note_fingerprint(prepared, &built).await;
            let response = self.exchange_with_retries(call, prepared, &built, &mut retries).await?;
            if response.status == 200 {
                return Ok((built, Opened::Events(response)));
            }
            let (status, headers) = (response.status, response.headers);
            let body = read_all(response.body).await?;
            let plain = PlainReply { status, headers, body };
            // A 429 is final whatever its text says.
            if status != 429 && !suffixed && outcome::refuses_tool_names(&plain.body) {
                if matches!(status, 401 | 500..600) {
                    // What a stream's status says of the account counts although it is tried again.
                    self.settle_official(call, chosen, prepared, &plain, Ending::Stream).await;
                }
                suffixed = true;
                continue;
            }
            return Ok((built, Opened::Refused(plain)));
        }
    }

    async fn refused_stream(
        &self,
        call: &Call,
        chosen: &Chosen,
        prepared: &Prepared,
        built: &Built,
        plain: PlainReply,
    ) -> Reply {
        tracing::error!(
            request_id = %call.incoming.request_id,
            account = %chosen.entry().id,
            status = plain.status,
            "vendor refused a stream"
        );
        let mut headers = Reply::stream_headers();
        let refusal = self.settle_official(call, chosen, prepared, &plain, Ending::Stream).await;
        if let Some(refusal) = refusal {
            headers.set("Content-Type", "application/json");
            return Reply::written(refusal.status, headers, refusal.body.to_string());
        }
        let renamed = built.tool_names.is_some() || call.chat.is_some();
        let frame = reply::error_event(plain.status, &plain.body, renamed, &self.now_iso());
        Reply::written(200, headers, frame)
    }

    /// The exchange broke before the vendor answered.
    fn broken_before_start(&self, error: &SendError) -> Reply {
        let now = self.now_iso();
        let (status, frame) = match error.kind {
            SendErrorKind::IdleTimeout => (504, reply::timeout_event(&now)),
            _ => {
                let failure = connect_failure(error);
                (failure.stream_status(), failure.event(&now))
            }
        };
        Reply::written(status, Reply::stream_headers(), frame)
    }

    /// Hands the vendor's events on, in a task of its own.
    fn events(
        self: &Arc<Self>,
        mut call: Call,
        chosen: Chosen,
        prepared: Prepared,
        built: Built,
        response: UpstreamResponse,
        turn: Option<MessageTurn>,
    ) -> Reply {
        drop(turn);
        call.forget_body();
        let mut tap = OfficialTap::new(built.tool_names, call.chat.is_some());
        let head = PlainReply { status: 200, headers: response.headers, body: Bytes::new() };
        let (mut pump, receiver) = self.pump(response.body);
        let relay = Arc::clone(self);
        self.tasks.spawn(async move {
            let mut shown = ChatTap::new(&call, &relay.clock, &mut tap);
            let end = call.while_connected(pump.run(&mut shown)).await;
            if let Some(frame) = last_words(&end, &relay.now_iso()) {
                // A client that is gone misses nothing.
                let _ = pump.client.send(frame).await;
            }
            let limited = tap.usage.rate_limited();
            let model = call.incoming.body.model().map(std::borrow::Cow::into_owned);
            if let Some(usage) = tap.usage.finish(model.as_deref()) {
                let (account_id, kind) = served_by(&chosen);
                let served = Served {
                    call: &call,
                    account_id: &account_id,
                    kind,
                    status: 200,
                    stream: true,
                };
                relay.book(&served, &usage).await;
            }
            // Everything that counts is settled: now the client may see the end.
            drop(pump);
            if matches!(end, End::Complete) {
                let ending = if limited { Ending::Limited } else { Ending::Stream };
                relay.settle_official(&call, &chosen, &prepared, &head, ending).await;
            }
        });
        Reply { status: 200, headers: Reply::stream_headers(), body: ReplyBody::Stream(receiver) }
    }
}

/// What a client is told when its stream ended early.
fn last_words(end: &End, now: &str) -> Option<Bytes> {
    match end {
        End::Complete | End::ClientGone => None,
        End::Cut(error) if error.kind == SendErrorKind::IdleTimeout => {
            Some(reply::timeout_event(now))
        }
        End::Cut(error) => Some(connect_failure(error).event(now)),
        End::Shutdown => Some(sse::event("error", RESTARTING)),
    }
}

/// Reads usage; gives tools their names back.
struct OfficialTap {
    lines: LineSplitter,
    usage: UsageTap,
    names: Option<ToolNames>,
    /// The lines are converted afterwards, which tells them apart by their spelling: those without a
    /// space after `data:` are not touched.
    spaced_only: bool,
}

impl OfficialTap {
    fn new(names: Option<ToolNames>, spaced_only: bool) -> Self {
        let (lines, usage) = (LineSplitter::new(LINE_LIMIT), UsageTap::official());
        Self { lines, usage, names, spaced_only }
    }

    fn restored(&self, names: &ToolNames, line: &[u8]) -> Option<Vec<u8>> {
        let converted = !self.spaced_only || line.starts_with(b"data: ");
        if converted { names.restore_line(line) } else { None }
    }
}

impl Tap for OfficialTap {
    fn chunk(&mut self, chunk: Bytes) -> Option<Bytes> {
        // Whole lines alone are handed on: what is said when the stream breaks off would else stand in the
        // middle of one.
        let lines = self.lines.push(chunk);
        for line in lines.iter() {
            self.usage.line(line);
        }
        let out = match &self.names {
            Some(names) => lines.rewrite(|line| self.restored(names, line)),
            None => lines.into_bytes(),
        };
        (!out.is_empty()).then_some(out)
    }

    fn finish(&mut self) -> Option<Bytes> {
        // A last line without newline is handed on but, as in the legacy service, not read.
        let rest = self.lines.finish()?;
        let restored = self.names.as_ref().and_then(|names| self.restored(names, &rest));
        Some(restored.map_or(rest, Bytes::from))
    }

    fn is_settled(&self) -> bool {
        self.usage.is_complete()
    }
}
