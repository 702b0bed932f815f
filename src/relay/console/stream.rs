//! Streamed calls to console accounts.

use std::sync::Arc;

use bytes::Bytes;

use super::Relay;
use crate::{
    accounts::ProviderReply,
    domain::HeaderList,
    platform::claude_console as console,
    relay::{
        Call, Reply, ReplyBody,
        chat::ChatTap,
        choose::{ChoiceError, Chosen},
        official::queue_refusal_stream,
        plain::{read_all, served_by},
        provider::Held,
        pump::{End, Tap},
        settle::Served,
    },
    upstream::{SendError, SendErrorKind, UpstreamResponse},
    wire::{
        anthropic::{UsageTap, sanitize},
        convert::anthropic_to_chat,
        sse::LineSplitter,
    },
};

/// How a connection can be lost inside an answer.
const LOST: [SendErrorKind; 3] =
    [SendErrorKind::Reset, SendErrorKind::Network, SendErrorKind::IdleTimeout];

impl Relay {
    /// `/v1/messages` with streaming.
    pub(in crate::relay) async fn console_stream(
        self: &Arc<Self>,
        call: Call,
        chosen: Chosen,
    ) -> Result<Reply, (Call, ChoiceError)> {
        let turn = match self.turn(&call, &chosen.entry().id, false).await {
            Ok(turn) => turn,
            Err(error) => return Ok(queue_refusal_stream(error)),
        };
        let mut held = match self.hold(&chosen, turn).await {
            Ok(held) => held,
            Err(failure) => return Err((call, failure.into())),
        };
        let asked = self
            .for_client(&call, async { Ok(self.ask(&call, &held, console::build, None).await) });
        let response = match asked.await {
            Err(failure) => return Err((call, failure.into())),
            Ok(Err(error)) => return Ok(self.console_broken(&call, &error)),
            Ok(Ok(response)) => response,
        };
        held.turn = None;
        if response.status == 200 {
            Ok(self.console_events(call, chosen, held, response))
        } else {
            Ok(self.console_refused(&chosen, response).await)
        }
    }

    async fn console_refused(&self, chosen: &Chosen, response: UpstreamResponse) -> Reply {
        let status = response.status;
        let body = read_all(response.body).await.unwrap_or_default();
        let answer =
            ProviderReply { status, headers: &response.headers, error_body: &body, stream: true };
        self.accounts.settle_provider(chosen.entry(), &answer).await;
        let mut headers = Reply::stream_headers();
        headers.set("Content-Type", "application/json");
        headers.set("Cache-Control", "no-cache");
        Reply::written(status, headers, sanitize::sanitize_body(&body, true))
    }

    fn console_broken(&self, call: &Call, error: &SendError) -> Reply {
        // The legacy service's client library has words of its own for silence.
        let silence = error.kind == SendErrorKind::IdleTimeout;
        let text = format!("timeout of {}ms exceeded", self.settings.request_timeout.as_millis());
        let (text, code) = if silence {
            (text.as_str(), Some("ECONNABORTED"))
        } else {
            (error.message.as_str(), error.code)
        };
        let frame = match &call.chat {
            Some(_) => anthropic_to_chat::error_event(text),
            None => console::stream_failure(text, code, &self.now_iso()),
        };
        Reply::written(500, Reply::stream_headers(), frame)
    }

    fn console_events(
        self: &Arc<Self>,
        mut call: Call,
        chosen: Chosen,
        held: Held,
        response: UpstreamResponse,
    ) -> Reply {
        call.forget_body();
        let mut tap = ConsoleTap { lines: LineSplitter::default(), usage: UsageTap::console() };
        let (mut pump, receiver) = self.pump(response.body);
        let head: HeaderList = response.headers;
        let relay = Arc::clone(self);
        self.tasks.spawn(async move {
            let answer =
                ProviderReply { status: 200, headers: &head, error_body: &[], stream: true };
            relay.accounts.settle_provider(chosen.entry(), &answer).await;
            let mut shown = ChatTap::new(&call, &relay.clock, &mut tap);
            let end = call.while_connected(pump.run(&mut shown)).await;
            let broken = match &end {
                // Whatever broke it, the legacy runtime calls a half-read answer this.
                End::Cut(error) if LOST.contains(&error.kind) => Some("aborted"),
                End::Cut(error) => Some(error.message.as_str()),
                End::Shutdown => Some("The service is restarting, please retry"),
                End::Complete | End::ClientGone => None,
            };
            if let Some(message) = broken {
                let frame = match &call.chat {
                    Some(_) => anthropic_to_chat::error_event(message),
                    None => console::stream_interrupted(message, &relay.now_iso()),
                };
                let _ = pump.client.send(frame).await;
            }
            let asked = call.incoming.body.model();
            let model = asked.map(|model| held.account.map_model(&model).to_owned());
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
            drop(pump);
            // Only a stream that was read to its end counts as a use.
            if matches!(end, End::Complete | End::ClientGone) {
                relay.accounts.provider_used(chosen.entry()).await;
            }
            drop(held);
        });
        Reply { status: 200, headers: Reply::stream_headers(), body: ReplyBody::Stream(receiver) }
    }
}

struct ConsoleTap {
    lines: LineSplitter,
    usage: UsageTap,
}

impl Tap for ConsoleTap {
    fn chunk(&mut self, chunk: Bytes) -> Option<Bytes> {
        let lines = self.lines.push(chunk);
        lines.iter().for_each(|line| self.usage.line(line));
        let out = lines.into_bytes();
        (!out.is_empty()).then_some(out)
    }

    fn finish(&mut self) -> Option<Bytes> {
        // A last line without newline is handed on but, as in the legacy service, not read.
        self.lines.finish()
    }

    fn is_settled(&self) -> bool {
        self.usage.is_complete()
    }
}
