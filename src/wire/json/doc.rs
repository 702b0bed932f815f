//! A checked text with its index, and cursors into it.

use std::{borrow::Cow, fmt};

use bytes::Bytes;

use super::{JsonError, number, scan::scan, text};

/// Kind of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `false`
    False,
    /// `true`
    True,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// One value in the index; the members of a container follow it directly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub start: u32,
    pub end: u32,
    /// Index of the first node after this value and everything inside it.
    pub next: u32,
    pub kind: Kind,
}

/// JSON text that has been checked, with an index of its values.
pub struct Doc {
    text: Bytes,
    nodes: Vec<Node>,
}

/// A value inside a [`Doc`].
#[derive(Clone, Copy)]
pub struct Value<'d> {
    doc: &'d Doc,
    index: u32,
}

impl Doc {
    /// Checks a text and indexes the upper levels of it. Bytes that are not UTF-8 become U+FFFD and
    /// a leading byte order mark is dropped, as the legacy body parser does.
    pub fn parse(text: Bytes) -> Result<Self, JsonError> {
        Self::with(text, false)
    }

    /// As [`Doc::parse`], indexing every level.
    pub fn parse_deep(text: Bytes) -> Result<Self, JsonError> {
        Self::with(text, true)
    }

    fn with(text: Bytes, all: bool) -> Result<Self, JsonError> {
        let text = match std::str::from_utf8(&text) {
            Ok(_) => text,
            Err(_) => Bytes::from(String::from_utf8_lossy(&text).into_owned()),
        };
        let text = match text.strip_prefix("\u{feff}".as_bytes()) {
            Some(rest) => text.slice_ref(rest),
            None => text,
        };
        let nodes = scan(&text, all)?;
        Ok(Self { text, nodes })
    }

    /// The text, repaired if it had to be.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The outermost value.
    pub fn root(&self) -> Value<'_> {
        Value { doc: self, index: 0 }
    }
}

/// `null`.
impl Default for Doc {
    fn default() -> Self {
        let null = Node { start: 0, end: 4, next: 1, kind: Kind::Null };
        Self { text: Bytes::from_static(b"null"), nodes: vec![null] }
    }
}

impl fmt::Debug for Doc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Doc({} bytes)", self.text.len())
    }
}

impl<'d> Value<'d> {
    fn node(self) -> Node {
        let empty = Node { start: 0, end: 0, next: u32::MAX, kind: Kind::Null };
        self.doc.nodes.get(self.index as usize).copied().unwrap_or(empty)
    }

    /// Kind of the value.
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// The value's text as it stands in the document.
    pub fn raw(self) -> &'d [u8] {
        let node = self.node();
        self.doc.text.get(node.start as usize..node.end as usize).unwrap_or_default()
    }

    /// Whether it is an object.
    pub fn is_object(self) -> bool {
        self.kind() == Kind::Object
    }

    /// Whether it is an array.
    pub fn is_array(self) -> bool {
        self.kind() == Kind::Array
    }

    /// Whether it is a string.
    pub fn is_string(self) -> bool {
        self.kind() == Kind::String
    }

    /// JavaScript truthiness: everything but `null`, `false`, zero and the empty string.
    pub fn truthy(self) -> bool {
        match self.kind() {
            Kind::Null | Kind::False => false,
            Kind::True | Kind::Array | Kind::Object => true,
            Kind::String => self.raw().len() > 2,
            Kind::Number => self.as_f64().is_some_and(|n| n != 0.0),
        }
    }

    /// A string's text; lone surrogates become U+FFFD.
    pub fn as_str(self) -> Option<Cow<'d, str>> {
        self.is_string().then(|| text::decode(self.raw()))
    }

    /// Whether it is the string `expected`.
    pub fn is_str(self, expected: &str) -> bool {
        self.is_string() && text::equals(self.raw(), expected)
    }

    /// A number as JavaScript reads it (a double; infinite when too large).
    pub fn as_f64(self) -> Option<f64> {
        (self.kind() == Kind::Number).then(|| number::parse(self.raw()))
    }

    /// The value in a JavaScript text context: strings as they are, numbers and booleans spelled out,
    /// objects as `[object Object]`; `null` and arrays give nothing.
    pub fn to_js_text(self) -> Cow<'d, str> {
        match self.kind() {
            Kind::String => text::decode(self.raw()),
            Kind::Number => Cow::Owned(number::format_js_number(number::parse(self.raw()))),
            Kind::True => Cow::Borrowed("true"),
            Kind::False => Cow::Borrowed("false"),
            Kind::Object => Cow::Borrowed("[object Object]"),
            Kind::Null | Kind::Array => Cow::Borrowed(""),
        }
    }

    /// Value of a member; the last one when the key is repeated.
    pub fn get(self, key: &str) -> Option<Value<'d>> {
        self.members().filter(|(name, _)| name.is_str(key)).map(|(_, value)| value).last()
    }

    /// A member's value, unless missing or falsy.
    pub fn get_truthy(self, key: &str) -> Option<Value<'d>> {
        self.get(key).filter(|value| value.truthy())
    }

    /// A member's text, if it is a string.
    pub fn get_str(self, key: &str) -> Option<Cow<'d, str>> {
        self.get(key)?.as_str()
    }

    /// Names (as string values) and values of an object's members, in order, repeated keys included;
    /// nothing for other kinds.
    pub fn members(self) -> impl Iterator<Item = (Value<'d>, Value<'d>)> {
        let mut inside = self.inside(Kind::Object);
        std::iter::from_fn(move || Some((inside.next()?, inside.next()?)))
    }

    /// Elements of an array, in order; nothing for other kinds.
    pub fn elements(self) -> impl Iterator<Item = Value<'d>> {
        self.inside(Kind::Array)
    }

    fn inside(self, kind: Kind) -> impl Iterator<Item = Value<'d>> {
        let node = self.node();
        let end = if node.kind == kind { node.next } else { 0 };
        let mut index = self.index + 1;
        std::iter::from_fn(move || {
            let value = (index < end).then_some(Value { doc: self.doc, index })?;
            index = value.node().next;
            Some(value)
        })
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.kind(), self.raw().len())
    }
}
