//! A document opened only where it is changed.

use super::{
    doc::{Kind, Value},
    text,
};

/// A value that is either still the document's bytes, replaced, or opened so that its members can be
/// changed. Writing it copies unopened parts byte for byte.
#[derive(Clone, Debug)]
pub enum Tree<'d> {
    /// Untouched.
    Raw(Value<'d>),
    /// New JSON text.
    Text(Vec<u8>),
    /// An opened object: name tokens (with quotes) and values.
    Object(Vec<(Vec<u8>, Tree<'d>)>),
    /// An opened array.
    Array(Vec<Tree<'d>>),
}

impl<'d> Tree<'d> {
    /// A new string value.
    pub fn string(content: &str) -> Self {
        let mut out = Vec::with_capacity(content.len() + 2);
        text::encode(content, &mut out);
        Self::Text(out)
    }

    /// A new object from plain names and values.
    pub fn object<const N: usize>(members: [(&str, Tree<'d>); N]) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name_token(name), value)).collect())
    }

    /// A new object of the members that are there.
    pub fn members<const N: usize>(members: [(&str, Option<Tree<'d>>); N]) -> Self {
        let there =
            members.into_iter().filter_map(|(name, value)| Some((name_token(name), value?)));
        Self::Object(there.collect())
    }

    /// Opens an object for change; `None` for other kinds and for replaced text.
    pub fn open_object(&mut self) -> Option<&mut Vec<(Vec<u8>, Tree<'d>)>> {
        if let Self::Raw(value) = *self
            && value.is_object()
        {
            let members = value.members().map(|(n, v)| (n.raw().to_vec(), Self::Raw(v)));
            *self = Self::Object(members.collect());
        }
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Opens an array for change; `None` for other kinds and for replaced text.
    pub fn open_array(&mut self) -> Option<&mut Vec<Tree<'d>>> {
        if let Self::Raw(value) = *self
            && value.is_array()
        {
            *self = Self::Array(value.elements().map(Self::Raw).collect());
        }
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The untouched value, if it still is one.
    pub fn as_raw(&self) -> Option<Value<'d>> {
        match self {
            Self::Raw(value) => Some(*value),
            _ => None,
        }
    }

    /// A member's value without opening anything, if the object is opened already.
    pub fn opened_member(&self, name: &str) -> Option<&Tree<'d>> {
        let Self::Object(members) = self else { return None };
        members.iter().rev().find(|(n, _)| text::equals(n, name)).map(|(_, value)| value)
    }

    /// Kind of the value; replaced text is only ever a string.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Raw(value) => value.kind(),
            Self::Text(_) => Kind::String,
            Self::Object(_) => Kind::Object,
            Self::Array(_) => Kind::Array,
        }
    }

    /// Opens an object and gives the value of a member (the last of that name).
    pub fn member(&mut self, name: &str) -> Option<&mut Tree<'d>> {
        let members = self.open_object()?;
        members.iter_mut().rev().find(|(n, _)| text::equals(n, name)).map(|(_, value)| value)
    }

    /// Opens an object and replaces a member's value, or appends the member.
    pub fn set(&mut self, name: &str, value: Tree<'d>) {
        if let Some(slot) = self.member(name) {
            *slot = value;
        } else if let Some(members) = self.open_object() {
            members.push((name_token(name), value));
        }
    }

    /// Opens an object and removes every member of that name.
    pub fn remove(&mut self, name: &str) {
        if let Some(members) = self.open_object() {
            members.retain(|(n, _)| !text::equals(n, name));
        }
    }

    /// The value as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// Writes the value as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw(value) => out.extend_from_slice(value.raw()),
            Self::Text(text) => out.extend_from_slice(text),
            Self::Object(members) => {
                out.push(b'{');
                for (i, (name, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(name);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
            Self::Array(elements) => {
                out.push(b'[');
                for (i, value) in elements.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    value.write(out);
                }
                out.push(b']');
            }
        }
    }
}

fn name_token(name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len() + 2);
    text::encode(name, &mut out);
    out
}
