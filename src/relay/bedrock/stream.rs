//! Streamed calls to Bedrock accounts: binary frames in, server-sent events out.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{NO_DETAILS, Relay};
use crate::{
    domain::TokenUsage,
    platform::bedrock::{
        Fault,
        reply::{self, Counted, DONE, error_body, error_event},
    },
    relay::{
        Call, Reply, ReplyBody,
        chat::{self, ChatTap},
        choose::{ChoiceError, Chosen},
        official::{RESTARTING, queue_refusal_stream},
        plain::served_by,
        pump::{End, Tap},
        settle::{Served, Terms},
    },
    upstream::UpstreamResponse,
    wire::{
        aws_events::{Frame, FrameReader},
        convert::anthropic_to_chat,
        sse,
    },
};

impl Relay {
    /// `/v1/messages` with streaming.
    pub(in crate::relay) async fn bedrock_stream(
        self: &Arc<Self>,
        call: Call,
        chosen: Chosen,
    ) -> Result<Reply, (Call, ChoiceError)> {
        let Some(ready) = self.accounts.bedrock_ready(chosen.entry()).await else {
            return Ok(match &call.chat {
                Some(_) => chat::vendor_error(500, NO_DETAILS),
                None => Reply::json_with(500, Reply::stream_headers(), &error_body(NO_DETAILS)),
            });
        };
        let turn = match self.turn(&call, &chosen.entry().id, false).await {
            Ok(turn) => turn,
            Err(error) => return Ok(queue_refusal_stream(error)),
        };
        let asked = self.for_client(&call, async {
            Ok(async {
                let plan = self.bedrock_plan(&call, &ready, true)?;
                let response = self.ask_bedrock(&call, &plan, &chosen.entry().id).await?;
                Ok::<_, Fault>((plan, response))
            }
            .await)
        });
        let asked = match asked.await {
            Ok(asked) => asked,
            Err(failure) => return Err((call, failure.into())),
        };
        drop(turn);
        match asked {
            // The plan holds the request's body, which the stream does not need.
            Ok((plan, response)) => Ok(self.bedrock_events(call, chosen, plan.model, response)),
            Err(fault) => {
                self.settle_bedrock(&call, &chosen, &fault).await;
                let event = match &call.chat {
                    Some(_) => anthropic_to_chat::error_event(&fault.told()),
                    None => error_event(&fault),
                };
                Ok(Reply::written(fault.stream_status(), Reply::stream_headers(), event))
            }
        }
    }

    fn bedrock_events(
        self: &Arc<Self>,
        mut call: Call,
        chosen: Chosen,
        model: String,
        response: UpstreamResponse,
    ) -> Reply {
        call.forget_body();
        let mut tap = BedrockTap { ends_itself: call.chat.is_none(), ..BedrockTap::default() };
        let (mut pump, receiver) = self.pump(response.body);
        let relay = Arc::clone(self);
        self.tasks.spawn(async move {
            let mut shown = ChatTap::new(&call, &relay.clock, &mut tap);
            let end = call.while_connected(pump.run(&mut shown)).await;
            let last_words = match &end {
                End::Cut(error) => {
                    tracing::warn!(
                        request_id = %call.incoming.request_id,
                        account = %chosen.entry().id,
                        "a Bedrock stream broke off: {error}"
                    );
                    // The legacy service's client takes it for the end.
                    tap.finish()
                }
                End::Shutdown => Some(sse::event("error", RESTARTING)),
                End::Complete | End::ClientGone => None,
            };
            let last_words = match (&call.chat, &tap.fault) {
                (Some(_), Some(fault)) => Some(anthropic_to_chat::error_event(&fault.told())),
                _ => last_words,
            };
            if let Some(frame) = last_words {
                // A client that is gone misses nothing.
                let _ = pump.client.send(frame).await;
            }
            if let Some((input, output)) = tap.usage {
                let model = Some(model);
                let usage = TokenUsage { input, output, model, ..TokenUsage::default() };
                let (account_id, kind) = served_by(&chosen);
                let (status, stream) = (200, true);
                let served = Served { call: &call, account_id: &account_id, kind, status, stream };
                relay.book_as(&served, &usage, Terms::simple(None)).await;
            }
            if let Some(fault) = &tap.fault {
                relay.settle_bedrock(&call, &chosen, fault).await;
            }
            // Everything that counts is settled: now the client may see the end.
            drop(pump);
        });
        let mut headers = Reply::stream_headers();
        headers.push("Access-Control-Allow-Headers", "Content-Type, Authorization");
        Reply { status: 200, headers, body: ReplyBody::Stream(receiver) }
    }
}

/// Turns frames into events; keeps the usage and what went wrong.
#[derive(Default)]
struct BedrockTap {
    frames: FrameReader,
    usage: Option<Counted>,
    fault: Option<Fault>,
    over: bool,
    /// Whether a mark of the end is added to the vendor's events.
    ends_itself: bool,
}

impl BedrockTap {
    /// Takes the frames that are complete and adds their events to `out`.
    fn read(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        while let Some(frame) = self.frames.take()? {
            match frame {
                Frame::Event { name, payload } if name == "chunk" => {
                    let event = reply::chunk(&payload)?;
                    self.usage = event.usage.or(self.usage);
                    self.over |= event.last;
                    if let Some(event) = event.out {
                        out.extend_from_slice(&event);
                    }
                }
                // Other events of the protocol mean nothing to clients.
                Frame::Event { .. } => {}
                Frame::Exception { name, payload } => {
                    return Err(Fault::of_exception(&name, &payload));
                }
                Frame::Error { code, message } => {
                    return Err(Fault { name: code, ..Fault::local(message) });
                }
            }
        }
        Ok(())
    }

    fn fails(&mut self, fault: Fault, out: &mut BytesMut) {
        out.extend_from_slice(&error_event(&fault));
        self.fault = Some(fault);
    }
}

impl Tap for BedrockTap {
    fn chunk(&mut self, chunk: Bytes) -> Option<Bytes> {
        self.frames.push(&chunk);
        let mut out = BytesMut::new();
        if let Err(fault) = self.read(&mut out) {
            self.fails(fault, &mut out);
        }
        (!out.is_empty()).then(|| out.freeze())
    }

    fn finish(&mut self) -> Option<Bytes> {
        let mut out = BytesMut::new();
        match self.frames.finish() {
            Ok(()) if self.ends_itself => out.extend_from_slice(DONE),
            Ok(()) => {}
            Err(error) => self.fails(error.into(), &mut out),
        }
        (!out.is_empty()).then(|| out.freeze())
    }

    fn is_settled(&self) -> bool {
        self.over || self.fault.is_some()
    }

    fn is_broken(&self) -> bool {
        self.fault.is_some()
    }
}
