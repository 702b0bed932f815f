//! A [`Sender`] that answers from a recording and never opens a connection.
//!
//! It is what a run without side effects is given: requests are noted as they would have been sent, and
//! answered with what the other implementation got for the same thing.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use url::Url;

use super::{
    SendError, SendErrorKind, Sender, SurroundingProxies, UpstreamRequest, UpstreamResponse,
    answer::header_list, decode::Coding,
};
use crate::domain::ProxyConfig;

/// One exchange as it went.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// Method.
    pub method: String,
    /// Absolute URL.
    pub url: String,
    /// The answer's status; `None` when there was no answer.
    pub status: Option<u16>,
    /// Its headers as they came.
    pub headers: Vec<(String, String)>,
    /// Its body as it came, encodings included.
    pub body: Vec<Bytes>,
    /// Why it ended early: runtime's code and message.
    pub failure: Option<(Option<String>, String)>,
    /// When the answer's head and its end were there, epoch milliseconds; 0 where unknown.
    pub times: (i64, i64),
}

/// Told the time at which a recorded event happened, so that a run's clock can follow.
pub type Pace = Arc<dyn Fn(i64) + Send + Sync>;

/// Answers from recorded exchanges, each once.
pub struct ReplayingSender {
    left: Mutex<Vec<Option<Recorded>>>,
    sent: Mutex<Vec<Sent>>,
    pace: Pace,
    surroundings: SurroundingProxies,
}

/// A request that would have been sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The request.
    pub request: UpstreamRequest,
    /// The proxy it would have gone through, its own or the environment's.
    pub proxy: Option<ProxyConfig>,
    /// Which recording answered it; `None`: there was none left.
    pub answered_by: Option<usize>,
}

impl ReplayingSender {
    /// A sender of these recordings, where the environment names these proxies.
    pub fn new(recorded: Vec<Recorded>, pace: Pace, surroundings: SurroundingProxies) -> Self {
        let left = Mutex::new(recorded.into_iter().map(Some).collect());
        Self { left, sent: Mutex::default(), pace, surroundings }
    }

    /// What was to be sent, in order.
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().clone()
    }

    /// Takes the recording that fits best: the same URL first, then the same host, then any. A request
    /// that went elsewhere is a difference to report, not a reason to stop.
    fn take(&self, request: &UpstreamRequest) -> Option<(usize, Recorded)> {
        let mut left = self.left.lock();
        let asked = Url::parse(&request.url).ok();
        let fit = |recorded: &Recorded| {
            let method = recorded.method.eq_ignore_ascii_case(request.method.as_str());
            let (Some(asked), Ok(known)) = (&asked, Url::parse(&recorded.url)) else {
                return u8::from(method);
            };
            let host = asked.host_str() == known.host_str();
            let path = host && asked.path() == known.path();
            let query = path && asked.query() == known.query();
            u8::from(method) + 2 * u8::from(host) + 4 * u8::from(path) + 8 * u8::from(query)
        };
        let best = left
            .iter()
            .enumerate()
            .filter_map(|(at, recorded)| Some((at, fit(recorded.as_ref()?))))
            // The earliest of equals.
            .max_by_key(|(at, fit)| (*fit, std::cmp::Reverse(*at)))?;
        let recorded = left.get_mut(best.0)?.take()?;
        Some((best.0, recorded))
    }

    fn replay(
        &self,
        request: UpstreamRequest,
        around: Option<ProxyConfig>,
    ) -> Result<UpstreamResponse, SendError> {
        let taken = self.take(&request);
        let decode = request.decode_body;
        let answered_by = taken.as_ref().map(|(at, _)| *at);
        let proxy = request.proxy.clone().or(around);
        self.sent.lock().push(Sent { request, proxy, answered_by });
        let Some((_, recorded)) = taken else {
            let message = "there is no recording of such a request";
            return Err(SendError::new(SendErrorKind::Network, message));
        };
        answer(recorded, decode, Arc::clone(&self.pace))
    }
}

impl Sender for ReplayingSender {
    fn send(&self, request: UpstreamRequest) -> BoxFuture<'_, Result<UpstreamResponse, SendError>> {
        let around = match request.proxy {
            None => self.surroundings.of(&request.url),
            Some(_) => Ok(None),
        };
        async move { self.replay(request, around?) }.boxed()
    }

    fn send_past(
        &self,
        request: UpstreamRequest,
    ) -> BoxFuture<'_, Result<UpstreamResponse, SendError>> {
        async move { self.replay(request, None) }.boxed()
    }
}

fn answer(recorded: Recorded, decode: bool, pace: Pace) -> Result<UpstreamResponse, SendError> {
    let (head_ms, end_ms) = recorded.times;
    pace(head_ms);
    let failure = recorded.failure.map(|(code, message)| failure(code.as_deref(), message));
    let Some(status) = recorded.status else {
        pace(end_ms);
        return Err(failure.unwrap_or_else(|| {
            SendError::new(SendErrorKind::Network, "the recorded request had no answer")
        }));
    };
    let mut map = HeaderMap::new();
    for (name, value) in &recorded.headers {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(&latin1(value)))
        {
            map.append(name, value);
        }
    }
    let mut headers = header_list(&map);
    let chunks = recorded.body.into_iter().map(Ok).chain(failure.map(Err));
    let ended = stream::once(async move { pace(end_ms) }).filter_map(|()| async { None });
    let mut body = stream::iter(chunks.collect::<Vec<_>>()).chain(ended).boxed();
    if decode && let Some(coding) = headers.get("content-encoding").and_then(Coding::named) {
        body = coding.decode(body);
        headers.remove("content-encoding");
    }
    Ok(UpstreamResponse { status, headers, body })
}

/// A body without its content encoding; as it is when the encoding is not known. What is broken off
/// inside the encoding ends there.
pub async fn decoded(encoding: &str, body: Bytes) -> Bytes {
    let Some(coding) = Coding::named(encoding) else { return body };
    let mut plain = Vec::new();
    let mut chunks = coding.decode(stream::iter([Ok(body)]).boxed());
    while let Some(Ok(chunk)) = chunks.next().await {
        plain.extend_from_slice(&chunk);
    }
    plain.into()
}

/// A failure by the runtime's own code.
fn failure(code: Option<&str>, message: String) -> SendError {
    let (kind, code) = match code {
        Some("ECONNREFUSED") => (SendErrorKind::Refused, Some("ECONNREFUSED")),
        Some("ECONNRESET") => (SendErrorKind::Reset, Some("ECONNRESET")),
        Some("ENOTFOUND") => (SendErrorKind::Dns, Some("ENOTFOUND")),
        Some("EAI_AGAIN") => (SendErrorKind::Dns, Some("EAI_AGAIN")),
        Some("ETIMEDOUT") => (SendErrorKind::ConnectTimeout, Some("ETIMEDOUT")),
        Some("ECONNABORTED" | "ESOCKETTIMEDOUT") => (SendErrorKind::IdleTimeout, None),
        Some("EPIPE") => (SendErrorKind::Network, Some("EPIPE")),
        Some("EHOSTUNREACH") => (SendErrorKind::Network, Some("EHOSTUNREACH")),
        Some(code) if code.starts_with("HPE_") => (SendErrorKind::Protocol, None),
        _ if message == "aborted" || message == "socket hang up" => (SendErrorKind::Reset, None),
        _ => (SendErrorKind::Network, None),
    };
    SendError::new(kind, message).with_code(code)
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

#[cfg(test)]
mod tests {
    use std::{io::Write, time::Duration};

    use super::*;
    use crate::domain::{HeaderList, ProxyKind, Secret};

    fn request(url: &str) -> UpstreamRequest {
        UpstreamRequest {
            method: http::Method::POST,
            url: url.to_owned(),
            headers: HeaderList::new(),
            body: Bytes::from_static(b"{}"),
            proxy: None,
            idle_timeout: Duration::from_secs(1),
            decode_body: true,
        }
    }

    fn recorded(url: &str, status: u16, body: &[&'static str]) -> Recorded {
        Recorded {
            method: "POST".to_owned(),
            url: url.to_owned(),
            status: Some(status),
            body: body.iter().map(|part| Bytes::from_static(part.as_bytes())).collect(),
            ..Recorded::default()
        }
    }

    async fn text(answer: UpstreamResponse) -> Result<String, SendError> {
        let mut text = Vec::new();
        let mut body = answer.body;
        while let Some(chunk) = body.next().await {
            text.extend_from_slice(&chunk?);
        }
        Ok(String::from_utf8(text).unwrap())
    }

    #[tokio::test]
    async fn each_request_gets_the_recording_that_fits_best_once() {
        let times = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&times);
        let mut token = recorded("https://a.test/token", 200, &["t"]);
        token.times = (5, 7);
        let all = vec![
            recorded("https://b.test/v1/messages", 429, &["first"]),
            token,
            recorded("https://b.test/v1/messages", 200, &["sec", "ond"]),
        ];
        let sender = ReplayingSender::new(
            all,
            Arc::new(move |at| seen.lock().push(at)),
            SurroundingProxies::default(),
        );
        let answer = sender.send(request("https://a.test/token")).await.unwrap();
        assert_eq!(text(answer).await.unwrap(), "t");
        assert_eq!(*times.lock(), [5, 7]);
        let answer = sender.send(request("https://b.test/v1/messages")).await.unwrap();
        assert_eq!((answer.status, text(answer).await.unwrap()), (429, "first".to_owned()));
        let answer = sender.send(request("https://b.test/other")).await.unwrap();
        assert_eq!(text(answer).await.unwrap(), "second");
        assert!(sender.send(request("https://b.test/v1/messages")).await.is_err());
        let by: Vec<_> = sender.sent().iter().map(|sent| sent.answered_by).collect();
        assert_eq!(by, [Some(1), Some(0), Some(2), None]);
    }

    #[tokio::test]
    async fn encodings_and_failures_are_replayed() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"plain text").unwrap();
        let mut packed = recorded("https://b.test/", 200, &[]);
        packed.headers = vec![("Content-Encoding".into(), "gzip".into())];
        packed.body = vec![gzip.finish().unwrap().into()];
        let mut cut = recorded("https://b.test/", 200, &["half"]);
        cut.failure = Some((Some("ECONNRESET".into()), "aborted".into()));
        let refused = Recorded {
            failure: Some((Some("ECONNREFUSED".into()), "connect ECONNREFUSED 1.2.3.4:443".into())),
            ..Recorded::default()
        };
        let sender = ReplayingSender::new(
            vec![packed, cut, refused],
            Arc::new(|_| {}),
            SurroundingProxies::default(),
        );
        let answer = sender.send(request("https://b.test/")).await.unwrap();
        assert!(answer.headers.get("content-encoding").is_none());
        assert_eq!(text(answer).await.unwrap(), "plain text");
        let answer = sender.send(request("https://b.test/")).await.unwrap();
        assert_eq!(text(answer).await.unwrap_err().kind, SendErrorKind::Reset);
        let error = sender.send(request("https://b.test/")).await.err().unwrap();
        assert_eq!((error.kind, error.code), (SendErrorKind::Refused, Some("ECONNREFUSED")));
    }

    #[tokio::test]
    async fn the_proxy_that_a_request_would_take_is_noted() {
        let own = ProxyConfig {
            kind: ProxyKind::Socks5,
            host: "own.test".to_owned(),
            port: 1080,
            credentials: None,
        };
        let https = Some(Secret::from("http://around.test:3128"));
        let surroundings = SurroundingProxies { https, ..SurroundingProxies::default() };
        let sender = ReplayingSender::new(Vec::new(), Arc::new(|_| {}), surroundings);
        let asked = || request("https://b.test/");
        let _ = sender.send(asked()).await;
        let _ = sender.send_past(asked()).await;
        let _ = sender.send(UpstreamRequest { proxy: Some(own), ..asked() }).await;
        let taken: Vec<Option<String>> =
            sender.sent().into_iter().map(|sent| Some(sent.proxy?.host)).collect();
        assert_eq!(taken, [Some("around.test".to_owned()), None, Some("own.test".to_owned())]);
        let https = Some(Secret::from("ftp://around.test"));
        let surroundings = SurroundingProxies { https, ..SurroundingProxies::default() };
        let sender = ReplayingSender::new(Vec::new(), Arc::new(|_| {}), surroundings);
        let refused = sender.send(asked()).await.err().unwrap();
        assert_eq!((refused.kind, sender.sent().len()), (SendErrorKind::Invalid, 0));
    }
}
