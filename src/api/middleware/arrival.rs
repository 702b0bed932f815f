//! A request as the routes see it.

use std::sync::Arc;

use axum::http::{HeaderMap, Method};
use rand::Rng;
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{HeaderList, RequestId, joint, latin1},
    relay::RequestBody,
};

/// What arrived: put into each request's extensions before routing.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Id of the request, answered as `X-Request-ID`.
    pub request_id: RequestId,
    /// Arrival, epoch milliseconds.
    pub received_ms: i64,
    /// HTTP method.
    pub method: Method,
    /// Path and query as the client wrote them.
    pub original_url: String,
    /// Query parameter `key`, a place for credentials.
    pub query_key: Option<String>,
    /// Headers, names lower-cased, joined as the legacy runtime does, after the browser rewrite.
    pub headers: HeaderList,
    /// Body; an absent or unparsed one is an empty object.
    pub body: Arc<RequestBody>,
    /// Client address; behind a trusted proxy the one it names.
    pub client_ip: String,
    /// Whether somebody else serves what is declined ([`super::Unserved`]).
    pub may_decline: bool,
    /// Cancelled when the client left before its answer was complete.
    pub gone: CancellationToken,
}

/// Headers as the legacy runtime hands them on: repeated ones joined with a comma (cookies with a
/// semicolon), or the first kept; bytes read as Latin-1.
pub fn header_list(headers: &HeaderMap) -> HeaderList {
    let mut list = HeaderList::new();
    for name in headers.keys() {
        let text = name.as_str();
        let mut values = headers.get_all(name).iter().map(|value| latin1(value.as_bytes()));
        let value = match joint(text) {
            None => values.next().unwrap_or_default(),
            Some(joint) => values.collect::<Vec<_>>().join(joint),
        };
        list.push(text, value);
    }
    list
}

/// A new request id: base 36, as long as those of the legacy service usually are.
pub fn new_request_id() -> RequestId {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut rng = rand::rng();
    let text: String =
        (0..11).map(|_| char::from(DIGITS[rng.random_range(0..DIGITS.len())])).collect();
    RequestId::from(text)
}

/// The client's address: the peer's, or with a trusted proxy the last hop it names.
pub fn client_ip(trust_proxy: bool, peer: &str, headers: &HeaderList) -> String {
    let forwarded = headers
        .get("x-forwarded-for")
        .filter(|_| trust_proxy)
        .and_then(|hops| hops.split(',').next_back())
        .map(str::trim)
        .filter(|hop| !hop.is_empty());
    forwarded.unwrap_or(peer).to_owned()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn repeated_headers_are_joined_or_kept_once() {
        let mut headers = HeaderMap::new();
        headers.append("x-api-key", HeaderValue::from_static("a"));
        headers.append("user-agent", HeaderValue::from_static("one"));
        headers.append("x-api-key", HeaderValue::from_static("b"));
        headers.append("user-agent", HeaderValue::from_static("two"));
        headers.append("cookie", HeaderValue::from_static("c=1"));
        headers.append("cookie", HeaderValue::from_static("d=2"));
        if let Ok(value) = HeaderValue::from_bytes(b"\xe9") {
            headers.append("x-name", value);
        }
        let list = header_list(&headers);
        assert_eq!(list.get("x-api-key"), Some("a, b"));
        assert_eq!(list.get("user-agent"), Some("one"));
        assert_eq!(list.get("cookie"), Some("c=1; d=2"));
        assert_eq!(list.get("x-name"), Some("é"));
    }

    #[test]
    fn the_proxy_is_believed_only_when_trusted() {
        let headers: HeaderList = [("x-forwarded-for", "1.1.1.1, 2.2.2.2")].into_iter().collect();
        assert_eq!(client_ip(true, "9.9.9.9", &headers), "2.2.2.2");
        assert_eq!(client_ip(false, "9.9.9.9", &headers), "9.9.9.9");
        assert_eq!(client_ip(true, "9.9.9.9", &HeaderList::new()), "9.9.9.9");
    }

    #[test]
    fn ids_are_short_and_differ() {
        let (one, two) = (new_request_id(), new_request_id());
        assert_eq!(one.as_str().len(), 11);
        assert_ne!(one, two);
    }
}
