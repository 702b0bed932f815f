//! A message body: bytes that are written as text where they are text.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::Value;

use crate::observation::limits;

/// Bytes of a body, and how many of them were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    bytes: Bytes,
    left_out: u64,
}

impl Body {
    /// Keeps at most [`limits::BODY`] bytes; the rest is counted.
    pub fn kept(bytes: impl Into<Bytes>) -> Self {
        let mut bytes: Bytes = bytes.into();
        let left_out = bytes.len().saturating_sub(limits::BODY);
        bytes.truncate(limits::BODY);
        Self { bytes, left_out: left_out as u64 }
    }

    /// The start of a body of which `left_out` further bytes are known to exist.
    pub fn cut(bytes: impl Into<Bytes>, left_out: u64) -> Self {
        let mut body = Self::kept(bytes);
        body.left_out = body.left_out.saturating_add(left_out);
        body
    }

    /// The bytes that were kept.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many bytes were left out.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The body as text, when it is text.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }

    /// The body as JSON, when it is a JSON object or array.
    pub fn json(&self) -> Option<Value> {
        match self.bytes.trim_ascii_start().first() {
            Some(b'{' | b'[') => serde_json::from_slice(&self.bytes).ok(),
            _ => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    left_out: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.text().map(str::to_owned);
        let base64 = text.is_none().then(|| STANDARD.encode(&self.bytes));
        Written { text, base64, left_out: self.left_out }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        let bytes = match (written.text, written.base64) {
            (Some(text), _) => text.into_bytes(),
            (None, Some(coded)) => STANDARD.decode(coded).map_err(D::Error::custom)?,
            (None, None) => Vec::new(),
        };
        Ok(Self::cut(bytes, written.left_out))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::kept(bytes)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::kept(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::kept(text)
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::kept(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_survive_writing() {
        for body in
            [Body::from("a\n{"), Body::from(vec![0xff, 0, 1]), Body::cut("x", 7), Body::default()]
        {
            let written = serde_json::to_string(&body).unwrap();
            assert_eq!(serde_json::from_str::<Body>(&written).unwrap(), body, "{written}");
        }
        assert_eq!(serde_json::to_string(&Body::from("a")).unwrap(), r#"{"text":"a"}"#);
    }

    #[test]
    fn large_bodies_are_cut_and_say_so() {
        let body = Body::kept(vec![b'x'; limits::BODY + 3]);
        assert_eq!((body.bytes().len(), body.left_out()), (limits::BODY, 3));
    }
}
