//! Whether and how an answer is compressed: the rules of the legacy service's middleware.

use async_compression::{
    Level,
    tokio::bufread::{BrotliEncoder, GzipEncoder, ZlibEncoder},
};
use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue, Method,
        header::{
            ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY,
        },
        response::Parts,
    },
};
use futures_util::TryStreamExt;
use tokio_util::io::{ReaderStream, StreamReader};

/// Shorter bodies are sent as they are.
const THRESHOLD: u64 = 1024;

/// Types that are compressed although they are neither `text/*` nor `+json`, `+text`, `+xml`.
const COMPRESSIBLE: [&str; 12] = [
    "application/json",
    "application/javascript",
    "application/ecmascript",
    "application/xml",
    "application/wasm",
    "application/rtf",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "application/vnd.ms-fontobject",
    "font/ttf",
    "font/otf",
    "image/x-icon",
];

/// Codings offered, in the order of the legacy table; the first two are preferred at equal quality.
const OFFERED: [&str; 4] = ["br", "gzip", "deflate", "identity"];

/// Compresses `body` when the client and the answer allow it, and sets `Vary`, `Content-Encoding` and
/// `Content-Length` accordingly.
pub fn apply(method: &Method, request: &HeaderMap, answer: &mut Parts, body: Body) -> Body {
    let headers = &mut answer.headers;
    if !is_compressible(headers) || forbids_transformation(headers) {
        return body;
    }
    add_vary(headers);
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok())
        .or_else(|| http_body::Body::size_hint(&body).exact());
    let encoded = headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    if length.is_some_and(|n| n < THRESHOLD) || encoded || method == Method::HEAD {
        return body;
    }
    let Some(accepted) = request.get(ACCEPT_ENCODING).filter(|value| !value.is_empty()) else {
        return body;
    };
    let coding = choose(&String::from_utf8_lossy(accepted.as_bytes()));
    let (Some(coding), Some(name)) = (coding, coding.and_then(Coding::header)) else { return body };
    headers.insert(CONTENT_ENCODING, name);
    headers.remove(CONTENT_LENGTH);
    let reader = StreamReader::new(body.into_data_stream().map_err(std::io::Error::other));
    match coding {
        Coding::Brotli => Body::from_stream(ReaderStream::new(BrotliEncoder::with_quality(
            reader,
            Level::Precise(4),
        ))),
        Coding::Gzip => Body::from_stream(ReaderStream::new(GzipEncoder::new(reader))),
        Coding::Deflate => Body::from_stream(ReaderStream::new(ZlibEncoder::new(reader))),
        Coding::Identity => Body::from_stream(ReaderStream::new(reader)),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Brotli,
    Gzip,
    Deflate,
    Identity,
}

impl Coding {
    fn header(self) -> Option<HeaderValue> {
        match self {
            Self::Brotli => Some(HeaderValue::from_static("br")),
            Self::Gzip => Some(HeaderValue::from_static("gzip")),
            Self::Deflate => Some(HeaderValue::from_static("deflate")),
            Self::Identity => None,
        }
    }
}

fn is_compressible(headers: &HeaderMap) -> bool {
    let Some(full) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    // Streams of events are told apart by the exact type; with a parameter they are ordinary text.
    if full == "text/event-stream" {
        return false;
    }
    let kind = full.trim_start().split([';', ' ', '\t']).next().unwrap_or("").to_ascii_lowercase();
    COMPRESSIBLE.contains(&kind.as_str())
        || kind.starts_with("text/")
        || ["+json", "+text", "+xml"].iter().any(|suffix| kind.ends_with(suffix))
}

fn forbids_transformation(headers: &HeaderMap) -> bool {
    headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value.split(',').any(|part| part.trim().eq_ignore_ascii_case("no-transform"))
    })
}

fn add_vary(headers: &mut HeaderMap) {
    let existing = headers.get(VARY).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    let named =
        |part: &str| part.trim().eq_ignore_ascii_case("accept-encoding") || part.trim() == "*";
    if existing.is_empty() {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    } else if !existing.split(',').any(named)
        && let Ok(value) = HeaderValue::from_str(&format!("{existing}, Accept-Encoding"))
    {
        headers.insert(VARY, value);
    }
}

/// One entry of `Accept-Encoding`.
struct Accepted {
    name: String,
    quality: f64,
}

/// The coding to use; `None` when nothing offered is acceptable.
fn choose(header: &str) -> Option<Coding> {
    let mut accepted: Vec<Accepted> = header.split(',').filter_map(parse_accepted).collect();
    if !accepted.iter().any(|entry| matches!(entry.name.as_str(), "identity" | "*")) {
        // An unnamed identity is acceptable, but last. A quality of 0 counts as 1 here.
        let least = accepted
            .iter()
            .map(|entry| if entry.quality == 0.0 { 1.0 } else { entry.quality })
            .fold(1.0, f64::min);
        accepted.push(Accepted { name: "identity".into(), quality: least });
    }
    let mut best: Option<(usize, f64, usize)> = None;
    for (offer, name) in OFFERED.iter().enumerate() {
        let Some((quality, order)) = quality_of(name, &accepted) else { continue };
        if quality <= 0.0 {
            continue;
        }
        let better = best.is_none_or(|(other, best_quality, best_order)| {
            quality > best_quality
                || (quality == best_quality && precedes((offer, order), (other, best_order)))
        });
        if better {
            best = Some((offer, quality, order));
        }
    }
    best.map(|(offer, ..)| match offer {
        0 => Coding::Brotli,
        1 => Coding::Gzip,
        2 => Coding::Deflate,
        _ => Coding::Identity,
    })
}

/// At equal quality: `br`, `gzip`, then by the client's order.
fn precedes(one: (usize, usize), other: (usize, usize)) -> bool {
    match (one.0 < 2, other.0 < 2) {
        (true, true) => one.0 < other.0,
        (first, second) if first != second => first,
        _ => (one.1, one.0) < (other.1, other.0),
    }
}

/// Quality of a coding and the place of the entry that decided it: an exact name beats `*`.
fn quality_of(name: &str, accepted: &[Accepted]) -> Option<(f64, usize)> {
    let found = |wanted: &str| {
        accepted
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.name == wanted)
            .map(|(order, entry)| (entry.quality, order))
            .reduce(|best, next| if next.0 >= best.0 { next } else { best })
    };
    found(name).or_else(|| found("*"))
}

fn parse_accepted(part: &str) -> Option<Accepted> {
    let (name, parameters) = part.split_once(';').unwrap_or((part, ""));
    let name = name.trim().to_ascii_lowercase();
    if name.is_empty() || name.contains(char::is_whitespace) {
        return None;
    }
    let quality = parameters
        .split(';')
        .find_map(|parameter| parameter.trim().strip_prefix("q="))
        .map_or(1.0, |value| value.trim().parse().unwrap_or(0.0));
    Some(Accepted { name, quality })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    // Each observed on the running legacy service.
    #[rstest]
    #[case("gzip", Coding::Gzip)]
    #[case("br", Coding::Brotli)]
    #[case("gzip, br", Coding::Brotli)]
    #[case("gzip, deflate, br", Coding::Brotli)]
    #[case("deflate", Coding::Deflate)]
    #[case("identity", Coding::Identity)]
    #[case("*", Coding::Brotli)]
    #[case("gzip;q=0.5, br;q=0.1", Coding::Gzip)]
    #[case("zstd", Coding::Identity)]
    #[case("br;q=0, *", Coding::Gzip)]
    #[case("gzip;q=0", Coding::Identity)]
    #[case("deflate, gzip;q=0.9", Coding::Deflate)]
    #[case("x-gzip", Coding::Identity)]
    fn negotiation(#[case] header: &str, #[case] expected: Coding) {
        assert_eq!(choose(header), Some(expected));
    }

    #[test]
    fn an_event_stream_is_left_alone_and_json_is_not() {
        let headers = |kind: &'static str| {
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))])
        };
        assert!(!is_compressible(&headers("text/event-stream")));
        assert!(is_compressible(&headers("text/event-stream; charset=utf-8")));
        assert!(is_compressible(&headers("application/json; charset=utf-8")));
        assert!(is_compressible(&headers("application/vnd.api+json")));
        assert!(!is_compressible(&headers("image/png")));
    }

    #[test]
    fn vary_is_extended_once() {
        let mut headers = HeaderMap::from_iter([(VARY, HeaderValue::from_static("Accept"))]);
        add_vary(&mut headers);
        add_vary(&mut headers);
        assert_eq!(
            headers.get(VARY).map(HeaderValue::as_bytes),
            Some(&b"Accept, Accept-Encoding"[..])
        );
    }
}
