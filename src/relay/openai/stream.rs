//! Streamed answers of the Codex backend.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Relay, Shaped,
    codex::{Seated, passed},
};
use crate::{
    domain::TokenUsage,
    relay::{
        Call, Reply, ReplyBody,
        pump::{AfterClient, End, Tap},
        reply::EVENT_HEADERS,
    },
    upstream::UpstreamResponse,
    wire::{
        openai::events::{EventTap, Limit, Rules, is_no_moment},
        sse::LineSplitter,
    },
};

/// Most bytes that are read on for a client that has left.
pub(super) const AFTER_CLIENT_BYTES: usize = 64 << 20;

impl Relay {
    /// Hands a stream on, whatever its status; its usage is booked before the client sees the end.
    pub(super) async fn codex_events(
        self: &Arc<Self>,
        call: Call,
        seated: Seated,
        response: UpstreamResponse,
    ) -> Reply {
        let status = response.status;
        if matches!(status, 200 | 201) {
            self.codex_taken(&seated).await;
        }
        let headers = passed(&EVENT_HEADERS, &response.headers);
        let (mut pump, receiver) = self.pump(response.body);
        let time = self.settings.request_timeout;
        pump.after_client = AfterClient { time, bytes: AFTER_CLIENT_BYTES };
        let mut tap = Shaped::new(&seated.asked.ask, status, Watched::new(Rules::Codex));
        let relay = Arc::clone(self);
        self.tasks.spawn(async move {
            let end = tap.hand_on(&call, &mut pump).await;
            // The legacy service forgets what a stream told that broke off.
            if matches!(end, End::Complete | End::ClientGone) {
                relay.codex_ended(&call, &seated, status, &tap.tap.events).await;
            }
            drop(pump);
        });
        Reply { status, headers, body: ReplyBody::Stream(receiver) }
    }

    async fn codex_ended(&self, call: &Call, seated: &Seated, status: u16, seen: &EventTap) {
        if let Some(counts) = seen.counts().filter(|_| !seen.is_misnamed()) {
            let model = seen.model().map(str::to_owned).or_else(|| seated.booked_model());
            let tokens = TokenUsage { model, ..counts.tokens.clone() };
            self.book_codex(call, seated, status, &tokens).await;
        }
        match seen.limit() {
            Some(limit) => self.codex_told_limit(seated, limit).await,
            None if status == 200 => self.accounts.openai_ok(seated.chosen.entry()),
            None => {}
        }
    }

    /// Marks the account: a limit was told among its events.
    pub(super) async fn codex_told_limit(&self, seated: &Seated, limit: Limit) {
        let session = seated.asked.session.as_deref();
        let end = limit.resets_in_s.filter(|s| !is_no_moment(self.clock.now_ms(), *s));
        self.accounts.openai_limited(seated.chosen.entry(), end, session).await;
    }
}

/// Passes every byte and looks at every line.
pub(in crate::relay) struct Watched {
    lines: LineSplitter,
    pub(in crate::relay) events: EventTap,
    reads_on: bool,
}

impl Watched {
    /// For one of the two kinds of accounts. A provider's stream ends with its client.
    pub(in crate::relay) fn new(rules: Rules) -> Self {
        let reads_on = rules == Rules::Codex;
        Self { lines: LineSplitter::default(), events: EventTap::new(rules), reads_on }
    }
}

impl Tap for Watched {
    fn chunk(&mut self, chunk: Bytes) -> Option<Bytes> {
        let lines = self.lines.push(chunk.clone());
        lines.iter().for_each(|line| self.events.line(line));
        Some(chunk)
    }

    fn finish(&mut self) -> Option<Bytes> {
        // All bytes were handed on as they came.
        if let Some(last) = self.lines.finish() {
            self.events.line(&last);
        }
        None
    }

    fn is_settled(&self) -> bool {
        !self.reads_on || self.events.is_complete()
    }
}
