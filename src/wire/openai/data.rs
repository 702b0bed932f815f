//! Whole answers as the legacy service's HTTP library hands them on, and errors on their way to clients.

use bytes::Bytes;

use crate::wire::json::{Doc, Kind, Value, encode, stringify};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A body as it is read: JSON where it is JSON, else its text as a JSON string.
pub fn as_data(body: Bytes) -> Doc {
    let body =
        if body.starts_with(BYTE_ORDER_MARK) { body.slice(BYTE_ORDER_MARK.len()..) } else { body };
    Doc::parse_deep(body.clone()).unwrap_or_else(|_| of_text(&String::from_utf8_lossy(&body)))
}

/// A text that is to be JSON. Unlike a body that the library reads, it may not begin with a byte order mark.
pub fn of_written(text: Bytes) -> Option<Doc> {
    if text.starts_with(BYTE_ORDER_MARK) {
        return None;
    }
    Doc::parse_deep(text).ok()
}

/// A document that is one string.
pub fn of_text(text: &str) -> Doc {
    let mut json = Vec::with_capacity(text.len() + 2);
    encode(text, &mut json);
    of_json(json)
}

/// JSON that was put together here.
pub fn of_json(json: impl Into<Bytes>) -> Doc {
    // Only what is too deep or too large fails; of that there is nothing to tell.
    Doc::parse_deep(json.into()).unwrap_or_default()
}

/// `{"error":{"message":…}}`.
pub fn message(text: &str) -> Doc {
    let error = serde_json::json!({ "error": { "message": text } });
    of_json(error.to_string())
}

/// Whether JavaScript calls it an object: clients get it as it is.
pub fn is_object(value: Value<'_>) -> bool {
    matches!(value.kind(), Kind::Object | Kind::Array)
}

/// An error without the names of providers' own routes (` [codex/codex]`); JSON as it is sent.
pub fn without_routes(error: Value<'_>) -> Bytes {
    let json = stringify(error);
    if !is_object(error) {
        return json.into();
    }
    let cleaned = cut_routes(&json);
    // A cut can go through what holds the text together; then nothing is cut.
    match cleaned.map(Bytes::from).map(Doc::parse_deep) {
        Some(Ok(doc)) => stringify(doc.root()).into(),
        _ => json.into(),
    }
}

/// The text without every ` [x/y]`; `None` when there is none.
fn cut_routes(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut cut = false;
    while let Some(at) = memchr::memmem::find(rest, b" [") {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before);
        match route_length(from) {
            Some(length) => {
                cut = true;
                rest = from.get(length..).unwrap_or_default();
            }
            None => {
                out.push(b' ');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    out.extend_from_slice(rest);
    cut.then_some(out)
}

/// Length of the route that `text`, which begins with ` [`, starts with.
fn route_length(text: &[u8]) -> Option<usize> {
    let inner = text.get(2..)?;
    let slash = inner.iter().position(|b| matches!(b, b']' | b'/'))?;
    if slash == 0 || inner.get(slash) != Some(&b'/') {
        return None;
    }
    let end = inner.get(slash + 1..)?.iter().position(|b| *b == b']')?;
    (end > 0).then_some(2 + slash + 1 + end + 1)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn read(text: &'static [u8]) -> String {
        String::from_utf8(stringify(as_data(Bytes::from_static(text)).root())).unwrap()
    }

    #[test]
    fn bodies_are_json_or_a_text() {
        assert_eq!(read(b"\xef\xbb\xbf{ \"a\": 1.0 }"), r#"{"a":1}"#);
        assert_eq!(read(b"Bad \"Gateway\"\n"), r#""Bad \"Gateway\"\n""#);
        assert_eq!(read(b""), r#""""#);
        assert_eq!(read(b"null"), "null");
        assert_eq!(read(b"\"t\""), r#""t""#);
    }

    #[rstest]
    #[case(r#"{"e":"no [codex/codex] here [a/b]"}"#, r#"{"e":"no here"}"#)]
    #[case(r#"{"e":"x [a] [b/] [/c] [[d/e]"}"#, r#"{"e":"x [a] [b/] [/c]"}"#)]
    #[case(r#"{"e":"x[a/b] [c/d/e]"}"#, r#"{"e":"x[a/b]"}"#)]
    #[case(r#"{"e":"x [a","f":"b/c]"}"#, r#"{"e":"x"}"#)]
    #[case(r#"{"e":"x [a","f":["b/c]"]}"#, r#"{"e":"x [a","f":["b/c]"]}"#)]
    #[case(r#""t [a/b]""#, r#""t [a/b]""#)]
    #[case(r#"[ " [a/b]" ]"#, r#"[""]"#)]
    fn routes_are_cut(#[case] text: &'static str, #[case] want: &str) {
        let doc = as_data(Bytes::from_static(text.as_bytes()));
        assert_eq!(without_routes(doc.root()), want);
    }
}
