//! What a secret looks like: by the name it stands under, and by its own look.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Headers that carry secrets.
const HEADERS: [&str; 12] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "x-admin-token",
    "x-user-token",
    "x-amz-security-token",
    "cookie",
    "set-cookie",
    "x-csrf-token",
    "x-auth-token",
];

/// Members and form fields that carry secrets, compared without `_`, `-` and case.
const NAMES: [&str; 21] = [
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "apikey",
    "apikeys",
    "password",
    "passwd",
    "secret",
    "clientsecret",
    "secretaccesskey",
    "sessiontoken",
    "bearertoken",
    "claudeaioauth",
    "openaioauth",
    "geminioauth",
    "awscredentials",
    "credentials",
    "authorization",
    "xapikey",
    "privatekey",
    "token",
];

/// Query parameters that carry secrets.
const PARAMETERS: [&str; 9] = [
    "key",
    "api_key",
    "apikey",
    "access_token",
    "refresh_token",
    "token",
    "code",
    "client_secret",
    "x-amz-signature",
];

/// Starts of tokens, with the least number of further characters.
const STARTS: [(&str, usize); 11] = [
    ("cr_", 16),
    ("sk-ant-", 8),
    ("sk-proj-", 8),
    ("sk-", 20),
    ("Bearer ", 8),
    ("Basic ", 8),
    ("ya29.", 8),
    ("AIza", 20),
    ("eyJ", 40),
    ("fk-", 16),
    ("AKIA", 12),
];

/// A digest instead of a secret, so that one sees whether two are the same.
pub(super) fn masked(secret: &str) -> String {
    if secret.is_empty() || is_masked(secret) {
        return secret.to_owned();
    }
    let digest = Sha256::new().chain_update(b"crs redacted\0").chain_update(secret).finalize();
    format!("[secret {}]", hex::encode(&digest[..4]))
}

fn is_masked(text: &str) -> bool {
    text.starts_with("[secret ") && text.ends_with(']') && text.len() == 17
}

pub(super) fn header(name: &str, value: &str) -> String {
    let name = name.to_ascii_lowercase();
    if !HEADERS.contains(&name.as_str()) {
        return text(value);
    }
    match value.split_once(' ') {
        Some((scheme @ ("Bearer" | "bearer" | "Basic"), secret)) => {
            format!("{scheme} {}", masked(secret))
        }
        _ => masked(value),
    }
}

/// A value under a name.
pub(super) fn named(name: &str, value: &mut Value) {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    match value {
        Value::String(secret) if NAMES.contains(&plain.as_str()) => *secret = masked(secret),
        // Changes to a field: {"=": secret}.
        Value::Object(members) if NAMES.contains(&plain.as_str()) => {
            for (_, inner) in members.iter_mut() {
                match inner {
                    Value::String(secret) => *secret = masked(secret),
                    inner => self::value(inner),
                }
            }
        }
        other => self::value(other),
    }
}

pub(super) fn value(value: &mut Value) {
    match value {
        Value::String(string) => match nested(string) {
            Some(mut inner) => {
                let before = inner.clone();
                self::value(&mut inner);
                *string = if before == inner { text(string) } else { inner.to_string() };
            }
            None => *string = text(string),
        },
        Value::Array(members) => members.iter_mut().for_each(self::value),
        Value::Object(members) => {
            for (name, inner) in members.iter_mut() {
                named(name, inner);
            }
        }
        _ => {}
    }
}

/// JSON inside a text.
pub(super) fn nested(text: &str) -> Option<Value> {
    match text.trim_start().as_bytes().first() {
        Some(b'{' | b'[') => serde_json::from_str(text)
            .ok()
            .filter(|value: &Value| value.is_object() || value.is_array()),
        _ => None,
    }
}

pub(super) fn url(url: &str) -> String {
    let Some((base, query)) = url.split_once('?') else { return text(url) };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, secret)) if PARAMETERS.contains(&name.to_ascii_lowercase().as_str()) => {
            format!("{name}={}", masked(secret).replace(' ', "+"))
        }
        _ => text(pair),
    });
    format!("{}?{}", text(base), pairs.collect::<Vec<_>>().join("&"))
}

/// Tokens by their look, anywhere in a text.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, start, length)) = next(rest, out.chars().last()) {
        let secret = at + start..at + length;
        out.push_str(&rest[..secret.start]);
        out.push_str(&masked(&rest[secret.clone()]));
        rest = &rest[secret.end..];
    }
    out.push_str(rest);
    out
}

/// Place of the first token, how much of its start is no secret, and its length.
fn next(text: &str, before: Option<char>) -> Option<(usize, usize, usize)> {
    let of = |(start, least): &(&str, usize)| {
        text.match_indices(start).find_map(|(at, _)| {
            let previous = text[..at].chars().last().or(before);
            let tail = text[at + start.len()..]
                .bytes()
                .take_while(|b| b.is_ascii_alphanumeric() || b"_-.+/=~".contains(b))
                .count();
            let apart = previous.is_none_or(|c| !c.is_ascii_alphanumeric());
            let scheme = if start.ends_with(' ') { start.len() } else { 0 };
            (apart && tail >= *least).then_some((at, scheme, start.len() + tail))
        })
    };
    STARTS.iter().filter_map(of).min_by_key(|(at, _, length)| (*at, usize::MAX - *length))
}
