//! What happens to every request before and after its route, in the legacy service's order
//! (contract/auth-limits-usage.md §1.1).
//!
//! [`Front::handle`] is the whole of it; each step is a function of its own in a file of its own.
//! Nothing here knows a key, an account or a route.

pub mod answer;
mod arrival;
pub mod body;
mod compress;
mod connection;
mod cors;
mod count;
mod ending;
pub mod etag;
mod form;
mod kept;
mod media_type;
pub mod path;
mod standing;
#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{
        HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
        header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, TRANSFER_ENCODING},
        request::Parts,
        uri::PathAndQuery,
    },
};
use bytes::BytesMut;
use http_body_util::BodyExt;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub use arrival::Arrival;
pub use cors::Cors;
pub use ending::KeyLabel;
use ending::{Ending, Exchange, Watched};
pub use kept::{Fault, KeptBody, Unserved};

use crate::{
    config::{LimitsConfig, ServerConfig},
    domain::{HeaderList, RequestId},
    relay::RequestBody,
};
use body::{BodyRefusal, Plan};

/// Time within which a whole request must have arrived.
const REQUEST_TIME: Duration = Duration::from_secs(300);
/// Unwanted bodies are read up to this; beyond it the connection is closed instead.
const DUMPED_MOST: usize = 1 << 20;
/// Compressed bodies beyond this are inflated on a thread for blocking work.
const INFLATE_INLINE: usize = 64 * 1024;

/// URL, header names and values together may be just shorter than this (431 otherwise).
const HEAD_LIMIT: usize = 16 * 1024;

/// Methods that the legacy HTTP parser knows; others are refused.
const METHODS: [&str; 33] = [
    "ACL",
    "BIND",
    "CHECKOUT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LINK",
    "LOCK",
    "M-SEARCH",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "TRACE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

/// Rewrites a browser's headers; the rules belong to key admission.
pub type BrowserRewrite = fn(&mut HeaderList) -> bool;

/// Now, in milliseconds since the epoch.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Settings of the front.
#[derive(Clone)]
pub struct FrontSettings {
    /// Cross-origin rules.
    pub cors: Cors,
    /// `REQUEST_MAX_SIZE_MB`; `None` = no check.
    pub request_max_mib: Option<i64>,
    /// `NODE_ENV=development`.
    pub development: bool,
    /// `TRUST_PROXY`.
    pub trust_proxy: bool,
    /// Makes browsers look like the command-line client.
    pub browser_rewrite: BrowserRewrite,
    /// Source of time.
    pub now: Now,
}

impl FrontSettings {
    /// From the operator's settings.
    pub fn new(
        server: &ServerConfig,
        limits: &LimitsConfig,
        browser_rewrite: BrowserRewrite,
        now: Now,
    ) -> Self {
        Self {
            cors: if server.enable_cors { Cors::Permissive } else { Cors::BuiltIn },
            request_max_mib: limits.request_max_mib,
            development: server.development,
            trust_proxy: server.trust_proxy,
            browser_rewrite,
            now,
        }
    }
}

/// Everything in front of (and behind) the routes.
#[derive(Clone)]
pub struct Front {
    settings: Arc<FrontSettings>,
    router: Router,
    empty: Option<Arc<RequestBody>>,
}

impl Front {
    /// A front before `router`, whose routes find an [`Arrival`] in each request's extensions. Headers
    /// and body are there alone, not in the request.
    pub fn new(settings: FrontSettings, router: Router) -> Self {
        Self { settings: Arc::new(settings), router, empty: body::empty() }
    }

    /// Answers one request from the address `peer`. `closing`: the server is stopping, so the
    /// connection is not kept.
    pub async fn handle<B>(&self, request: Request<B>, peer: &str, closing: bool) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let (mut parts, body) = request.into_parts();
        if let Some(refusal) = refuse_at_once(&parts) {
            return refusal;
        }
        let keep = !closing && connection::is_kept(&parts);
        if parts.uri.path() == "/admin-next/" && parts.method == Method::GET {
            // Answered before everything else, and so without the standing headers.
            let page = HeaderValue::from_static("text/html; charset=utf-8");
            let mut response =
                answer::send(StatusCode::NOT_FOUND, page, &b"index.html not found"[..]);
            connection::set(response.headers_mut(), keep);
            return response;
        }
        let mut standing = HeaderMap::new();
        standing::first(&mut standing);
        let method = parts.method.clone();
        if cors::apply(self.settings.cors, &method, &parts.headers, &mut standing) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            *response.headers_mut() = standing;
            connection::set(response.headers_mut(), keep);
            return response;
        }
        let asked = std::mem::take(&mut parts.headers);
        let (response, ending) = self.answer(parts, &asked, body, peer, &mut standing).await;
        let (mut head, body) = finish(&method, &asked, standing, response).into_parts();
        connection::set(&mut head.headers, keep);
        let Some(mut ending) = ending else { return Response::from_parts(head, body) };
        ending.answered(&mut head);
        if method == Method::HEAD || head.status == StatusCode::NOT_MODIFIED {
            // The body is never asked for.
            ending.complete();
            return Response::from_parts(head, body);
        }
        Response::from_parts(head, Watched::wrap(body, ending))
    }

    /// From the size check to the route. What is refused before it has an id has no [`Ending`].
    async fn answer<B>(
        &self,
        mut parts: Parts,
        asked: &HeaderMap,
        body: B,
        peer: &str,
        standing: &mut HeaderMap,
    ) -> (Response<Body>, Option<Ending>)
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let settings = &self.settings;
        let mut headers = arrival::header_list(asked);
        (settings.browser_rewrite)(&mut headers);
        let claimed = headers.get("content-length").and_then(js::parse_int).unwrap_or(0);
        if let Some(mib) = settings.request_max_mib
            && claimed > mib.saturating_mul(1024 * 1024)
        {
            tracing::warn!(target: crate::logs::SECURITY, bytes = claimed, ip = peer, "Request too large");
            return (answer::too_large(mib), None);
        }
        let started = Instant::now();
        let received_ms = (settings.now)();
        let request_id = arrival::new_request_id();
        if let Ok(value) = HeaderValue::from_str(request_id.as_str()) {
            standing.insert("x-request-id", value);
        }
        let original_url = parts.uri.to_string();
        let client_ip = arrival::client_ip(settings.trust_proxy, peer, &headers);
        let gone = CancellationToken::new();
        let exchange = Exchange {
            request_id: request_id.to_string(),
            method: parts.method.to_string(),
            url: path::without_key(&original_url).into_owned(),
            ip: client_ip.clone(),
            agent: headers.get("user-agent").unwrap_or("unknown").to_owned(),
            referer: headers.get("referer").unwrap_or("none").to_owned(),
            key: None,
            status: 0,
            length: 0,
        };
        let ending = Ending::new(gone.clone(), exchange, started);
        let kept = parts.extensions.remove::<KeptBody>();
        let may_decline = kept.is_some();
        let response = match self.read(asked, body, kept).await {
            // What remains of the body cannot be told from a next request.
            Err(refusal @ (BodyRefusal::Late | BodyRefusal::Aborted)) => {
                return (answer::bare(refusal.status()), None);
            }
            Err(refusal) => {
                let error = refusal.to_string();
                self.fault(refusal.status(), &error, &request_id, &parts.method, &original_url)
            }
            Ok(body) => {
                standing::second(standing, parts.uri.path());
                if !path::decodes(parts.uri.path()) {
                    // Every route would have refused it, the last one for its own parameter.
                    let error = format!("Failed to decode param '{}'", parts.uri.path());
                    self.fault(
                        StatusCode::BAD_REQUEST,
                        &error,
                        &request_id,
                        &parts.method,
                        &original_url,
                    )
                } else {
                    let arrival = Arrival {
                        request_id,
                        received_ms,
                        method: parts.method.clone(),
                        query_key: parts.uri.query().and_then(|q| path::query_value(q, "key")),
                        original_url,
                        headers,
                        body,
                        client_ip,
                        may_decline,
                        gone,
                    };
                    parts.uri = canonical_uri(parts.uri);
                    parts.extensions.insert(arrival);
                    match self
                        .router
                        .clone()
                        .oneshot(Request::from_parts(parts, Body::empty()))
                        .await
                    {
                        Ok(response) => response,
                        Err(never) => match never {},
                    }
                }
            }
        };
        (response, Some(ending))
    }

    /// Reads and parses the body as its headers ask.
    async fn read<B>(
        &self,
        headers: &HeaderMap,
        body: B,
        kept: Option<KeptBody>,
    ) -> Result<Arc<RequestBody>, BodyRefusal>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display,
    {
        match body::plan(headers)? {
            Plan::Skip => {
                let _ = tokio::time::timeout(REQUEST_TIME, dump(body)).await;
                self.empty.clone().ok_or_else(|| BodyRefusal::Malformed("no empty body".into()))
            }
            Plan::Read { format, coding } => {
                let raw = tokio::time::timeout(REQUEST_TIME, collect(headers, body))
                    .await
                    .map_err(|_| BodyRefusal::Late)??;
                if let Some(kept) = kept {
                    kept.keep(&raw);
                }
                if coding == body::Coding::Identity || raw.len() < INFLATE_INLINE {
                    return body::parse(format, coding, raw);
                }
                tokio::task::spawn_blocking(move || body::parse(format, coding, raw))
                    .await
                    .map_err(|_| BodyRefusal::Aborted)?
            }
        }
    }

    fn fault(
        &self,
        status: StatusCode,
        message: &str,
        request_id: &RequestId,
        method: &Method,
        url: &str,
    ) -> Response<Body> {
        answer::fault(&answer::Fault {
            status,
            message,
            request_id: request_id.as_str(),
            now: &iso_time((self.settings.now)()),
            development: self.settings.development.then(|| (method.as_str(), url)),
        })
    }
}

/// ISO 8601 with milliseconds, as JavaScript's `toISOString`.
pub fn iso_time(epoch_ms: i64) -> String {
    Timestamp::from_millisecond(epoch_ms)
        .map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}

/// Requests that the legacy HTTP parser ends without any of the steps.
fn refuse_at_once(parts: &Parts) -> Option<Response<Body>> {
    let known = METHODS.contains(&parts.method.as_str());
    let nameless = parts.version == Version::HTTP_11 && !parts.headers.contains_key(HOST);
    let rootless = parts.uri.scheme().is_none() && parts.uri.authority().is_some();
    if !known || nameless || rootless {
        return Some(answer::bare(StatusCode::BAD_REQUEST));
    }
    let url = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let head = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    if url + head.sum::<usize>() >= HEAD_LIMIT {
        return Some(answer::bare(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
    }
    let expects = parts.headers.get(EXPECT)?;
    let usual = expects.as_bytes().eq_ignore_ascii_case(b"100-continue");
    (!usual).then(|| answer::bare(StatusCode::EXPECTATION_FAILED))
}

/// The request's URL in the one spelling that the route table knows.
fn canonical_uri(uri: Uri) -> Uri {
    let mut path = path::canonical(uri.path());
    if path.contains("//") {
        // No route has an empty segment, but a parameter would take one.
        path = "//".into();
    }
    if path == uri.path() {
        return uri;
    }
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.into_owned(),
    };
    match PathAndQuery::try_from(target) {
        Ok(target) => Uri::from(target),
        Err(_) => uri,
    }
}

/// Gathers the body, at most [`body::LIMIT`] bytes.
/// Reads what nobody wants, within reason, so that the connection can be kept.
async fn dump<B>(body: B)
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
{
    let mut body = std::pin::pin!(body);
    let mut left = DUMPED_MOST;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        if length > left {
            return;
        }
        left -= length;
    }
}

async fn collect<B>(headers: &HeaderMap, body: B) -> Result<Bytes, BodyRefusal>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display,
{
    let length: Option<usize> =
        headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut body = std::pin::pin!(body);
    let mut first: Option<Bytes> = None;
    let mut gathered = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyRefusal::Aborted)?.into_data() else { continue };
        let so_far = gathered.len() + first.as_ref().map_or(0, Bytes::len);
        if so_far + data.len() > body::LIMIT {
            return Err(BodyRefusal::TooLarge);
        }
        // A body that came in one piece is not copied.
        if so_far == 0 {
            first = Some(data);
            continue;
        }
        if let Some(head) = first.take() {
            // A claimed length is believed only so far before the bytes are there.
            gathered.reserve(length.unwrap_or(0).clamp(so_far + data.len(), 16 << 20));
            gathered.extend_from_slice(&head);
        }
        gathered.extend_from_slice(&data);
    }
    Ok(first.unwrap_or_else(|| gathered.freeze()))
}

/// Standing headers, conditional answers and compression.
fn finish(
    method: &Method,
    asked: &HeaderMap,
    mut standing: HeaderMap,
    response: Response<Body>,
) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let mut last = None;
    for (name, value) in std::mem::take(&mut head.headers) {
        // A name is only given with the first of its values.
        match name {
            Some(name) => {
                standing.insert(name.clone(), value);
                last = Some(name);
            }
            None => {
                if let Some(name) = &last {
                    standing.append(name.clone(), value);
                }
            }
        }
    }
    // The router adds it to answers about a wrong method; the legacy service has none.
    standing.remove(ALLOW);
    head.headers = standing;
    if head.headers.contains_key("etag")
        && etag::is_fresh(method, head.status, asked, &head.headers)
    {
        head.status = StatusCode::NOT_MODIFIED;
        for name in [CONTENT_TYPE, CONTENT_LENGTH, TRANSFER_ENCODING] {
            head.headers.remove(name);
        }
        return Response::from_parts(head, Body::empty());
    }
    let body = compress::apply(method, asked, &mut head, body);
    Response::from_parts(head, body)
}
