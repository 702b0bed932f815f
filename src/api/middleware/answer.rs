//! Answers that belong to no route: unknown paths, broken requests, refused sizes.
//!
//! Shapes: contract/auth-limits-usage.md §1.6.

use axum::{
    body::Body,
    http::{
        HeaderValue, Response, StatusCode,
        header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, ETAG},
    },
};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::etag;

/// `application/json` as the legacy framework spells it.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A body sent whole, with its type, length and entity tag, as the legacy framework's `send` does.
pub fn send(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let body: Bytes = body.into();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    if let Ok(tag) = HeaderValue::from_str(&etag::weak(&body)) {
        headers.insert(ETAG, tag);
    }
    *response.body_mut() = Body::from(body);
    response
}

/// A JSON answer.
pub fn json(status: StatusCode, value: &Value) -> Response<Body> {
    send(status, JSON, value.to_string())
}

/// 404 for a path that no route has; `url` is the request's, with its query.
pub fn not_found(url: &str, now: &str) -> Response<Body> {
    json(
        StatusCode::NOT_FOUND,
        &json!({
            "error": "Not Found",
            "message": format!("Route {url} not found"),
            "timestamp": now,
        }),
    )
}

/// 413 of the size check on `content-length`.
pub fn too_large(limit_mib: i64) -> Response<Body> {
    json(
        StatusCode::PAYLOAD_TOO_LARGE,
        &json!({
            "error": "Payload Too Large",
            "message": "Request body size exceeds limit",
            "limit": format!("{limit_mib}MB"),
        }),
    )
}

/// What the generic error shape needs to know of the request.
#[derive(Clone, Copy, Debug)]
pub struct Fault<'a> {
    /// Status of the answer.
    pub status: StatusCode,
    /// The raw message; shown only in development.
    pub message: &'a str,
    /// Id of the request.
    pub request_id: &'a str,
    /// ISO time.
    pub now: &'a str,
    /// `NODE_ENV=development`: method and URL, and the raw message is shown.
    pub development: Option<(&'a str, &'a str)>,
}

/// The generic error shape.
pub fn fault(fault: &Fault<'_>) -> Response<Body> {
    let shown = match fault.message {
        raw if fault.development.is_some() => raw,
        raw if raw.contains("ECONNREFUSED") => "Service temporarily unavailable",
        raw if raw.contains("timeout") => "Request timeout",
        _ => "Something went wrong",
    };
    let mut body = Map::new();
    body.insert("error".into(), "Internal Server Error".into());
    body.insert("message".into(), shown.into());
    body.insert("requestId".into(), fault.request_id.into());
    body.insert("timestamp".into(), fault.now.into());
    if let Some((method, url)) = fault.development {
        body.insert("stack".into(), format!("Error: {}", fault.message).into());
        body.insert("url".into(), url.into());
        body.insert("method".into(), method.into());
    }
    json(fault.status, &Value::Object(body))
}

/// A bare refusal that ends the connection, as the legacy HTTP parser gives.
pub fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
