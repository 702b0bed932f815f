//! Usage out of a stream as it passes, with the limits that the legacy service reads by.
//!
//! Events end at an empty line of bare newlines. Long ones are skipped as they come; at the end the last
//! part of the stream is searched once more, unless counts were found before.

use bytes::Bytes;

use super::reply::{Named, Usage, usage_of_reply};
use crate::{domain::TokenUsage, wire::json::Doc};

/// How much of a stream is read. Lengths are in UTF-16 code units, as the legacy service counts.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Longest event that is read as it comes.
    event: usize,
    /// Unfinished text kept at most; beyond it only its last quarter is.
    unfinished: usize,
    /// End of the stream that is searched at last.
    end: usize,
}

impl Reading {
    /// What the legacy service reads: an event beyond 32 KiB, such as the last one of a long answer,
    /// counts nothing.
    pub const LEGACY: Self = Self { event: 16 << 10, unfinished: 64 << 10, end: 32 << 10 };
    /// Every event there is, up to 16 MiB.
    pub const WHOLE: Self = Self { event: 16 << 20, unfinished: 64 << 20, end: 0 };
}

/// Reads usage from a stream.
#[derive(Debug)]
pub struct UsageTap {
    reading: Reading,
    /// The event in progress.
    unfinished: Text,
    /// The end of the stream so far, or more; kept until counts are found.
    end: Text,
    found: Option<TokenUsage>,
    /// The model last named.
    model: Named,
}

/// Text and its length in UTF-16 code units.
#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    units: usize,
}

impl UsageTap {
    /// A tap that reads this much.
    pub fn new(reading: Reading) -> Self {
        let (unfinished, end) = (Text::default(), Text::default());
        Self { reading, unfinished, end, found: None, model: Named::Nothing }
    }

    /// Sees one chunk.
    pub fn chunk(&mut self, chunk: &[u8]) {
        self.unfinished.push(chunk);
        if self.found.is_none() && self.reading.end > 0 {
            self.end.push(chunk);
            // Cut rarely: what is kept beyond the limit is cut before it is searched.
            if self.end.units > 2 * self.reading.end {
                self.end.keep(self.reading.end);
            }
        }
        if self.unfinished.units > self.reading.unfinished {
            self.unfinished.keep(self.reading.unfinished / 4);
        }
        let mut whole = std::mem::take(&mut self.unfinished);
        let Some(last) = memchr::memmem::rfind(&whole.bytes, b"\n\n") else {
            self.unfinished = whole;
            return;
        };
        self.unfinished.push(&whole.bytes[last + 2..]);
        whole.bytes.truncate(last);
        let mut from = 0;
        let ends: Vec<usize> = memchr::memmem::find_iter(&whole.bytes, b"\n\n").collect();
        for to in ends.into_iter().chain([whole.bytes.len()]) {
            let event = &whole.bytes[from..to];
            if event.len() <= self.reading.event || units(event) <= self.reading.event {
                self.lines(event);
            }
            from = to + 2;
        }
    }

    /// Whether counts were found.
    pub fn is_settled(&self) -> bool {
        self.found.is_some()
    }

    /// What the stream cost, at its end; the model is the last one named, if any was.
    pub fn finish(mut self) -> Option<Usage> {
        if self.found.is_none() && self.unfinished.units <= self.reading.event {
            let rest = std::mem::take(&mut self.unfinished);
            self.lines(&rest.bytes);
        }
        if self.found.is_none() {
            let mut end = std::mem::take(&mut self.end);
            end.keep(self.reading.end);
            self.lines(&end.bytes);
        }
        let model = self.model;
        self.found.map(|tokens| Usage { tokens, model })
    }

    /// The last name counts.
    fn name(&mut self, name: Named) {
        if name != Named::Nothing {
            self.model = name;
        }
    }

    /// Reads every line of data. Lines that are no JSON are passed over.
    fn lines(&mut self, event: &[u8]) {
        for line in event.split(|byte| *byte == b'\n') {
            let Some(data) = line.strip_prefix(b"data: ") else { continue };
            let data = Bytes::copy_from_slice(data);
            let wanted = self.found.is_none();
            let parsed = if wanted { Doc::parse_deep(data) } else { Doc::parse(data) };
            let Ok(event) = parsed else { continue };
            self.name(Named::of(event.root()));
            if wanted && let Some(usage) = usage_of_reply(event.root()) {
                self.name(usage.model);
                self.found = Some(usage.tokens);
                self.end = Text::default();
            }
        }
    }
}

impl Text {
    fn push(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
        self.units += units(more);
    }

    /// Keeps the last code units.
    fn keep(&mut self, most: usize) {
        let mut cut = 0;
        while self.units > most {
            self.units -= units(&self.bytes[cut..=cut]);
            cut += 1;
        }
        // Not within a character.
        let rest = self.bytes[cut..].iter().take_while(|byte| is_inside(**byte)).count();
        self.bytes.drain(..cut + rest);
    }
}

/// Whether a byte continues a character.
fn is_inside(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// UTF-16 code units of UTF-8 text.
fn units(text: &[u8]) -> usize {
    text.iter().map(|byte| usize::from(!is_inside(*byte)) + usize::from(*byte >= 0xf0)).sum()
}
