//! The pipeline's answers as HTTP responses: the one place that renders replies and refusals.

use std::{convert::Infallible, task::Poll};

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
};
use bytes::Bytes;
use futures_util::stream;

use super::middleware::answer;
use crate::{
    domain::HeaderList,
    keys::Rejection,
    relay::{Reply, ReplyBody},
};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// A reply of the pipeline.
pub fn reply(reply: Reply) -> Response<Body> {
    let Reply { status, headers, body } = reply;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut headers = header_map(&headers);
    match body {
        ReplyBody::Json(text) => sent(status, headers, answer::JSON, text),
        ReplyBody::Text(text) => sent(status, headers, HTML, text),
        ReplyBody::Raw(bytes) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            whole(status, headers, Body::from(bytes))
        }
        ReplyBody::Stream(mut chunks) => {
            let chunks = stream::poll_fn(move |cx| match chunks.poll_recv(cx) {
                Poll::Ready(chunk) => Poll::Ready(chunk.map(Ok::<Bytes, Infallible>)),
                Poll::Pending => Poll::Pending,
            });
            whole(status, headers, Body::from_stream(chunks))
        }
    }
}

/// A refusal of the admission phase.
pub fn rejection(rejection: &Rejection) -> Response<Body> {
    let mut list = HeaderList::new();
    for (name, value) in rejection.headers() {
        list.set(name, value);
    }
    let status = rejection.status();
    reply(Reply { headers: list, ..Reply::json(status, &rejection.body()) })
}

/// Adds headers that the response does not have yet.
pub fn add_missing(response: &mut Response<Body>, headers: &[(&'static str, &'static str)]) {
    for (name, value) in headers {
        if !response.headers().contains_key(*name) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
}

/// As the legacy framework sends whole bodies: an existing type is kept and named UTF-8, and statuses that
/// have no body get none.
fn sent(
    status: StatusCode,
    headers: HeaderMap,
    default_type: HeaderValue,
    text: Bytes,
) -> Response<Body> {
    let content_type = headers.get(CONTENT_TYPE).and_then(with_utf8).unwrap_or(default_type);
    let had_tag = headers.get("etag").cloned();
    let mut response = answer::send(status, content_type, text);
    for (name, value) in &headers {
        if name != CONTENT_TYPE && name != CONTENT_LENGTH {
            response.headers_mut().append(name, value.clone());
        }
    }
    if let Some(tag) = had_tag {
        response.headers_mut().insert("etag", tag);
    }
    match status {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => {
            response.headers_mut().remove(CONTENT_TYPE);
            response.headers_mut().remove(CONTENT_LENGTH);
            *response.body_mut() = Body::empty();
        }
        StatusCode::RESET_CONTENT => {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            *response.body_mut() = Body::empty();
        }
        _ => {}
    }
    response
}

fn whole(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn with_utf8(content_type: &HeaderValue) -> Option<HeaderValue> {
    let text = content_type.to_str().ok()?;
    let mut parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    let mut out = parts.next()?.to_owned();
    let is_charset = |part: &&str| part.to_ascii_lowercase().starts_with("charset=");
    // Parameters are written in alphabetical order, as the legacy framework does.
    let mut parameters: Vec<String> = parts
        .filter(|part| !is_charset(part))
        .map(str::to_owned)
        .chain(["charset=utf-8".to_owned()])
        .collect();
    parameters.sort();
    for parameter in parameters {
        out.push_str("; ");
        out.push_str(&parameter);
    }
    HeaderValue::from_str(&out).ok()
}

fn header_map(list: &HeaderList) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(list.len());
    for (name, value) in list.iter() {
        let name = HeaderName::from_bytes(name.as_bytes());
        // The vendor's bytes were read as Latin-1 or UTF-8; what cannot be sent is left out.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            map.append(name, value);
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::with_utf8;

    #[test]
    fn types_are_named_utf8() {
        let typed = |text: &'static str| with_utf8(&HeaderValue::from_static(text));
        assert_eq!(
            typed("application/json").unwrap_or(super::HTML),
            "application/json; charset=utf-8"
        );
        assert_eq!(
            typed("text/event-stream; charset=latin1").unwrap_or(super::HTML),
            "text/event-stream; charset=utf-8"
        );
    }
}
