//! The few header lines that change on the way. All others are copied as they stand.

use std::net::IpAddr;

use bytes::{Bytes, BytesMut};

use super::head::{RequestHead, ResponseHead, words};

/// Tells the tap inside of Node that this request is traced; the tap removes it. A client's own is
/// never passed on.
pub const TRACE_HEADER: &str = "x-crs-trace";

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";
const FORWARDED_HOST: &str = "x-forwarded-host";

/// What a request's head is rewritten with.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite<'a> {
    /// The peer's address.
    pub peer: IpAddr,
    /// `TRUST_PROXY`: a proxy in front of us says who the client is.
    pub trust_proxy: bool,
    /// Id of the trace.
    pub trace: Option<&'a str>,
}

/// What other headers say about a line.
struct Hops<'a> {
    /// Words of `Connection` that name headers.
    named: Vec<&'a str>,
    upgrades: bool,
}

impl<'a> Hops<'a> {
    fn of(head: &'a RequestHead) -> Self {
        let upgrades = head.upgrades();
        let named = head
            .headers()
            .filter(|(name, _)| name.eq_ignore_ascii_case("connection"))
            .flat_map(|(_, value)| words(value))
            .filter(|word| !is_connection_option(word))
            .collect();
        Self { named, upgrades }
    }

    /// Whether a header is meant for us alone. Framing and upgrade belong to the exchange itself.
    fn end_here(&self, name: &str) -> bool {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("host") || is("content-length") || is("transfer-encoding") || is("upgrade") {
            return is("upgrade") && !self.upgrades;
        }
        is("keep-alive") || is("proxy-connection") || self.named.iter().any(|named| is(named))
    }
}

fn is_connection_option(word: &str) -> bool {
    ["close", "keep-alive", "upgrade", "te", "trailers"]
        .iter()
        .any(|option| word.eq_ignore_ascii_case(option))
}

/// The head as Node gets it.
pub fn request(head: &RequestHead, with: Rewrite<'_>) -> BytesMut {
    let mut out = BytesMut::with_capacity(head.raw().len() + 160);
    let hops = Hops::of(head);
    out.extend_from_slice(head.request_line());
    let (mut has_for, mut has_proto, mut has_host) = (false, false, false);
    for (name, value, line) in head.lines() {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("connection") {
            connection(&mut out, value, line, !hops.named.is_empty());
            continue;
        }
        if is(TRACE_HEADER) || hops.end_here(name) {
            continue;
        }
        let known = match () {
            () if is(FORWARDED_FOR) => Some(&mut has_for),
            () if is(FORWARDED_PROTO) => Some(&mut has_proto),
            () if is(FORWARDED_HOST) => Some(&mut has_host),
            () => None,
        };
        if let Some(known) = known {
            // Whoever is not trusted cannot say where a request comes from.
            if !with.trust_proxy {
                continue;
            }
            *known = true;
        }
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    let mut add = |name: &str, value: &[u8]| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    };
    // Node believes the last entry alone, so a trusted proxy's must stay the last.
    if !has_for {
        add("X-Forwarded-For", with.peer.to_canonical().to_string().as_bytes());
    }
    if !has_proto {
        add("X-Forwarded-Proto", b"http");
    }
    if let Some(host) = head.header("host").filter(|_| !has_host) {
        add("X-Forwarded-Host", host);
    }
    if let Some(id) = with.trace {
        add(TRACE_HEADER, id.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// `Connection` as it stands, unless it names headers: those went no further, so their names do not.
fn connection(out: &mut BytesMut, value: &[u8], line: &[u8], names_headers: bool) {
    if !names_headers {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
        return;
    }
    let kept: Vec<&str> = words(value).filter(|word| is_connection_option(word)).collect();
    if !kept.is_empty() {
        out.extend_from_slice(format!("Connection: {}\r\n", kept.join(", ")).as_bytes());
    }
}

/// An answer's head when the connection to the client ends after it although Node would go on.
pub fn closing(head: &ResponseHead) -> Bytes {
    let mut out = BytesMut::with_capacity(head.raw().len() + 24);
    out.extend_from_slice(head.status_line());
    for (name, _, line) in head.lines() {
        if !name.eq_ignore_ascii_case("connection") && !name.eq_ignore_ascii_case("keep-alive") {
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"Connection: close\r\n\r\n");
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(lines: &str, trust_proxy: bool, trace: Option<&str>) -> String {
        let text = format!("GET /p?q HTTP/1.1\r\n{lines}\r\n");
        let head = RequestHead::parse(Bytes::from(text)).unwrap();
        let peer = "9.9.9.9".parse().unwrap();
        let out = request(&head, Rewrite { peer, trust_proxy, trace });
        let out = String::from_utf8(out.to_vec()).unwrap();
        out.strip_prefix("GET /p?q HTTP/1.1\r\n").unwrap().strip_suffix("\r\n").unwrap().to_owned()
    }

    const OURS: &str = "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: http\r\n";

    #[test]
    fn other_lines_are_copied_as_they_stand() {
        let lines =
            "hoST:  h \r\naCCept:\t*/*\r\nX-A: 1\r\nb: 2\r\nx-a: 3\r\nConnection: Keep-Alive\r\n";
        let expected = format!("{lines}{OURS}X-Forwarded-Host: h\r\n");
        assert_eq!(rewritten(lines, false, None), expected);
    }

    #[test]
    fn a_stranger_cannot_say_where_a_request_comes_from() {
        let lines =
            "X-Forwarded-For: 1.1.1.1\r\nx-forwarded-PROTO: https\r\nX-Forwarded-Host: evil\r\n";
        assert_eq!(rewritten(lines, false, None), OURS);
    }

    #[test]
    fn a_trusted_proxy_has_the_last_word() {
        let lines = "Host: h\r\nX-Forwarded-For: 6.6.6.6, 1.1.1.1\r\nX-Forwarded-Proto: https\r\n";
        let expected = format!("{lines}X-Forwarded-Host: h\r\n");
        assert_eq!(rewritten(lines, true, None), expected);
        assert_eq!(rewritten("", true, None), OURS);
    }

    #[test]
    fn what_is_meant_for_us_ends_here() {
        let lines = "Connection: close, X-Hop , x-forwarded-for, content-length\r\nX-Hop: 1\r\n\
                     Content-Length: 2\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\n\
                     Upgrade: h2c\r\nTE: trailers\r\nX-Crs-Trace: forged\r\n";
        let expected = format!(
            "Connection: close\r\nContent-Length: 2\r\nTE: trailers\r\n{OURS}x-crs-trace: id\r\n"
        );
        assert_eq!(rewritten(lines, false, Some("id")), expected);
    }

    #[test]
    fn upgrades_pass() {
        let lines = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n";
        assert_eq!(rewritten(lines, false, None), format!("{lines}{OURS}"));
    }

    #[test]
    fn the_end_of_a_connection_is_said() {
        let raw = "HTTP/1.1 200 Sure\r\nA: b\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nC: d\r\n\r\n";
        let head = ResponseHead::parse(Bytes::from_static(raw.as_bytes()), "GET").unwrap();
        let expected = "HTTP/1.1 200 Sure\r\nA: b\r\nC: d\r\nConnection: close\r\n\r\n";
        assert_eq!(closing(&head), expected);
    }
}
