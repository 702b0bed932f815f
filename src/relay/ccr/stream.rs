//! Streamed calls to CCR accounts.

use std::sync::Arc;

use bytes::Bytes;

use super::Relay;
use crate::{
    accounts::ProviderReply,
    domain::HeaderList,
    platform::{ccr, claude_console},
    relay::{
        Call, Reply, ReplyBody,
        chat::ChatTap,
        choose::{ChoiceError, Chosen},
        official::queue_refusal_stream,
        plain::served_by,
        provider::Held,
        pump::{End, Tap},
        settle::Served,
    },
    upstream::UpstreamResponse,
    wire::{anthropic::TopLevelUsage, sse::LineSplitter, text::is_blank},
};

impl Relay {
    /// `/v1/messages` with streaming.
    pub(in crate::relay) async fn ccr_stream(
        self: &Arc<Self>,
        call: Call,
        chosen: Chosen,
    ) -> Result<Reply, (Call, ChoiceError)> {
        let turn = match self.turn(&call, &chosen.entry().id, false).await {
            Ok(turn) => turn,
            Err(error) => return Ok(queue_refusal_stream(error)),
        };
        let held = match self.hold(&chosen, turn).await {
            Ok(held) => held,
            Err(failure) => return Err((call, failure.into())),
        };
        let asked = self
            .for_client(&call, async { Ok(self.ask(&call, &held, ccr::build, None).await) })
            .await;
        match asked {
            Err(failure) => Err((call, failure.into())),
            Ok(Err(_)) => {
                self.accounts.ccr_broken(chosen.entry()).await;
                let mut headers = Reply::stream_headers();
                headers.set("Content-Type", "application/json");
                Ok(Reply::written(500, headers, ccr::connect_failure()))
            }
            Ok(Ok(response)) if response.status == 200 => {
                Ok(self.ccr_events(call, chosen, held, response))
            }
            Ok(Ok(response)) => Ok(self.ccr_refused(call, chosen, held, response).await),
        }
    }

    /// An error passes as it is, chunk by chunk.
    async fn ccr_refused(
        self: &Arc<Self>,
        call: Call,
        chosen: Chosen,
        held: Held,
        response: UpstreamResponse,
    ) -> Reply {
        let status = response.status;
        let answer =
            ProviderReply { status, headers: &response.headers, error_body: &[], stream: true };
        self.accounts.settle_provider(chosen.entry(), &answer).await;
        let mut headers = Reply::stream_headers();
        let kind = response.headers.get("content-type").filter(|kind| !kind.is_empty());
        headers.set("Content-Type", kind.unwrap_or("application/json"));
        let (mut pump, receiver) = self.pump(response.body);
        self.tasks.spawn(async move {
            call.while_connected(pump.run(&mut Untouched)).await;
            drop(pump);
            drop(held);
        });
        Reply { status, headers, body: ReplyBody::Stream(receiver) }
    }

    fn ccr_events(
        self: &Arc<Self>,
        mut call: Call,
        chosen: Chosen,
        mut held: Held,
        response: UpstreamResponse,
    ) -> Reply {
        held.turn = None;
        let model = ccr::target_model(&held.account, &call.incoming.body);
        call.forget_body();
        let head: HeaderList = response.headers.clone();
        let (mut pump, receiver) = self.pump(response.body);
        let mut tap = CcrTap::default();
        let relay = Arc::clone(self);
        self.tasks.spawn(async move {
            let answer =
                ProviderReply { status: 200, headers: &head, error_body: &[], stream: true };
            relay.accounts.settle_provider(chosen.entry(), &answer).await;
            let mut shown = ChatTap::new(&call, &relay.clock, &mut tap);
            let end = call.while_connected(pump.run(&mut shown)).await;
            match &end {
                // The legacy service just ends the client's stream.
                End::Cut(_) => relay.accounts.ccr_broken(chosen.entry()).await,
                End::Shutdown => {
                    let text = "The service is restarting, please retry";
                    let frame = claude_console::stream_interrupted(text, &relay.now_iso());
                    let _ = pump.client.send(frame).await;
                }
                End::Complete | End::ClientGone => {}
            }
            if let Some(usage) = tap.usage.finish(&model) {
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
            // Only a stream whose client stayed to its end counts as a use.
            if matches!(end, End::Complete) {
                relay.accounts.provider_used(chosen.entry()).await;
            }
            drop(held);
        });
        let mut headers = Reply::stream_headers();
        headers.set("Access-Control-Allow-Headers", "Cache-Control");
        Reply { status: 200, headers, body: ReplyBody::Stream(receiver) }
    }
}

/// Passes everything.
struct Untouched;

impl Tap for Untouched {
    fn chunk(&mut self, chunk: Bytes) -> Option<Bytes> {
        Some(chunk)
    }

    fn finish(&mut self) -> Option<Bytes> {
        None
    }

    fn is_settled(&self) -> bool {
        true
    }
}

/// Passes complete lines. What stands behind the last newline at the end is dropped and counts nothing,
/// and a line of whitespace becomes an empty one, both as in the legacy service.
#[derive(Default)]
struct CcrTap {
    lines: LineSplitter,
    usage: TopLevelUsage,
}

impl Tap for CcrTap {
    fn chunk(&mut self, chunk: Bytes) -> Option<Bytes> {
        let lines = self.lines.push(chunk);
        lines.iter().for_each(|line| self.usage.line(line));
        let padded = |line: &[u8]| !line.is_empty() && is_blank(line);
        let out = if lines.iter().any(padded) {
            lines.rewrite(|line| padded(line).then(Vec::new))
        } else {
            lines.into_bytes()
        };
        (!out.is_empty()).then_some(out)
    }

    fn finish(&mut self) -> Option<Bytes> {
        None
    }

    fn is_settled(&self) -> bool {
        self.usage.is_complete()
    }
}
