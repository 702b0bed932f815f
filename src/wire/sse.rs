//! Server-sent events as lines of bytes, however the network cut them.
//!
//! Lines are forwarded as they are; nothing here changes or re-frames them. Memory is bounded: a line
//! that outgrows the limit is passed on in pieces that readers skip.

use bytes::{Bytes, BytesMut};

/// Longest incomplete line that is held back.
pub const DEFAULT_LINE_LIMIT: usize = 16 << 20;

/// Cuts chunks into complete lines.
#[derive(Debug)]
pub struct LineSplitter {
    held: BytesMut,
    limit: usize,
    /// The line in progress was too long: its beginning has been passed on already.
    oversized: bool,
}

/// Complete lines, each with its newline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// The line that began in earlier chunks, or a piece of an oversized one.
    first: Bytes,
    /// Whether `first` is a whole line.
    first_is_whole: bool,
    /// The other lines, a slice of the chunk itself.
    rest: Bytes,
}

impl Default for LineSplitter {
    fn default() -> Self {
        Self::new(DEFAULT_LINE_LIMIT)
    }
}

impl LineSplitter {
    /// A splitter that holds back at most about `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { held: BytesMut::new(), limit, oversized: false }
    }

    /// Takes a chunk and gives the lines that it completes. Lines that lie inside the chunk are not
    /// copied.
    pub fn push(&mut self, chunk: Bytes) -> Lines {
        let mut chunk = chunk;
        let mut lines = Lines { first_is_whole: true, ..Lines::default() };
        if !self.held.is_empty() || self.oversized {
            let end = memchr::memchr(b'\n', &chunk).map(|at| at + 1);
            self.held.extend_from_slice(&chunk.split_to(end.unwrap_or(chunk.len())));
            if end.is_some() {
                lines.first = self.held.split().freeze();
                lines.first_is_whole = !std::mem::take(&mut self.oversized);
            }
        }
        if let Some(end) = memchr::memrchr(b'\n', &chunk) {
            lines.rest = chunk.split_to(end + 1);
        }
        self.held.extend_from_slice(&chunk);
        if self.held.len() > self.limit {
            // Only a line in progress can be here, and then `rest` may stand before it: keep order.
            let piece = self.held.split().freeze();
            let whole = std::mem::replace(&mut self.oversized, true);
            if lines.is_empty() {
                lines = Lines { first: piece, first_is_whole: false, rest: Bytes::new() };
            } else {
                self.held = BytesMut::from(&piece[..]);
                self.oversized = whole;
            }
        }
        lines
    }

    /// What is left when the stream has ended: a last line without newline. `None` when there is
    /// nothing but whitespace, which the legacy service drops.
    pub fn finish(&mut self) -> Option<Bytes> {
        let rest = self.held.split().freeze();
        let text = String::from_utf8_lossy(&rest);
        (!js::trim(&text).is_empty()).then_some(rest)
    }

    /// Bytes held back at the moment.
    pub fn held(&self) -> usize {
        self.held.len()
    }
}

impl Lines {
    /// Whether no line was completed.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty() && self.rest.is_empty()
    }

    /// The whole lines, without their newlines (a carriage return stays).
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let first = if self.first_is_whole { &self.first[..] } else { &[] };
        each_line(first).chain(each_line(&self.rest))
    }

    /// The lines' bytes with some lines replaced: `change` gives the new text of a whole line, both
    /// without newline, or `None` to keep it.
    pub fn rewrite(&self, change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Bytes {
        let mut out = Vec::with_capacity(self.first.len() + self.rest.len() + 64);
        if !self.first_is_whole {
            out.extend_from_slice(&self.first);
        }
        for line in self.iter() {
            match change(line) {
                Some(new) => out.extend_from_slice(&new),
                None => out.extend_from_slice(line),
            }
            out.push(b'\n');
        }
        out.into()
    }

    /// The lines' bytes, in at most two parts, none of them empty.
    pub fn parts(self) -> impl Iterator<Item = Bytes> {
        [self.first, self.rest].into_iter().filter(|part| !part.is_empty())
    }

    /// The lines' bytes in one piece; copies only when an earlier chunk was held back.
    pub fn into_bytes(self) -> Bytes {
        match (self.first.is_empty(), self.rest.is_empty()) {
            (true, _) => self.rest,
            (_, true) => self.first,
            _ => [self.first, self.rest].concat().into(),
        }
    }
}

/// Text of a `data:` line, or `None` for other lines, empty data and the `[DONE]` mark.
pub fn data_of(line: &[u8]) -> Option<&[u8]> {
    let data = line.strip_prefix(b"data:")?;
    let skip = data.iter().take_while(|b| b.is_ascii_whitespace() || **b == 0x0b).count();
    data.get(skip..).filter(|data| !data.is_empty() && *data != b"[DONE]")
}

/// One event in the usual framing: `event: <name>`, `data: <json>`, empty line.
pub fn event(name: &str, json: &str) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {json}\n\n"))
}

fn each_line(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let block = block.strip_suffix(b"\n").map(|block| block.split(|b| *b == b'\n'));
    block.into_iter().flatten()
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::*;

    fn run(text: &[u8], cuts: &[usize], limit: usize) -> (Vec<Vec<u8>>, Vec<u8>, usize) {
        let mut splitter = LineSplitter::new(limit);
        let (mut lines, mut out, mut peak) = (Vec::new(), Vec::new(), 0);
        let mut rest = Bytes::copy_from_slice(text);
        for cut in cuts.iter().copied().chain([usize::MAX]) {
            let chunk = rest.split_to(cut.min(rest.len()));
            let got = splitter.push(chunk);
            lines.extend(got.iter().map(<[u8]>::to_vec));
            got.parts().for_each(|part| out.extend_from_slice(&part));
            peak = peak.max(splitter.held());
        }
        out.extend_from_slice(&splitter.finish().unwrap_or_default());
        (lines, out, peak)
    }

    #[test]
    fn ten_thousand_events_in_one_chunk() {
        let text = "event: a\r\ndata: {\"x\":\"\u{4f60}\"}\r\n\r\n".repeat(10_000);
        let (lines, out, _) = run(text.as_bytes(), &[], 1 << 20);
        assert_eq!(lines.len(), 30_000);
        assert_eq!(lines[1], "data: {\"x\":\"你\"}\r".as_bytes());
        assert_eq!(out, text.as_bytes());
    }

    #[test]
    fn a_line_without_end_takes_bounded_memory_and_is_not_parsed() {
        let text = [vec![b'x'; 100_000], b"\ndata: 1\n".to_vec()].concat();
        let (lines, out, peak) = run(&text, &[100; 1000], 1000);
        assert_eq!(out, text);
        assert_eq!(lines, [b"data: 1".to_vec()]);
        assert!(peak <= 1100, "{peak}");
    }

    #[test]
    fn blank_remainders_are_dropped() {
        assert_eq!(run(b"a\n \r\t", &[], 100).1, b"a\n");
        assert_eq!(run(b"a\nb", &[], 100).1, b"a\nb");
    }

    #[test]
    fn rewriting_keeps_what_is_not_changed() {
        let mut splitter = LineSplitter::new(4);
        let change = |line: &[u8]| (line == b"x").then(|| b"why".to_vec());
        let mut run =
            |chunk: &'static [u8]| splitter.push(Bytes::from_static(chunk)).rewrite(change);
        assert_eq!(run(b"a\r\nx\n\nx"), &b"a\r\nwhy\n\n"[..]);
        assert_eq!(run(b"\nlong line"), &b"why\n"[..]);
        assert_eq!(run(b" goes on"), &b"long line goes on"[..]);
        assert_eq!(run(b"x\nx\n"), &b"x\nwhy\n"[..]);
    }

    #[test]
    fn data_lines() {
        assert_eq!(data_of(b"data: {}\r"), Some(&b"{}\r"[..]));
        assert_eq!(data_of(b"data:1"), Some(&b"1"[..]));
        for line in ["data:", "data: ", "data: [DONE]", "event: x", " data: 1"] {
            assert_eq!(data_of(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn chunking_changes_nothing(
            text in prop::collection::vec(prop_oneof![3 => Just(b'\n'), 5 => any::<u8>()], 0..200),
            cuts in prop::collection::vec(0usize..20, 0..60),
            limit in prop_oneof![Just(10_000usize), 1usize..30],
        ) {
            let (whole, _, _) = run(&text, &[], 10_000);
            let (lines, out, _) = run(&text, &cuts, limit);
            let expected: Vec<Vec<u8>> = {
                let mut all: Vec<_> = text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                all.pop();
                all
            };
            prop_assert_eq!(&whole, &expected);
            prop_assert!(text.starts_with(&out));
            if limit == 10_000 {
                prop_assert_eq!(lines, expected);
            } else {
                let mut rest = expected.iter();
                prop_assert!(lines.iter().all(|line| rest.any(|e| e == line)));
            }
            let tail = text.get(out.len()..).unwrap();
            let blank = String::from_utf8_lossy(tail);
            prop_assert!(js::trim(&blank).is_empty());
        }
    }
}
