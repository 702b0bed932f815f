//! Records stored as one JSON object.

use std::fmt;

use serde_json::{Map, Value};

use crate::number;

/// A stored JSON object, read field by field as JavaScript would. Order and unknown fields survive.
/// `Debug` shows field names only.
#[derive(Clone, Default, PartialEq)]
pub struct Json(Map<String, Value>);

impl Json {
    /// Reads a stored text; `None` when it is not a JSON object.
    pub fn parse(stored: &str) -> Option<Self> {
        serde_json::from_str(stored).ok().map(Self)
    }

    /// The text to store.
    pub fn to_stored(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// A field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Sets a field; an existing one keeps its place.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// A text field; missing and other types are empty.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A number, also when stored as text.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Value::Number(value) => value.as_f64(),
            Value::String(text) => number::parse_float(text),
            _ => None,
        }
    }

    /// Whether a field counts as true: not missing, `null`, `false`, 0 or the empty text.
    pub fn truthy(&self, name: &str) -> bool {
        match self.get(name) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Number(value)) => value.as_f64() != Some(0.0),
            Some(Value::String(text)) => !text.is_empty(),
            Some(_) => true,
        }
    }
}

/// Anything but an object is read as one without fields.
impl From<Value> for Json {
    fn from(value: Value) -> Self {
        match value {
            Value::Object(fields) => Self(fields),
            _ => Self::default(),
        }
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
