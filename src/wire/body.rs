//! A client's request body, read for admission without building a tree.
//!
//! The body is checked once; everything later (session hash, scheduling, rewriting) reads through the
//! same index. Nothing here decides what a finding means for the client.

use std::borrow::Cow;

use bytes::Bytes;
use thiserror::Error;

use super::json::{Doc, JsonError, Kind, Value};

/// Why a body cannot be used as a request.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BodyError {
    /// Not JSON.
    #[error("malformed JSON: {0}")]
    Malformed(#[from] JsonError),
    /// Nothing but whitespace.
    #[error("body holds only whitespace")]
    Blank,
    /// A string, number, boolean or `null`; the legacy body parser refuses it like malformed JSON.
    #[error("body is a bare {0:?}")]
    Primitive(Kind),
}

/// What stands in `messages`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Messages {
    /// Missing, or no array.
    NotAnArray,
    /// An empty array.
    Empty,
    /// This many messages.
    Some(usize),
}

/// A checked request body: a JSON object, or (refused later, by routes that care) an array.
#[derive(Debug)]
pub struct RequestBody {
    doc: Doc,
}

impl RequestBody {
    /// Checks a body. An empty one counts as `{}`, as the legacy body parser has it.
    pub fn parse(bytes: Bytes) -> Result<Self, BodyError> {
        let bytes = if bytes.is_empty() { Bytes::from_static(b"{}") } else { bytes };
        if bytes.iter().all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')) {
            return Err(BodyError::Blank);
        }
        let doc = Doc::parse(bytes)?;
        match doc.root().kind() {
            Kind::Object | Kind::Array => Ok(Self { doc }),
            kind => Err(BodyError::Primitive(kind)),
        }
    }

    /// The body's bytes (repaired where they were not UTF-8).
    pub fn bytes(&self) -> &Bytes {
        self.doc.text()
    }

    /// The whole body.
    pub fn root(&self) -> Value<'_> {
        self.doc.root()
    }

    /// Whether the body is an object; an array is `Invalid request` for the Messages routes.
    pub fn is_object(&self) -> bool {
        self.root().is_object()
    }

    /// `model`, when it is a string.
    pub fn model(&self) -> Option<Cow<'_, str>> {
        self.root().get_str("model")
    }

    /// Whether `stream` is exactly `true`.
    pub fn stream(&self) -> bool {
        self.root().get("stream").is_some_and(|value| value.kind() == Kind::True)
    }

    /// Shape of `messages`.
    pub fn messages(&self) -> Messages {
        match self.root().get("messages").filter(|value| value.is_array()) {
            None => Messages::NotAnArray,
            Some(value) => match value.elements().count() {
                0 => Messages::Empty,
                count => Messages::Some(count),
            },
        }
    }

    /// `system`, of any kind.
    pub fn system(&self) -> Option<Value<'_>> {
        self.root().get("system")
    }

    /// `metadata.user_id`, when it is a non-empty string.
    pub fn user_id(&self) -> Option<Cow<'_, str>> {
        self.root().get("metadata")?.get_str("user_id").filter(|id| !id.is_empty())
    }

    /// The members that are read again once the vendor answers, in a body of their own: what an open
    /// stream keeps of a request.
    pub fn essentials(&self) -> Option<Self> {
        let root = self.root();
        let mut text = Vec::with_capacity(128);
        text.push(b'{');
        for name in ["model", "stream", "speed"] {
            let Some(value) = root.get(name) else { continue };
            if text.len() > 1 {
                text.push(b',');
            }
            text.extend_from_slice(format!("\"{name}\":").as_bytes());
            text.extend_from_slice(value.raw());
        }
        text.push(b'}');
        Self::parse(text.into()).ok()
    }

    /// `speed`, trimmed and in lower case; what billing calls the requested speed.
    pub fn speed(&self) -> Option<String> {
        let speed = self.root().get_str("speed")?;
        let speed = js::trim(&speed).to_lowercase();
        (!speed.is_empty()).then_some(speed)
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn body(text: &'static str) -> RequestBody {
        RequestBody::parse(Bytes::from_static(text.as_bytes())).unwrap()
    }

    #[test]
    fn reads_the_fields_admission_needs() {
        let body = body(
            r#" {"model":"claude-opus-4-5","stream":true,"messages":[{},{}],"system":[ 1 ],
                "metadata":{"user_id":"u"},"speed":" Fast "} "#,
        );
        assert_eq!(body.model().unwrap(), "claude-opus-4-5");
        assert!(body.stream());
        assert_eq!(body.messages(), Messages::Some(2));
        assert_eq!(body.system().unwrap().raw(), b"[ 1 ]");
        assert_eq!(body.user_id().unwrap(), "u");
        assert_eq!(body.speed().unwrap(), "fast");
    }

    #[test]
    fn the_essentials_answer_as_the_whole_body_does() {
        let whole = body(
            r#"{"speed":"fast","messages":[{"content":"long"}],"model":"m\u0041","stream":true}"#,
        );
        let kept = whole.essentials().unwrap();
        assert_eq!(kept.model().unwrap(), "mA");
        assert_eq!((kept.stream(), kept.speed()), (true, whole.speed()));
        assert!(kept.root().get("messages").is_none());
        let odd = body(r#"{"model":7}"#).essentials().unwrap();
        assert!(odd.model().is_none() && !odd.stream());
    }

    #[test]
    fn odd_types_are_not_errors() {
        let body = body(r#"{"model":7,"stream":"true","messages":{},"metadata":[],"speed":1}"#);
        assert!(body.model().is_none() && body.user_id().is_none() && body.speed().is_none());
        assert!(!body.stream());
        assert_eq!(body.messages(), Messages::NotAnArray);
        assert!(RequestBody::parse(Bytes::new()).unwrap().is_object());
        assert!(!super::RequestBody::parse(Bytes::from_static(b"[]")).unwrap().is_object());
    }

    #[test]
    fn refusals_are_typed() {
        let parse = |text: &'static [u8]| RequestBody::parse(Bytes::from_static(text)).unwrap_err();
        assert_eq!(parse(b" \n"), BodyError::Blank);
        assert_eq!(parse(b"\"x\""), BodyError::Primitive(Kind::String));
        assert_eq!(parse(b"null"), BodyError::Primitive(Kind::Null));
        assert!(matches!(parse(b"{\"a\":}"), BodyError::Malformed(_)));
    }
}
