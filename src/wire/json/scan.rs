//! The checker: one pass over the text, strict as `JSON.parse`, building the index.

use super::{
    JsonError, JsonErrorKind,
    doc::{Kind, Node},
};

/// Containers below this depth are checked, but their members are not indexed. The deepest rule
/// looks at `messages[].content[].cache_control.ttl`, depth 6.
const INDEX_DEPTH: usize = 8;

/// Deepest nesting that is accepted at all.
const MAX_DEPTH: usize = 65_536;

/// Checks `text` and returns its index. With `all`, members at every depth are indexed.
pub(super) fn scan(text: &[u8], all: bool) -> Result<Vec<Node>, JsonError> {
    if u32::try_from(text.len()).is_err() {
        return Err(JsonError { kind: JsonErrorKind::TooLarge, offset: 0 });
    }
    let depth = if all { MAX_DEPTH } else { INDEX_DEPTH };
    let nodes = Vec::with_capacity((text.len() / 32).clamp(4, 64));
    Scanner { text, at: 0, nodes, open: Vec::new(), depth }.run()
}

/// A container that has not ended yet; `node` is `None` when it is too deep to be indexed.
struct Open {
    node: Option<u32>,
    object: bool,
}

struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
    nodes: Vec<Node>,
    open: Vec<Open>,
    depth: usize,
}

impl Scanner<'_> {
    fn run(mut self) -> Result<Vec<Node>, JsonError> {
        self.space();
        loop {
            if self.value()? {
                continue;
            }
            if !self.after_value()? {
                break;
            }
        }
        if self.at < self.text.len() {
            return Err(self.error(JsonErrorKind::Trailing));
        }
        Ok(self.nodes)
    }

    /// Reads one value, or the opening of a non-empty container, in which case another value
    /// follows at once and the result is true.
    fn value(&mut self) -> Result<bool, JsonError> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => return self.open(true),
            Some(b'[') => return self.open(false),
            Some(b'"') => {
                self.string()?;
                Kind::String
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Kind::Number
            }
            Some(b't') => self.literal(b"true", Kind::True)?,
            Some(b'f') => self.literal(b"false", Kind::False)?,
            Some(b'n') => self.literal(b"null", Kind::Null)?,
            Some(_) => return Err(self.error(JsonErrorKind::Unexpected)),
            None => return Err(self.error(JsonErrorKind::End)),
        };
        self.record(start, kind);
        Ok(false)
    }

    fn open(&mut self, object: bool) -> Result<bool, JsonError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.error(JsonErrorKind::TooDeep));
        }
        let kind = if object { Kind::Object } else { Kind::Array };
        let node = self.record(self.at, kind);
        self.open.push(Open { node, object });
        self.at += 1;
        self.space();
        let close = if object { b'}' } else { b']' };
        if self.peek() == Some(close) {
            self.close();
            return Ok(false);
        }
        if object {
            self.key()?;
        }
        Ok(true)
    }

    /// What may follow a value: false at the end of the document, true when a value must follow.
    fn after_value(&mut self) -> Result<bool, JsonError> {
        loop {
            self.space();
            let Some(top) = self.open.last() else { return Ok(false) };
            let object = top.object;
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                    if object {
                        self.key()?;
                    }
                    return Ok(true);
                }
                Some(b'}') if object => self.close(),
                Some(b']') if !object => self.close(),
                Some(_) => return Err(self.error(JsonErrorKind::Unexpected)),
                None => return Err(self.error(JsonErrorKind::End)),
            }
        }
    }

    fn close(&mut self) {
        self.at += 1;
        if let Some(Open { node: Some(index), .. }) = self.open.pop() {
            let next = self.nodes.len() as u32;
            if let Some(node) = self.nodes.get_mut(index as usize) {
                node.end = self.at as u32;
                node.next = next;
            }
        }
    }

    fn key(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => {}
            Some(_) => return Err(self.error(JsonErrorKind::Unexpected)),
            None => return Err(self.error(JsonErrorKind::End)),
        }
        let start = self.at;
        self.string()?;
        self.record(start, Kind::String);
        self.space();
        match self.peek() {
            Some(b':') => self.at += 1,
            Some(_) => return Err(self.error(JsonErrorKind::Unexpected)),
            None => return Err(self.error(JsonErrorKind::End)),
        }
        self.space();
        Ok(())
    }

    fn record(&mut self, start: usize, kind: Kind) -> Option<u32> {
        let indexed =
            self.open.len() < self.depth && self.open.last().is_none_or(|o| o.node.is_some());
        indexed.then(|| {
            let index = self.nodes.len() as u32;
            let (start, end) = (start as u32, self.at as u32);
            self.nodes.push(Node { start, end, next: index + 1, kind });
            index
        })
    }

    fn string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        loop {
            self.at += plain_run(self.text.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.error(JsonErrorKind::BadString)),
                None => return Err(self.error(JsonErrorKind::End)),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    match self.peek() {
                        Some(b) if b.is_ascii_hexdigit() => self.at += 1,
                        Some(_) => return Err(self.error(JsonErrorKind::BadString)),
                        None => return Err(self.error(JsonErrorKind::End)),
                    }
                }
                Ok(())
            }
            Some(_) => Err(self.error(JsonErrorKind::BadString)),
            None => Err(self.error(JsonErrorKind::End)),
        }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += count;
        match (count, self.peek()) {
            (1.., _) => Ok(()),
            (_, Some(_)) => Err(self.error(JsonErrorKind::Unexpected)),
            (_, None) => Err(self.error(JsonErrorKind::End)),
        }
    }

    fn literal(&mut self, word: &[u8], kind: Kind) -> Result<Kind, JsonError> {
        for expected in word {
            match self.peek() {
                Some(b) if b == *expected => self.at += 1,
                Some(_) => return Err(self.error(JsonErrorKind::Unexpected)),
                None => return Err(self.error(JsonErrorKind::End)),
            }
        }
        Ok(kind)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn error(&self, kind: JsonErrorKind) -> JsonError {
        JsonError { kind, offset: self.at }
    }
}

/// Length of the run that stands for itself in a string: up to the next quote, backslash or control
/// character. Eight bytes at a time, because bodies are mostly text.
fn plain_run(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // Marks (at least) the lowest byte that is zero in `word`.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let mut at = 0;
    let (words, tail) = text.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        let quote = zero(word ^ (ONES * 0x22));
        let backslash = zero(word ^ (ONES * 0x5c));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let marks = quote | backslash | control;
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let special = |b: &u8| matches!(b, b'"' | b'\\' | 0..=0x1f);
    at + tail.iter().position(special).unwrap_or(tail.len())
}
