//! Weak entity tags and conditional requests, as the legacy framework computes them.

use axum::http::{
    HeaderMap, Method, StatusCode,
    header::{CACHE_CONTROL, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH},
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use sha1::{Digest, Sha1};

/// `W/"<length in hex>-<first 27 characters of the base64 SHA-1>"`.
pub fn weak(body: &[u8]) -> String {
    if body.is_empty() {
        return "W/\"0-2jmj7l5rSw0yVb/vlWAYkK/YBwk\"".to_owned();
    }
    let digest = STANDARD_NO_PAD.encode(Sha1::digest(body));
    format!("W/\"{:x}-{}\"", body.len(), &digest[..27])
}

/// Whether the client's copy is still good, so that 304 is answered. Only successful answers to `GET`
/// and `HEAD` are; nothing here has a `Last-Modified`, so `If-Modified-Since` never matches.
pub fn is_fresh(
    method: &Method,
    status: StatusCode,
    request: &HeaderMap,
    answer: &HeaderMap,
) -> bool {
    let asked = method == Method::GET || method == Method::HEAD;
    if !asked || !(status.is_success() || status == StatusCode::NOT_MODIFIED) {
        return false;
    }
    let text = |name| request.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let Some(none_match) = text(IF_NONE_MATCH).filter(|list| !list.is_empty()) else {
        return false;
    };
    let reload = text(CACHE_CONTROL)
        .is_some_and(|value| value.split(',').any(|part| part.trim() == "no-cache"));
    if reload || text(IF_MODIFIED_SINCE).is_some_and(|since| !since.is_empty()) {
        return false;
    }
    if none_match == "*" {
        return true;
    }
    let Some(tag) = answer.get(ETAG).and_then(|tag| tag.to_str().ok()) else { return false };
    let strong = tag.strip_prefix("W/").unwrap_or(tag);
    none_match
        .split(',')
        .map(|part| part.trim_matches(' '))
        .any(|part| part == tag || part.strip_prefix("W/") == Some(tag) || part == strong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_those_of_the_legacy_service() {
        // Observed on the running service.
        assert_eq!(weak(b"{\"success\":true}"), "W/\"10-oV4hJxRVSENxc/wX8+mA4/Pe4tA\"");
        assert_eq!(weak(b"index.html not found"), "W/\"14-2TUrox/oJwNUNvaQ9anR8HKNAe0\"");
    }

    #[test]
    fn freshness() {
        let fresh = |list: &'static str, method: Method, status: u16| {
            let mut request = HeaderMap::new();
            request.insert(IF_NONE_MATCH, axum::http::HeaderValue::from_static(list));
            let mut answer = HeaderMap::new();
            answer.insert(ETAG, axum::http::HeaderValue::from_static("W/\"1-a\""));
            StatusCode::from_u16(status).is_ok_and(|s| is_fresh(&method, s, &request, &answer))
        };
        assert!(fresh("*", Method::GET, 200));
        assert!(fresh("\"x\" , W/\"1-a\"", Method::HEAD, 200));
        assert!(fresh("\"1-a\"", Method::GET, 200));
        assert!(!fresh("\"2-a\"", Method::GET, 200));
        assert!(!fresh("*", Method::POST, 200));
        assert!(!fresh("*", Method::GET, 404));
    }
}
