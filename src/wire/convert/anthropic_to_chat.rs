//! Messages answers, events and errors in the form of chat completions (contract/anthropic.md §7,
//! `src/services/openaiToClaude.js`). Thinking and cached tokens are not told.

use bytes::Bytes;
use serde_json::json;

use super::{
    ConvertError::{self, Shape},
    js,
};
use crate::wire::json::{Kind, Tree, Value, format_js_number, restringify};

/// Model named when the client named none.
const MODEL: &[u8] = b"\"gpt-4\"";
const DONE: &[u8] = b"data: [DONE]\n\n";

/// What answers and chunks of one request share.
#[derive(Clone, Debug)]
pub struct Naming {
    /// `chatcmpl-…`.
    id: String,
    /// The model the client asked for, as JSON.
    model: Vec<u8>,
}

impl Naming {
    /// `model` is that member of the client's request.
    pub fn new(id: String, model: Option<Value<'_>>) -> Self {
        let model = model.filter(|model| model.truthy());
        Self { id, model: model.map_or_else(|| MODEL.to_vec(), js::plain) }
    }

    fn head(&self, object: &str, created_s: i64) -> [(&'static str, Option<Tree<'static>>); 4] {
        [
            ("id", Some(Tree::string(&self.id))),
            ("object", Some(Tree::string(object))),
            ("created", Some(Tree::Text(created_s.to_string().into()))),
            ("model", Some(Tree::Text(self.model.clone()))),
        ]
    }

    /// A whole answer. `reply` stands in a document that is indexed at every level.
    ///
    /// # Errors
    /// When it is no answer.
    pub fn answer(&self, reply: Value<'_>, created_s: i64) -> Result<Bytes, ConvertError> {
        if reply.kind() == Kind::Null {
            return Err(Shape("the answer is null"));
        }
        let choice = Tree::members([
            ("index", Some(zero())),
            ("message", Some(message(reply.get_truthy("content"))?)),
            ("finish_reason", Some(Tree::string(finish_reason(reply.get("stop_reason"))))),
        ]);
        let [id, object, created, model] = self.head("chat.completion", created_s);
        let answer = Tree::members([
            id,
            object,
            created,
            model,
            ("choices", Some(Tree::Array(vec![choice]))),
            ("usage", reply.get_truthy("usage").map(usage)),
        ]);
        Ok(answer.to_json().into())
    }

    /// The chunks for some lines of the vendor's stream that came together; `[DONE]` follows the last
    /// of them if one was the end of the message.
    pub fn chunks<'l>(&self, lines: impl Iterator<Item = &'l [u8]>, created_s: i64) -> Bytes {
        let mut out = Vec::new();
        let mut ended = false;
        for line in lines {
            let Some(data) = line.strip_prefix(b"data: ") else { continue };
            if data == b"[DONE]" {
                out.extend_from_slice(DONE);
                continue;
            }
            let Some(event) = js::document(data, false) else { continue };
            let event = event.root();
            ended |= is_type(event, "message_stop");
            if let Some((choice, usage)) = of_event(event) {
                let [id, object, created, model] = self.head("chat.completion.chunk", created_s);
                let choices = Some(Tree::Array(vec![choice]));
                let chunk = Tree::members([
                    id,
                    object,
                    created,
                    model,
                    ("choices", choices),
                    ("usage", usage),
                ]);
                out.extend_from_slice(b"data: ");
                chunk.write(&mut out);
                out.extend_from_slice(b"\n\n");
            }
        }
        if ended {
            out.extend_from_slice(DONE);
        }
        out.into()
    }
}

/// A failure inside a stream, or in place of one.
pub fn error_event(message: &str) -> Bytes {
    format!("data: {}\n\n", json!({ "type": "error", "error": message })).into()
}

/// A vendor's error, `body` being its JSON.
///
/// # Errors
/// When it is `null`.
pub fn error(body: Value<'_>) -> Result<Bytes, ConvertError> {
    if body.kind() == Kind::Null {
        return Err(Shape("the error is null"));
    }
    let error = body.get("error");
    let member = |name: &str, fallback: &str| {
        let given = error.and_then(|error| error.get_truthy(name));
        Some(given.map_or_else(|| Tree::string(fallback), |value| Tree::Text(js::plain(value))))
    };
    let error = Tree::members([
        ("message", member("message", "Claude API error")),
        ("type", member("type", "api_error")),
        ("code", member("code", "unknown_error")),
    ]);
    Ok(Tree::object([("error", error)]).to_json().into())
}

/// The message of a whole answer.
fn message(content: Option<Value<'_>>) -> Result<Tree<'_>, ConvertError> {
    let role = ("role", Some(Tree::string("assistant")));
    let Some(content) = content.filter(|content| content.is_string() || content.is_array()) else {
        return Ok(Tree::members([role, ("content", Some(null()))]));
    };
    if content.is_string() {
        return Ok(Tree::members([role, ("content", Some(Tree::Text(js::plain(content))))]));
    }
    if content.elements().any(|block| block.kind() == Kind::Null) {
        return Err(Shape("a block of the answer is null"));
    }
    let texts = content.elements().filter(|block| is_type(*block, "text"));
    let text = js::joined(texts.map(|block| block.get("text")), b"");
    let text = match text.is_empty() {
        true => null(),
        false => Tree::Text(restringify(js::quoted(&text).into()).unwrap_or_default()),
    };
    let calls: Vec<Tree<'_>> =
        content.elements().filter(|block| is_type(*block, "tool_use")).map(call).collect();
    let calls = (!calls.is_empty()).then_some(Tree::Array(calls));
    Ok(Tree::members([role, ("content", Some(text)), ("tool_calls", calls)]))
}

fn call(block: Value<'_>) -> Tree<'_> {
    let arguments = block.get("input").map(|input| {
        let json = js::plain(input);
        Tree::string(&String::from_utf8_lossy(&json))
    });
    let name = block.get("name").map(|name| Tree::Text(js::plain(name)));
    let function = Tree::members([("name", name), ("arguments", arguments)]);
    Tree::members([
        ("id", block.get("id").map(|id| Tree::Text(js::plain(id)))),
        ("type", Some(Tree::string("function"))),
        ("function", Some(function)),
    ])
}

/// Choice and usage of the chunk for an event; `None` for events that give none.
fn of_event(event: Value<'_>) -> Option<(Tree<'static>, Option<Tree<'static>>)> {
    let none = || Tree::members::<0>([]);
    let (mut reason, mut told) = (null(), None);
    let delta = match event.get_str("type")?.as_ref() {
        "message_start" => Tree::object([("role", Tree::string("assistant"))]),
        "content_block_start" => {
            let block = event.get_truthy("content_block")?;
            if is_type(block, "text") {
                Tree::object([("content", or_empty(block.get("text")))])
            } else if is_type(block, "tool_use") {
                let name = block.get("name").map(|name| Tree::Text(js::plain(name)));
                let arguments = Some(Tree::string(""));
                calling([
                    ("index", Some(index(event))),
                    ("id", block.get("id").map(|id| Tree::Text(js::plain(id)))),
                    ("type", Some(Tree::string("function"))),
                    ("function", Some(Tree::members([("name", name), ("arguments", arguments)]))),
                ])
            } else {
                none()
            }
        }
        "content_block_delta" => {
            let delta = event.get_truthy("delta")?;
            if is_type(delta, "text_delta") {
                Tree::object([("content", or_empty(delta.get("text")))])
            } else if is_type(delta, "input_json_delta") {
                let arguments = or_empty(delta.get("partial_json"));
                calling([
                    ("index", Some(index(event))),
                    ("function", Some(Tree::object([("arguments", arguments)]))),
                ])
            } else {
                none()
            }
        }
        "message_delta" => {
            let delta = event.get_truthy("delta")?;
            if let Some(stop) = delta.get_truthy("stop_reason") {
                reason = Tree::string(finish_reason(Some(stop)));
            }
            told = event.get_truthy("usage").map(usage);
            none()
        }
        _ => return None,
    };
    let choice = Tree::object([("index", zero()), ("delta", delta), ("finish_reason", reason)]);
    Some((choice, told))
}

fn calling<const N: usize>(call: [(&str, Option<Tree<'static>>); N]) -> Tree<'static> {
    Tree::object([("tool_calls", Tree::Array(vec![Tree::members(call)]))])
}

/// Counts without those of the cache.
fn usage(usage: Value<'_>) -> Tree<'static> {
    let count = |name: &str| usage.get_truthy(name);
    let shown =
        |value: Option<Value<'_>>| value.map_or_else(zero, |value| Tree::Text(js::plain(value)));
    let (input, output) = (count("input_tokens"), count("output_tokens"));
    Tree::object([
        ("prompt_tokens", shown(input)),
        ("completion_tokens", shown(output)),
        ("total_tokens", sum(input, output)),
    ])
}

/// `(input || 0) + (output || 0)`, which joins texts.
fn sum(input: Option<Value<'_>>, output: Option<Value<'_>>) -> Tree<'static> {
    let number = |value: Option<Value<'_>>| match value {
        None => Some(0.0),
        Some(value) if value.kind() == Kind::True => Some(1.0),
        Some(value) => value.as_f64(),
    };
    if let (Some(input), Some(output)) = (number(input), number(output)) {
        return Tree::Text(format_js_number(input + output).into());
    }
    let text =
        |value: Option<Value<'_>>| value.map_or("0".into(), |value| js::text(value).into_owned());
    Tree::string(&format!("{}{}", text(input), text(output)))
}

fn finish_reason(stop: Option<Value<'_>>) -> &'static str {
    match stop.map(js::text).as_deref() {
        Some("max_tokens") => "length",
        Some("tool_use") => "tool_calls",
        _ => "stop",
    }
}

/// The event's index, which is that of the block among all blocks.
fn index(event: Value<'_>) -> Tree<'static> {
    event.get_truthy("index").map_or_else(zero, |index| Tree::Text(js::plain(index)))
}

fn or_empty(value: Option<Value<'_>>) -> Tree<'static> {
    let value = value.filter(|value| value.truthy());
    value.map_or_else(|| Tree::string(""), |value| Tree::Text(js::plain(value)))
}

fn is_type(value: Value<'_>, name: &str) -> bool {
    value.get("type").is_some_and(|kind| kind.is_str(name))
}

fn zero() -> Tree<'static> {
    Tree::Text(b"0".to_vec())
}

fn null() -> Tree<'static> {
    Tree::Text(b"null".to_vec())
}
