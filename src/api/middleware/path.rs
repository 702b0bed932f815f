//! How the legacy router reads a path, so that the same spellings reach the same routes.
//!
//! Paths match without regard to case; one trailing slash is allowed; one doubled slash is allowed
//! right after a mount point. Percent-encoding is not decoded for matching.

use std::borrow::Cow;

/// Mount points after which a second slash is tolerated.
const MOUNTS: [&str; 6] =
    ["/api", "/claude", "/antigravity/api", "/gemini-cli/api", "/openai/claude", "/openai"];

/// The one spelling of `path` that the route table knows.
pub fn canonical(path: &str) -> Cow<'_, str> {
    let mut path = if path.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(path.to_ascii_lowercase())
    } else {
        Cow::Borrowed(path)
    };
    let doubled = MOUNTS
        .iter()
        .find(|mount| path.strip_prefix(**mount).is_some_and(|rest| rest.starts_with("//")));
    if let Some(mount) = doubled {
        path.to_mut().remove(mount.len());
    }
    if path.len() > 2 && path.ends_with('/') {
        match &mut path {
            Cow::Borrowed(text) => *text = &text[..text.len() - 1],
            Cow::Owned(text) => {
                text.pop();
            }
        }
    }
    path
}

/// Whether a path parameter decodes (JavaScript `decodeURIComponent`); the legacy router answers 400
/// when it does not.
pub fn decodes(text: &str) -> bool {
    percent_decode(text).is_some_and(|bytes| std::str::from_utf8(&bytes).is_ok())
}

/// The last segment of a URL's path, decoded, in the client's spelling.
pub fn last_segment(url: &str) -> String {
    let path = url.split('?').next().unwrap_or_default();
    let path = path.strip_suffix('/').unwrap_or(path);
    let segment = path.rsplit('/').next().unwrap_or_default();
    let decoded = percent_decode(segment).and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.unwrap_or_else(|| segment.to_owned())
}

/// Value of the first query parameter called `name`, decoded; `+` is a space. Broken percent-encoding
/// is kept as it stands.
pub fn query_value(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (query_text(key) == name).then(|| query_text(value))
    })
}

/// Decodes one name or value of a query or a form.
pub(super) fn query_text(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode(&spaced).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or(spaced)
}

/// A URL for logs: the value of `key=` is a client's key and is not shown.
pub fn without_key(url: &str) -> Cow<'_, str> {
    let Some((path, query)) = url.split_once('?') else { return Cow::Borrowed(url) };
    if !query.to_ascii_lowercase().contains("key") {
        return Cow::Borrowed(url);
    }
    let shown: Vec<Cow<'_, str>> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if query_text(name).to_ascii_lowercase().contains("key") => {
                Cow::Owned(format!("{name}=***"))
            }
            _ => Cow::Borrowed(pair),
        })
        .collect();
    Cow::Owned(format!("{path}?{}", shown.join("&")))
}

fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok())?;
            if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/API/V1/Models", "/api/v1/models")]
    #[case("/api/v1/models/", "/api/v1/models")]
    #[case("/api/v1/models//", "/api/v1/models/")]
    #[case("/api//v1/models", "/api/v1/models")]
    #[case("/api///v1/models", "/api//v1/models")]
    #[case("/claude//V1/messages/", "/claude/v1/messages")]
    #[case("//api/v1/models", "//api/v1/models")]
    #[case("/api/v1/mod%65ls", "/api/v1/mod%65ls")]
    #[case("/", "/")]
    #[case("//", "//")]
    fn spellings(#[case] asked: &str, #[case] canonical_path: &str) {
        assert_eq!(canonical(asked), canonical_path);
    }

    #[rstest]
    #[case("/a%20b", true)]
    #[case("/%zz", false)]
    #[case("/models%", false)]
    #[case("/%ff", false)]
    #[case("/%e4%bd%a0", true)]
    fn parameters(#[case] text: &str, #[case] good: bool) {
        assert_eq!(decodes(text), good);
    }

    #[test]
    fn queries() {
        assert_eq!(query_value("a=1&key=cr_%61+b", "key").as_deref(), Some("cr_a b"));
        assert_eq!(query_value("key=%zz", "key").as_deref(), Some("%zz"));
        assert_eq!(query_value("a=1", "key"), None);
        assert_eq!(last_segment("/v1/Models/a%20b%2Fc/?x=/y"), "a b/c");
        assert_eq!(without_key("/x?a=1&key=cr_secret&b"), "/x?a=1&key=***&b");
        assert_eq!(without_key("/x?API_KEY=s"), "/x?API_KEY=***");
        assert_eq!(without_key("/x?a=1"), "/x?a=1");
    }
}
