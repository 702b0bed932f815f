//! Whether a connection goes on after an answer, and how that is said.

use axum::http::{HeaderMap, HeaderValue, Version, header::CONNECTION, request::Parts};

/// What `Keep-Alive` promises.
const KEEP_ALIVE: HeaderValue = HeaderValue::from_static("timeout=605");

/// Whether the client wants the connection kept.
pub fn is_kept(parts: &Parts) -> bool {
    let wants = |word: &str| {
        parts.headers.get_all(CONNECTION).iter().any(|value| {
            value.to_str().is_ok_and(|text| {
                text.split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
            })
        })
    };
    match parts.version {
        Version::HTTP_11 => !wants("close"),
        _ => wants("keep-alive"),
    }
}

/// Says whether the connection goes on.
pub fn set(headers: &mut HeaderMap, keep: bool) {
    match headers.get(CONNECTION) {
        // A route that says something about the connection itself promises no time.
        Some(value) if keep && value != "close" => {}
        None if keep => {
            headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
            headers.insert("keep-alive", KEEP_ALIVE);
        }
        _ => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}
