//! Server-sent events: reading a body into events, and comparing two sequences of them.

use serde_json::Value;

use std::hash::{DefaultHasher, Hash, Hasher};

use super::align::{Alignment, Sketch, align};
use crate::{
    difference::{Difference, DifferenceKind},
    json::compare_json,
};

/// One event. Comments and empty blocks are no events.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `event:` line.
    pub name: Option<String>,
    /// `id:` line.
    pub id: Option<String>,
    /// `retry:` line.
    pub retry: Option<String>,
    /// `data:` lines joined; JSON where they are JSON.
    pub data: Value,
    /// True when the body ended before the blank line that ends an event.
    pub cut: bool,
}

impl Event {
    /// What an event is called: its name, else the type in its data, else its data when it is a mark
    /// such as `[DONE]`, else `message`.
    pub fn label(&self) -> &str {
        let typed = || self.data.get("type").and_then(Value::as_str);
        let mark = || self.data.as_str().filter(|text| text.starts_with('[') && text.len() < 16);
        self.name.as_deref().or_else(typed).or_else(mark).unwrap_or("message")
    }

    fn value(&self) -> Value {
        let mut fields = serde_json::Map::new();
        for (name, value) in [("event", &self.name), ("id", &self.id), ("retry", &self.retry)] {
            if let Some(value) = value {
                fields.insert(name.into(), Value::from(value.as_str()));
            }
        }
        if self.cut {
            fields.insert("cut".into(), Value::Bool(true));
        }
        fields.insert("data".into(), self.data.clone());
        Value::Object(fields)
    }
}

/// Reads a body into events. Bytes that are not UTF-8 are replaced.
pub fn parse(body: &[u8]) -> Vec<Event> {
    let text = String::from_utf8_lossy(body);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n");
    let mut events = Vec::new();
    let mut block = Block::default();
    let whole = text.ends_with("\n\n") || text.ends_with("\r\r");
    for line in text.split(['\n', '\r']) {
        if line.is_empty() {
            events.extend(std::mem::take(&mut block).event(false));
        } else {
            block.line(line);
        }
    }
    events.extend(block.event(!whole));
    // A last line without its line end leaves the event in the middle.
    if let Some(last) = events.last_mut() {
        last.cut = last.cut || !whole && !text.ends_with('\n');
    }
    events
}

#[derive(Default)]
struct Block {
    name: Option<String>,
    id: Option<String>,
    retry: Option<String>,
    data: Option<String>,
}

impl Block {
    fn line(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "event" => self.name = Some(value),
            "id" => self.id = Some(value),
            "retry" => self.retry = Some(value),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(&value);
                }
                None => self.data = Some(value),
            },
            _ => {}
        }
    }

    fn event(self, cut: bool) -> Option<Event> {
        if self.data.is_none() && self.name.is_none() && self.id.is_none() && self.retry.is_none() {
            return None;
        }
        let data = self.data.unwrap_or_default();
        let data = match data.as_bytes().first() {
            Some(b'{' | b'[') => serde_json::from_str(&data).unwrap_or(Value::from(data)),
            _ => Value::from(data),
        };
        Some(Event { name: self.name, id: self.id, retry: self.retry, data, cut })
    }
}

/// Differences of two sequences, each event at `/events/<index>:<label>`.
pub(super) fn compare(control: &[Event], candidate: &[Event]) -> Vec<Difference> {
    let at = |index: usize, event: &Event| {
        format!("/events/{index}:{}", crate::json::escape(event.label()))
    };
    let mut found = Vec::new();
    let sketches = |events: &[Event]| -> Vec<Sketch> { events.iter().map(sketch).collect() };
    for step in align(&sketches(control), &sketches(candidate)) {
        match step {
            Alignment::Pair(i, j) => {
                found.extend(inside(&at(i, &control[i]), &control[i], &candidate[j]));
            }
            Alignment::Missing(i) => {
                found.push(Difference::missing(at(i, &control[i]), control[i].value()));
            }
            Alignment::Extra(j) => {
                found.push(Difference::extra(at(j, &candidate[j]), candidate[j].value()));
            }
        }
    }
    moved(found)
}

fn inside(path: &str, a: &Event, b: &Event) -> Vec<Difference> {
    if a == b {
        return Vec::new();
    }
    let mut found = compare_json(&a.value(), &b.value());
    for difference in &mut found {
        // Members of the data are what one looks for; the envelope is told apart by `~`.
        let inner = difference.path.strip_prefix("/data");
        difference.path = match inner {
            Some(inner) => format!("{path}{inner}"),
            None => format!("{path}/~{}", difference.path.trim_start_matches('/')),
        };
    }
    found
}

/// An event that is missing at one place and extra at another has moved.
fn moved(mut found: Vec<Difference>) -> Vec<Difference> {
    // Where so much is missing, nothing has simply moved.
    const MOST: usize = 100;
    let missing = found.iter().filter(|d| d.kind == DifferenceKind::Missing).count();
    if missing == 0 || missing > MOST {
        return found;
    }
    let mut index = 0;
    while index < found.len() {
        let (kind, control) = (found[index].kind, found[index].control.clone());
        let twin = (kind == DifferenceKind::Missing).then(|| {
            found.iter().position(|d| d.kind == DifferenceKind::Extra && d.candidate == control)
        });
        if let Some(Some(twin)) = twin {
            let extra = found.remove(twin);
            if twin < index {
                index -= 1;
            }
            found[index].kind = DifferenceKind::Order;
            found[index].candidate = extra.candidate;
        }
        index += 1;
    }
    found
}

fn sketch(event: &Event) -> Sketch {
    let mut leaves = Vec::new();
    walk(0, &event.value(), &mut leaves);
    // By hash, so that the first few are a fair choice of all.
    leaves.sort_unstable();
    Sketch { label: hash(&event.label()), leaves }
}

/// Paths and values of leaves as hashes. Numbers that are equal hash equally.
fn walk(path: u64, value: &Value, found: &mut Vec<(u64, u64)>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                walk(hash(&(path, name)), value, found);
            }
        }
        Value::Array(members) if !members.is_empty() => {
            for (index, value) in members.iter().enumerate() {
                walk(hash(&(path, index)), value, found);
            }
        }
        Value::Number(number) => {
            let text = match (number.as_i128(), number.as_f64()) {
                (Some(whole), _) => whole.to_string(),
                (None, Some(other)) => other.to_string(),
                (None, None) => number.to_string(),
            };
            found.push((path, hash(&(path, 'n', text))));
        }
        leaf => found.push((path, hash(&(path, leaf.to_string())))),
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
