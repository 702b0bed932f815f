//! Server-sent events: reading a body into events, and comparing two sequences of them.

use serde_json::Value;

use super::align::{Alignment, align};
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
    for step in align(control, candidate, same, likeness) {
        match step {
            Alignment::Same(_, _) => {}
            Alignment::Changed(i, j) => {
                found.extend(inside(&at(i, &control[i]), &control[i], &candidate[j]))
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

fn same(a: &Event, b: &Event) -> bool {
    a == b || (a.label() == b.label() && compare_json(&a.value(), &b.value()).is_empty())
}

/// 0 (nothing alike) to 1 (the same); events of different labels are never alike.
fn likeness(a: &Event, b: &Event) -> f64 {
    if a.label() != b.label() {
        return 0.0;
    }
    let (mut x, mut y) = (Vec::new(), Vec::new());
    leaves("", &a.data, &mut x);
    leaves("", &b.data, &mut y);
    let shared = x.iter().filter(|leaf| y.contains(leaf)).count();
    let all = x.len().max(y.len()).max(1);
    // Two events of one label are always a little alike: a changed event is no other event.
    0.2 + 0.8 * shared as f64 / all as f64
}

fn leaves(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
    const MOST: usize = 64;
    match value {
        _ if found.len() >= MOST => {}
        Value::Object(members) => {
            for (name, value) in members {
                leaves(&format!("{path}/{name}"), value, found);
            }
        }
        Value::Array(members) => {
            for (index, value) in members.iter().enumerate() {
                leaves(&format!("{path}/{index}"), value, found);
            }
        }
        leaf => found.push((path.to_owned(), leaf.to_string())),
    }
}
