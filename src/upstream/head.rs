//! The request head as it goes on the wire: written here byte for byte, so that order and spelling are
//! the caller's. Also guards against text that would break out of a header.

use std::fmt::Write as _;

use bytes::Bytes;
use url::Url;

use super::{SendError, SendErrorKind, UpstreamRequest, host_map::Endpoint};

/// A request's target and serialised head.
pub(super) struct RequestHead {
    /// Endpoint named by the URL, before any host map.
    pub endpoint: Endpoint,
    /// Request line and headers with the closing empty line.
    pub bytes: Bytes,
    /// Whether the body goes out in chunks instead of under a `content-length`.
    pub chunked: bool,
}

impl RequestHead {
    /// Serialises the head, or says why the request cannot be formed.
    pub fn build(request: &UpstreamRequest) -> Result<Self, SendError> {
        let (endpoint, target) = split_url(&request.url)?;
        Self::written(request, endpoint, &target)
    }

    /// The same for a proxy that hands the request on to `to`: it is told the whole address, and who asks.
    pub fn for_proxy(
        request: &UpstreamRequest,
        to: &Endpoint,
        authorization: Option<&str>,
    ) -> Result<Self, SendError> {
        let (endpoint, target) = split_url(&request.url)?;
        let authority = to.authority();
        let authority = authority.strip_suffix(":80").unwrap_or(&authority);
        let target = format!("http://{authority}{target}");
        let mut head = Self::written(request, endpoint, &target)?;
        if let Some(authorization) = authorization {
            let before = head.bytes.len() - 2;
            let added = format!("Proxy-Authorization: {authorization}\r\n\r\n");
            head.bytes = [&head.bytes[..before], added.as_bytes()].concat().into();
        }
        Ok(head)
    }

    fn written(
        request: &UpstreamRequest,
        endpoint: Endpoint,
        target: &str,
    ) -> Result<Self, SendError> {
        let mut framing = Framing::default();
        let room: usize = request.headers.iter().map(|(n, v)| n.len() + v.len() + 4).sum();
        let mut head = String::with_capacity(room + target.len() + 64);
        let _ = write!(head, "{} {target} HTTP/1.1\r\n", request.method);
        for (name, value) in request.headers.iter() {
            check_name(name)?;
            framing.note(name, value, request.body.len())?;
            push_header(&mut head, name, value)?;
        }
        if !framing.declared && !request.body.is_empty() {
            let _ = write!(head, "Content-Length: {}\r\n", request.body.len());
        }
        head.push_str("\r\n");
        Ok(Self { endpoint, bytes: latin1(head), chunked: framing.chunked })
    }
}

/// What the headers say about the body's framing. Both at once, or a wrong length, would let the body
/// be read as a second request.
#[derive(Default)]
struct Framing {
    declared: bool,
    chunked: bool,
}

impl Framing {
    fn note(&mut self, name: &str, value: &str, length: usize) -> Result<(), SendError> {
        let is_length = name.eq_ignore_ascii_case("content-length");
        let is_chunked = name.eq_ignore_ascii_case("transfer-encoding");
        if !is_length && !is_chunked {
            return Ok(());
        }
        let fits = if is_length {
            value.parse() == Ok(length)
        } else {
            value.eq_ignore_ascii_case("chunked")
        };
        if self.declared || !fits {
            return Err(invalid(format!("Header `{name}` does not fit the body")));
        }
        self.declared = true;
        self.chunked = is_chunked;
        Ok(())
    }
}

/// Endpoint and request target (path and query) of an absolute URL.
fn split_url(text: &str) -> Result<(Endpoint, String), SendError> {
    let bad = || invalid("Invalid URL".to_owned()).with_code(Some("ERR_INVALID_URL"));
    // The strict, cheap parser first; what it refuses (spaces, non-ASCII) is normalised as a browser
    // would.
    let uri: http::Uri = match text.parse() {
        Ok(uri) => uri,
        Err(_) => Url::parse(text).map_err(|_| bad())?.as_str().parse().map_err(|_| bad())?,
    };
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(bad()),
    };
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(bad)?;
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    Ok((Endpoint { tls, host: host.trim_matches(['[', ']']).to_owned(), port }, target))
}

fn check_name(name: &str) -> Result<(), SendError> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !name.is_empty() && name.bytes().all(token) {
        return Ok(());
    }
    let message = format!("Header name must be a valid HTTP token [\"{}\"]", name.escape_debug());
    Err(invalid(message).with_code(Some("ERR_INVALID_HTTP_TOKEN")))
}

fn push_header(head: &mut String, name: &str, value: &str) -> Result<(), SendError> {
    let allowed = |c: char| c == '\t' || matches!(c, ' '..='~') || matches!(c, '\u{80}'..='\u{ff}');
    if !value.chars().all(allowed) {
        // The value may be a secret, so only the name is told.
        let message = format!("Invalid character in header content [\"{name}\"]");
        return Err(invalid(message).with_code(Some("ERR_INVALID_CHAR")));
    }
    head.push_str(name);
    head.push_str(": ");
    head.push_str(value);
    head.push_str("\r\n");
    Ok(())
}

/// Header text goes out as Latin-1, one byte per character.
fn latin1(text: String) -> Bytes {
    if text.is_ascii() {
        return Bytes::from(text);
    }
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect::<Vec<u8>>().into()
}

fn invalid(message: String) -> SendError {
    SendError::new(SendErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {

    use std::time::Duration;

    use super::*;
    use crate::domain::HeaderList;

    fn request(url: &str, headers: &[(&str, &str)], body: &'static [u8]) -> UpstreamRequest {
        UpstreamRequest {
            method: http::Method::POST,
            url: url.to_owned(),
            headers: headers.iter().copied().collect::<HeaderList>(),
            body: Bytes::from_static(body),
            proxy: None,
            idle_timeout: Duration::from_secs(1),
            decode_body: false,
        }
    }

    #[test]
    fn order_spelling_and_repeats_are_kept() {
        let headers = [
            ("X-Stainless-OS", "Linux"),
            ("host", "api.anthropic.com"),
            ("cookie", "a"),
            ("x-app", "caf\u{e9}"),
            ("Cookie", "b"),
            ("Content-Length", "2"),
        ];
        let head =
            RequestHead::build(&request("https://API.example/v1?beta=true", &headers, b"{}"))
                .unwrap();
        assert_eq!(
            head.bytes.as_ref(),
            b"POST /v1?beta=true HTTP/1.1\r\nX-Stainless-OS: Linux\r\nhost: api.anthropic.com\r\n\
              cookie: a\r\nx-app: caf\xe9\r\nCookie: b\r\nContent-Length: 2\r\n\r\n"
        );
        assert_eq!(head.endpoint.port, 443);
        assert!(!head.chunked);
    }

    #[test]
    fn urls_are_normalised_or_refused() {
        let target = |url: &str| {
            RequestHead::build(&request(url, &[], b"")).map(|head| {
                let text = String::from_utf8(head.bytes.to_vec()).unwrap();
                (head.endpoint.host, head.endpoint.port, text.lines().next().unwrap().to_owned())
            })
        };
        assert_eq!(
            target("http://[::1]:81").unwrap(),
            ("::1".into(), 81, "POST / HTTP/1.1".to_owned())
        );
        assert_eq!(
            target("http://h/a b/\u{e9}").unwrap(),
            ("h".into(), 80, "POST /a%20b/%C3%A9 HTTP/1.1".to_owned())
        );
        for bad in ["api.anthropic.com/v1", "ftp://h/", "http://", ""] {
            assert_eq!(target(bad).unwrap_err().kind, SendErrorKind::Invalid, "{bad}");
        }
    }

    #[test]
    fn smuggling_attempts_are_refused() {
        for headers in [
            [("x", "a\r\nb: c")].as_slice(),
            &[("x", "a\0")],
            &[("x", "\u{4e2d}")],
            &[("x y", "a")],
            &[("x\r\n", "a")],
            &[("", "a")],
            &[("Content-Length", "3")],
            &[("Content-Length", "2"), ("Transfer-Encoding", "chunked")],
            &[("content-length", "2"), ("Content-Length", "2")],
            &[("transfer-encoding", "gzip, chunked")],
        ] {
            let error = RequestHead::build(&request("http://h/", headers, b"{}")).err().unwrap();
            assert_eq!(error.kind, SendErrorKind::Invalid, "{headers:?}");
        }
    }
}
