//! Answers of the Responses API on their way to a client that speaks chat completions.

use bytes::Bytes;
use compat::{clock::Clock, date::date_ms};

use super::super::{
    openai::{Shape, ShapedStream},
    plain::rewritten,
};
use crate::wire::{
    convert::responses_to_chat::{Chunks, DONE, Moment, Naming},
    json::Doc,
    sse::LineSplitter,
};

/// What one client sees of its answer.
pub(super) struct ChatShape {
    naming: Naming,
    clock: Clock,
}

struct ChatStream {
    chunks: Chunks,
    lines: LineSplitter,
    clock: Clock,
}

impl ChatShape {
    /// With what the answer has to be named.
    pub(super) fn new(naming: Naming, clock: Clock) -> Self {
        Self { naming, clock }
    }
}

impl Shape for ChatShape {
    fn whole(&self, answer: &Doc) -> Bytes {
        let converted = self.naming.answer(answer.root(), moment(&self.clock));
        converted.unwrap_or_else(|| rewritten(answer))
    }

    fn stream(&self) -> Box<dyn ShapedStream> {
        Box::new(ChatStream {
            chunks: self.naming.clone().chunks(),
            lines: LineSplitter::default(),
            clock: self.clock.clone(),
        })
    }
}

impl ShapedStream for ChatStream {
    fn chunk(&mut self, chunk: Bytes) -> Option<Bytes> {
        let lines = self.lines.push(chunk);
        let chunks = self.chunks.of_lines(lines.iter(), moment(&self.clock));
        (!chunks.is_empty()).then_some(chunks)
    }

    fn finish(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        if let Some(last) = self.lines.finish() {
            let last = self.chunks.of_lines([&last[..]].into_iter(), moment(&self.clock));
            out.extend_from_slice(&last);
        }
        out.extend_from_slice(DONE);
        Some(out.into())
    }
}

fn moment(clock: &Clock) -> Moment {
    Moment { now_ms: clock.now_ms(), date: date_ms }
}
