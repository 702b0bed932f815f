//! Streams on their way to a client that speaks chat completions.

use bytes::Bytes;
use compat::clock::Clock;

use super::super::{Call, pump::Tap};
use crate::wire::{convert::anthropic_to_chat::Naming, sse::LineSplitter};

/// What another tap lets through, as chunks of a chat completion if the client speaks that dialect.
pub(in crate::relay) struct ChatTap<'t> {
    inner: &'t mut dyn Tap,
    chat: Option<Conversion>,
}

struct Conversion {
    naming: Naming,
    lines: LineSplitter,
    clock: Clock,
}

impl<'t> ChatTap<'t> {
    /// Around the tap of a call's relay.
    pub(in crate::relay) fn new(call: &Call, clock: &Clock, inner: &'t mut dyn Tap) -> Self {
        let chat = call.chat.as_ref().map(|chat| Conversion {
            naming: chat.naming.clone(),
            lines: LineSplitter::default(),
            clock: clock.clone(),
        });
        Self { inner, chat }
    }
}

impl Tap for ChatTap<'_> {
    fn chunk(&mut self, chunk: Bytes) -> Option<Bytes> {
        let shown = self.inner.chunk(chunk)?;
        match &mut self.chat {
            Some(chat) => chat.convert(shown),
            None => Some(shown),
        }
    }

    fn finish(&mut self) -> Option<Bytes> {
        let rest = self.inner.finish();
        let Some(chat) = &mut self.chat else { return rest };
        let mut out = Vec::new();
        if let Some(shown) = rest.and_then(|rest| chat.convert(rest)) {
            out.extend_from_slice(&shown);
        }
        if let Some(line) = chat.lines.finish() {
            out.extend_from_slice(&chat.naming.chunks([&line[..]].into_iter(), chat.now_s()));
        }
        (!out.is_empty()).then(|| out.into())
    }

    fn is_settled(&self) -> bool {
        self.inner.is_settled()
    }

    fn is_broken(&self) -> bool {
        self.inner.is_broken()
    }
}

impl Conversion {
    fn convert(&mut self, shown: Bytes) -> Option<Bytes> {
        let lines = self.lines.push(shown);
        let chunks = self.naming.chunks(lines.iter(), self.now_s());
        (!chunks.is_empty()).then_some(chunks)
    }

    fn now_s(&self) -> i64 {
        self.clock.now_ms().div_euclid(1000)
    }
}
