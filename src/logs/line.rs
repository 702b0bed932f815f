//! One event as text.

use std::fmt::Write;

use serde_json::{Map, Value};
use tracing::{
    Level,
    field::{Field, Visit},
};

/// Message and fields of an event, as recorded.
#[derive(Debug, Default)]
pub struct Line {
    /// The event's message.
    pub message: String,
    /// Its fields in order.
    pub fields: Map<String, Value>,
}

impl Line {
    /// The form of the files: `{"ts","lvl","msg",…}` and a line feed.
    pub fn json(&self, time: &str, level: Level) -> String {
        let mut object = Map::new();
        object.insert("ts".into(), time.into());
        object.insert("lvl".into(), level_name(level).into());
        object.insert("msg".into(), self.message.as_str().into());
        for (name, value) in &self.fields {
            object.insert(name.clone(), value.clone());
        }
        let mut text = Value::Object(object).to_string();
        text.push('\n');
        text
    }

    /// The form for people: time of day, level, message, `name=value` fields, a line feed.
    pub fn human(&self, time: &str, level: Level, colour: bool) -> String {
        let clock = time.split(' ').next_back().unwrap_or(time);
        let name = level_name(level).to_uppercase();
        let paint = match level {
            Level::ERROR => "31",
            Level::WARN => "33",
            Level::INFO => "32",
            _ => "90",
        };
        let mut text = if colour {
            format!("{clock} \u{1b}[{paint}m{name:<5}\u{1b}[0m {}", one_line(&self.message))
        } else {
            format!("{clock} {name:<5} {}", one_line(&self.message))
        };
        for (name, value) in &self.fields {
            let value = match value {
                Value::String(value) => one_line(value),
                other => other.to_string(),
            };
            // Writing to a String cannot fail.
            let _ = if colour {
                write!(text, " \u{1b}[90m{name}=\u{1b}[0m{value}")
            } else {
                write!(text, " {name}={value}")
            };
        }
        text.push('\n');
        text
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

impl Line {
    fn put(&mut self, field: &Field, value: Value) {
        if field.name() == "message" {
            self.message = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
        } else {
            self.fields.insert(field.name().to_owned(), value);
        }
    }
}

/// The legacy name of a level.
fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "silly",
    }
}

/// Text from outside must not forge lines or move the cursor.
fn one_line(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}
