//! Bodies as observed on the running legacy service.

use std::io::Write;

use axum::http::HeaderValue;
use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use rstest::rstest;

use super::*;

fn read(kind: &str, coding: Option<&str>, body: &[u8]) -> Result<String, u16> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(kind).unwrap());
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    if let Some(coding) = coding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_str(coding).unwrap());
    }
    let refused = |refusal: BodyRefusal| refusal.status().as_u16();
    match plan(&headers).map_err(refused)? {
        Plan::Skip => Ok("skipped".into()),
        Plan::Read { format, coding } => parse(format, coding, Bytes::copy_from_slice(body))
            .map(|body| String::from_utf8(body.bytes().to_vec()).unwrap())
            .map_err(refused),
    }
}

#[rstest]
#[case("application/json", b"{\"a\":", Err(400))]
#[case("application/json", b"5", Err(400))]
#[case("application/json", b"\"x\"", Err(400))]
#[case("application/json", b"null", Err(400))]
#[case("application/json", b"[]", Ok("[]"))]
#[case("application/json", b"", Ok("{}"))]
#[case("application/json", b"  \n", Err(403))]
#[case("application/json", "\u{a0}\u{feff} ".as_bytes(), Err(403))]
#[case("application/json", b"\xef\xbb\xbf{\"a\":1}", Ok("{\"a\":1}"))]
#[case("application/json", b"\xc2\xa0{\"a\":1}", Err(400))]
#[case("application/json", b"{\"a\":\"\xff\"}", Ok("{\"a\":\"\u{fffd}\"}"))]
#[case("application/json; charset=UTF-8", b"{}", Ok("{}"))]
#[case("application/json; charset=latin1", b"{}", Err(415))]
#[case("application/json; charset=utf8", b"{}", Err(415))]
#[case("application/json; charset=utf-32", b"{}", Err(415))]
#[case("application/json; charset=utf-9", b"{}", Err(415))]
#[case("application/json; charset=utf-16", b"{}", Err(403))]
#[case("application/json; charset=utf-7", b"{}", Err(403))]
#[case("application/json; charset=utf-7", b"", Ok("{}"))]
#[case("application/json; charset=utf-16le", b"{\0}\0", Ok("{}"))]
#[case("application/json; charset", b"{", Ok("skipped"))]
#[case("text/plain", b"{", Ok("skipped"))]
#[case("application/vnd.api+json", b"{", Ok("skipped"))]
#[case("application/x-www-form-urlencoded", b"a=1&b=x+y", Ok(r#"{"a":"1","b":"x y"}"#))]
fn plain_bodies(#[case] kind: &str, #[case] body: &[u8], #[case] expected: Result<&str, u16>) {
    assert_eq!(read(kind, None, body).as_deref().map_err(|status| *status), expected);
}

#[test]
fn compressed_bodies() {
    let text = b"{\"messages\":[]}";
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(text).unwrap();
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
    raw.write_all(text).unwrap();

    let json = "application/json";
    let expected = Ok(String::from_utf8(text.to_vec()).unwrap());
    assert_eq!(read(json, Some("GZIP"), &gzip), expected);
    assert_eq!(read(json, Some("deflate"), &zlib.finish().unwrap()), expected);
    assert_eq!(read(json, Some("deflate"), &raw.finish().unwrap()), Err(400));
    assert_eq!(read(json, Some("gzip"), b"not gzip"), Err(400));
    assert_eq!(read(json, Some("gzip"), &gzip[..gzip.len() - 6]), Err(400));
    assert_eq!(read(json, Some("gzip"), &[gzip.as_slice(), b"junk"].concat()), Err(400));
    assert_eq!(read(json, Some("br"), b"x"), Err(415));
    assert_eq!(read(json, Some("identity"), text), expected);
}

#[test]
fn a_length_beyond_the_limit_is_refused_unread() {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(LIMIT + 1));
    assert_eq!(plan(&headers), Err(BodyRefusal::TooLarge));
}

#[test]
fn without_length_and_transfer_coding_there_is_no_body() {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    assert_eq!(plan(&headers), Ok(Plan::Skip));
    assert_eq!(empty().unwrap().bytes().as_ref(), b"{}");
}
