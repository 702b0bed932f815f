//! Heads of requests and answers: read as they stand, never spelled anew.
//!
//! The bytes are kept; everything found in them is a place in these bytes. What could be read in two
//! ways (framing, bare line feeds) is refused, so that Node and we never disagree on where a body ends.

use bytes::Bytes;
use thiserror::Error;

/// Longest head that is looked at. Node refuses much shorter ones itself.
pub const MAX_HEAD: usize = 64 * 1024;
/// Headers of one head, first attempt and most.
const HEADERS: (usize, usize) = (64, 2048);

/// Why bytes are no head.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HeadError {
    /// Not HTTP, or framed in two ways at once.
    #[error("malformed head")]
    Malformed,
    /// Longer than [`MAX_HEAD`].
    #[error("head too long")]
    TooLong,
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks, then perhaps trailers.
    Chunked,
    /// Everything until the connection ends.
    UntilClose,
}

/// A place in the bytes of a head.
type Span = (usize, usize);

/// Headers with their places.
#[derive(Clone, Debug)]
struct Fields {
    raw: Bytes,
    fields: Vec<(Span, Span)>,
}

impl Fields {
    fn text(&self, span: Span) -> &[u8] {
        self.raw.get(span.0..span.1).unwrap_or_default()
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|(name, value)| {
            (std::str::from_utf8(self.text(*name)).unwrap_or_default(), self.text(*value))
        })
    }

    fn all<'a, 'b>(&'a self, wanted: &'b str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'b> {
        self.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    }

    fn first(&self, wanted: &str) -> Option<&[u8]> {
        self.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    }

    /// Whether a comma list holds the word.
    fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name).any(|value| words(value).any(|part| part.eq_ignore_ascii_case(word)))
    }

    /// Header lines as they stand, without their ends.
    fn lines(&self) -> impl Iterator<Item = (&str, &[u8], &[u8])> {
        self.fields.iter().map(|(name, value)| {
            let rest = self.raw.get(value.1..).unwrap_or_default();
            let end = value.1 + memchr::memchr(b'\r', rest).unwrap_or(0);
            let text = std::str::from_utf8(self.text(*name)).unwrap_or_default();
            (text, self.text(*value), self.text((name.0, end)))
        })
    }

    /// Framing by headers; `None` when they contradict each other.
    fn framing(&self, minor: u8, without: Framing) -> Option<Framing> {
        let mut lengths = self.all("content-length");
        let length = lengths.next();
        if lengths.next().is_some() {
            return None;
        }
        let coded = self.all("transfer-encoding").next().is_some();
        match (coded, length) {
            (true, Some(_)) => None,
            (true, None) => {
                let last = self.all("transfer-encoding").flat_map(words).last()?;
                (minor == 1 && last.eq_ignore_ascii_case("chunked")).then_some(Framing::Chunked)
            }
            (false, Some(digits)) => {
                let digits = std::str::from_utf8(digits).ok()?;
                let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                if !plain {
                    return None;
                }
                match digits.parse().ok()? {
                    0 => Some(Framing::None),
                    length => Some(Framing::Length(length)),
                }
            }
            (false, None) => Some(without),
        }
    }

    /// Whether the connection goes on after this message.
    fn keeps(&self, minor: u8) -> bool {
        match minor {
            1 => !self.lists("connection", "close"),
            _ => self.lists("connection", "keep-alive"),
        }
    }
}

/// Words of a comma list.
pub(super) fn words(value: &[u8]) -> impl Iterator<Item = &str> {
    std::str::from_utf8(value)
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

/// Where the head at the front of `data` ends.
///
/// # Errors
/// When there is none within [`MAX_HEAD`] bytes.
pub fn head_end(data: &[u8]) -> Result<Option<usize>, HeadError> {
    match memchr::memmem::find(data, b"\r\n\r\n") {
        Some(at) if at + 4 <= MAX_HEAD => Ok(Some(at + 4)),
        None if data.len() < MAX_HEAD => Ok(None),
        _ => Err(HeadError::TooLong),
    }
}

/// Lines must end with both characters, or Node sees other lines than we do.
fn lines_are_whole(raw: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', raw).all(|at| at > 0 && raw.get(at - 1) == Some(&b'\r'))
}

fn span_of(raw: &[u8], part: &[u8]) -> Span {
    let start = (part.as_ptr() as usize).saturating_sub(raw.as_ptr() as usize);
    (start, start + part.len())
}

fn spans(raw: &[u8], headers: &[httparse::Header<'_>]) -> Vec<(Span, Span)> {
    headers.iter().map(|h| (span_of(raw, h.name.as_bytes()), span_of(raw, h.value))).collect()
}

/// A request's head.
#[derive(Clone, Debug)]
pub struct RequestHead {
    fields: Fields,
    method: Span,
    target: Span,
    minor: u8,
    framing: Framing,
}

impl RequestHead {
    /// Reads a whole head, its empty line included.
    ///
    /// # Errors
    /// When it is none, or could be read in two ways.
    pub fn parse(raw: Bytes) -> Result<Self, HeadError> {
        Self::parse_with(&raw, HEADERS.0).or_else(|error| match error {
            httparse::Error::TooManyHeaders => {
                Self::parse_with(&raw, HEADERS.1).map_err(|_| HeadError::Malformed)
            }
            _ => Err(HeadError::Malformed),
        })
    }

    fn parse_with(raw: &Bytes, headers: usize) -> Result<Self, httparse::Error> {
        if !lines_are_whole(raw) {
            return Err(httparse::Error::NewLine);
        }
        let mut headers = vec![httparse::EMPTY_HEADER; headers];
        let mut request = httparse::Request::new(&mut headers);
        if request.parse(raw)?.is_partial() {
            return Err(httparse::Error::NewLine);
        }
        let method = span_of(raw, request.method.unwrap_or_default().as_bytes());
        let target = span_of(raw, request.path.unwrap_or_default().as_bytes());
        let minor = request.version.unwrap_or(1);
        let fields = Fields { raw: raw.clone(), fields: spans(raw, request.headers) };
        let framing = fields.framing(minor, Framing::None).ok_or(httparse::Error::HeaderValue)?;
        Ok(Self { fields, method, target, minor, framing })
    }

    /// The bytes.
    pub fn raw(&self) -> &Bytes {
        &self.fields.raw
    }

    /// Method as written.
    pub fn method(&self) -> &str {
        std::str::from_utf8(self.fields.text(self.method)).unwrap_or_default()
    }

    /// Request target as written.
    pub fn target(&self) -> &str {
        std::str::from_utf8(self.fields.text(self.target)).unwrap_or_default()
    }

    /// Path of the target, without the query.
    pub fn path(&self) -> &str {
        let target = self.target();
        target.split_once('?').map_or(target, |(path, _)| path)
    }

    /// First value of a header.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.fields.first(name)
    }

    /// Names as written and values, in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter()
    }

    /// How the body ends.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the client wants the connection to go on.
    pub fn keeps(&self) -> bool {
        self.fields.keeps(self.minor)
    }

    /// Whether the client asks for another protocol.
    pub fn upgrades(&self) -> bool {
        self.header("upgrade").is_some() && self.fields.lists("connection", "upgrade")
    }

    /// Request line with its end.
    pub(super) fn request_line(&self) -> &[u8] {
        let raw = &self.fields.raw;
        let rest = raw.get(self.target.1..).unwrap_or_default();
        let end = self.target.1 + memchr::memchr(b'\n', rest).map_or(0, |at| at + 1);
        raw.get(self.method.0..end).unwrap_or_default()
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = (&str, &[u8], &[u8])> {
        self.fields.lines()
    }
}

/// An answer's head.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    fields: Fields,
    status: u16,
    minor: u8,
    framing: Framing,
}

impl ResponseHead {
    /// Reads a whole head; the request's method tells whether there is a body.
    ///
    /// # Errors
    /// When it is none, or could be read in two ways.
    pub fn parse(raw: Bytes, method: &str) -> Result<Self, HeadError> {
        Self::parse_with(&raw, method, HEADERS.0).or_else(|error| match error {
            httparse::Error::TooManyHeaders => {
                Self::parse_with(&raw, method, HEADERS.1).map_err(|_| HeadError::Malformed)
            }
            _ => Err(HeadError::Malformed),
        })
    }

    fn parse_with(raw: &Bytes, method: &str, headers: usize) -> Result<Self, httparse::Error> {
        let mut headers = vec![httparse::EMPTY_HEADER; headers];
        let mut response = httparse::Response::new(&mut headers);
        if response.parse(raw)?.is_partial() {
            return Err(httparse::Error::NewLine);
        }
        let (status, minor) = (response.code.unwrap_or(0), response.version.unwrap_or(1));
        let fields = Fields { raw: raw.clone(), fields: spans(raw, response.headers) };
        let bodiless = method == "HEAD" || matches!(status, 100..=199 | 204 | 304);
        let framing = if bodiless {
            Framing::None
        } else {
            fields.framing(minor, Framing::UntilClose).ok_or(httparse::Error::HeaderValue)?
        };
        Ok(Self { fields, status, minor, framing })
    }

    /// The bytes.
    pub fn raw(&self) -> &Bytes {
        &self.fields.raw
    }

    /// Status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Names as written and values, in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter()
    }

    /// First value of a header.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.fields.first(name)
    }

    /// How the body ends.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether Node keeps the connection after this answer.
    pub fn keeps(&self) -> bool {
        self.framing != Framing::UntilClose && self.fields.keeps(self.minor)
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = (&str, &[u8], &[u8])> {
        self.fields.lines()
    }

    /// Status line with its end.
    pub(super) fn status_line(&self) -> &[u8] {
        let raw = &self.fields.raw;
        let end = memchr::memchr(b'\n', raw).map_or(raw.len(), |at| at + 1);
        raw.get(..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn request(text: &str) -> Result<RequestHead, HeadError> {
        RequestHead::parse(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn a_head_is_read_as_it_stands() {
        let head = request(
            "pOsT /a%2F?b=c&d HTTP/1.1\r\nhOst: x\r\nX-A:  1 \r\nx-a: 2\r\nContent-Length: 3\r\n\r\n",
        )
        .unwrap();
        assert_eq!((head.method(), head.target(), head.path()), ("pOsT", "/a%2F?b=c&d", "/a%2F"));
        let names: Vec<_> = head.headers().map(|(name, _)| name).collect();
        assert_eq!(names, ["hOst", "X-A", "x-a", "Content-Length"]);
        assert_eq!(head.header("x-a"), Some(&b"1"[..]));
        assert_eq!(head.framing(), Framing::Length(3));
        assert!(head.keeps());
        assert_eq!(head.request_line(), b"pOsT /a%2F?b=c&d HTTP/1.1\r\n");
        let lines: Vec<_> = head.lines().map(|(_, _, line)| line).collect();
        assert_eq!(lines[1], b"X-A:  1 ");
    }

    #[rstest]
    #[case("GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n")]
    #[case("GET / HTTP/1.1\r\nA : b\r\n\r\n")]
    #[case("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n")]
    #[case("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")]
    #[case("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n")]
    #[case("POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n")]
    #[case("POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n")]
    #[case("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n")]
    #[case("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")]
    #[case("POST / HTTP/2.0\r\n\r\n")]
    fn what_can_be_read_in_two_ways_is_refused(#[case] text: &str) {
        assert_eq!(request(text).err(), Some(HeadError::Malformed), "{text}");
    }

    #[rstest]
    #[case(
        "HTTP/1.1 200 Fine by me\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET",
        Framing::Chunked,
        true
    )]
    #[case("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", Framing::None, true)]
    #[case("HTTP/1.1 204 No Content\r\n\r\n", "GET", Framing::None, true)]
    #[case(
        "HTTP/1.1 200 \r\nConnection: close\r\nContent-Length: 5\r\n\r\n",
        "GET",
        Framing::Length(5),
        false
    )]
    #[case("HTTP/1.1 200 OK\r\n\r\n", "GET", Framing::UntilClose, false)]
    #[case("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", Framing::Length(5), false)]
    fn answers_end_as_their_heads_say(
        #[case] text: &'static str,
        #[case] method: &str,
        #[case] framing: Framing,
        #[case] keeps: bool,
    ) {
        let head = ResponseHead::parse(Bytes::from_static(text.as_bytes()), method).unwrap();
        assert_eq!((head.framing(), head.keeps()), (framing, keeps));
    }

    #[test]
    fn many_headers_are_read() {
        let many: String = (0..300).map(|n| format!("x-{n}: {n}\r\n")).collect();
        let head = request(&format!("GET / HTTP/1.1\r\n{many}\r\n")).unwrap();
        assert_eq!(head.headers().count(), 300);
    }
}
