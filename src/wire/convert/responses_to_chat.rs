//! Answers and events of the Responses API in the form of chat completions
//! (contract/openai-azure-droid.md §9.2, §9.3; `src/services/codexToOpenAI.js`, `src/routes/unified.js`).

use bytes::Bytes;

use super::{
    ConvertError::{self, Shape},
    js,
    tool_names::ToolNames,
};
use crate::wire::json::{Kind, Tree, Value};

/// Ends every stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// Now, and how JavaScript reads a date's text: `new Date(text)` in epoch milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Now, in epoch milliseconds.
    pub now_ms: i64,
    /// `new Date(text).getTime()`.
    pub date: fn(&str) -> Option<i64>,
}

impl Moment {
    fn now_s(self) -> i64 {
        self.now_ms.div_euclid(1000)
    }
}

/// What answers and chunks of one request share.
#[derive(Clone, Debug)]
pub struct Naming {
    names: ToolNames,
    /// The model the client asked for, as JSON.
    model: Vec<u8>,
}

/// A stream on its way: what earlier events said.
#[derive(Clone, Debug)]
pub struct Chunks {
    naming: Naming,
    /// JSON of the vendor's id, moment and model, once told.
    id: Option<Vec<u8>>,
    created: Option<Vec<u8>>,
    model: Option<Vec<u8>>,
    /// Place of the last call among all calls, from −1 on.
    call: i64,
    /// Arguments of that call have come piece by piece.
    in_pieces: bool,
    /// It was told when it began.
    announced: bool,
    /// A delta that tells the role has gone out.
    role_told: bool,
}

impl Naming {
    /// `model` is that member of the client's request.
    pub fn new(names: ToolNames, model: &str) -> Self {
        Self { names, model: Tree::string(model).to_json() }
    }

    /// A stream of chunks.
    pub fn chunks(self) -> Chunks {
        Chunks {
            naming: self,
            id: None,
            created: None,
            model: None,
            call: -1,
            in_pieces: false,
            announced: false,
            role_told: false,
        }
    }

    /// A whole answer. `None` when it is none of the Responses API or cannot be read; it is then passed on
    /// as it is. `reply` stands in a document that is indexed at every level.
    pub fn answer(&self, reply: Value<'_>, moment: Moment) -> Option<Bytes> {
        let wrapped = is(reply, "type", "response.completed");
        if !wrapped && !is(reply, "object", "response") {
            return None;
        }
        let response = if wrapped { reply.get("response")? } else { reply };
        self.completion(response, moment).ok()
    }

    fn completion(&self, response: Value<'_>, moment: Moment) -> Result<Bytes, ConvertError> {
        if response.kind() == Kind::Null {
            return Err(Shape("the response is null"));
        }
        let (mut content, mut reasoning, mut calls) = (None, None, Vec::new());
        for item in items(response.get_truthy("output"))? {
            match item.get_str("type").as_deref() {
                Some("reasoning") => joined(item, "summary", "summary_text", &mut reasoning)?,
                Some("message") => joined(item, "content", "output_text", &mut content)?,
                Some("function_call") => calls.push(self.call(item, None)),
                _ => {}
            }
        }
        if is(response, "status", "failed") {
            return Ok(failed(response).to_json().into());
        }
        let reason = if calls.is_empty() { finish_reason(response) } else { "tool_calls" };
        let text = |inner: Vec<u8>| {
            let token = js::quoted(&inner);
            Tree::Text(crate::wire::json::restringify(token.into()).unwrap_or_default())
        };
        let message = Tree::members([
            ("role", Some(Tree::string("assistant"))),
            ("content", Some(content.map_or_else(|| literal("null"), text))),
            ("reasoning_content", reasoning.map(text)),
            ("tool_calls", (!calls.is_empty()).then_some(Tree::Array(calls))),
        ]);
        let choice = Tree::object([
            ("index", literal("0")),
            ("message", message),
            ("finish_reason", Tree::string(reason)),
        ]);
        let created = match response.get_truthy("created_at") {
            Some(created) => moment_of(created, moment)?,
            None => moment.now_s().to_string().into(),
        };
        let answer = Tree::members([
            ("id", Some(or_made_up(response.get_truthy("id").map(js::plain), moment))),
            ("object", Some(Tree::string("chat.completion"))),
            ("created", Some(Tree::Text(created))),
            ("model", Some(self.model(response.get_truthy("model").map(js::plain)))),
            ("choices", Some(Tree::Array(vec![choice]))),
            ("usage", response.get_truthy("usage").map(usage)),
        ]);
        Ok(answer.to_json().into())
    }

    /// The vendor's name of the model, or else the client's.
    fn model(&self, told: Option<Vec<u8>>) -> Tree<'static> {
        Tree::Text(told.unwrap_or_else(|| self.model.clone()))
    }

    /// A call; in a stream it has a place.
    fn call(&self, item: Value<'_>, place: Option<i64>) -> Tree<'static> {
        let arguments = item.get_truthy("arguments");
        let arguments =
            arguments.map_or_else(|| Tree::string("{}"), |it| Tree::Text(js::plain(it)));
        self.call_with(item, place, arguments)
    }

    fn call_with(
        &self,
        item: Value<'_>,
        place: Option<i64>,
        arguments: Tree<'static>,
    ) -> Tree<'static> {
        let id = item.get_truthy("call_id").or_else(|| item.get("id"));
        let name = item.get("name").map(|name| Tree::Text(self.names.long(name)));
        let function = Tree::members([("name", name), ("arguments", Some(arguments))]);
        Tree::members([
            ("index", place.map(|place| literal(&place.to_string()))),
            ("id", id.map(|id| Tree::Text(js::plain(id)))),
            ("type", Some(Tree::string("function"))),
            ("function", Some(function)),
        ])
    }
}

impl Chunks {
    /// The chunks for lines of the vendor's stream (without their newline).
    pub fn of_lines<'l>(&mut self, lines: impl Iterator<Item = &'l [u8]>, moment: Moment) -> Bytes {
        let mut out = Vec::new();
        for line in lines {
            self.line(line.strip_suffix(b"\r").unwrap_or(line), moment, &mut out);
        }
        out.into()
    }

    fn line(&mut self, line: &[u8], moment: Moment, out: &mut Vec<u8>) {
        let data = line.strip_prefix(b"data: ").filter(|data| !data.is_empty());
        let Some(data) = data.filter(|data| *data != b"[DONE]") else { return };
        let told = js::document(data, true).and_then(|event| {
            let event = event.root();
            if event.kind() == Kind::Null || event.get_truthy("error").is_some() {
                return None;
            }
            self.event(event, moment).ok()
        });
        match told {
            Some(Some(chunk)) => put(out, &chunk.to_json()),
            Some(None) => {}
            // What cannot be read, and errors, are the client's to read.
            None => put(out, String::from_utf8_lossy(data).as_bytes()),
        }
    }

    /// What an event tells the client, if anything.
    fn event(
        &mut self,
        event: Value<'_>,
        moment: Moment,
    ) -> Result<Option<Tree<'static>>, ConvertError> {
        let empty = Tree::members::<0>([]);
        let given = |name: &str| event.get(name).map(|it| Tree::Text(js::plain(it)));
        let response = event.get_truthy("response");
        let Some(name) = event.get_str("type") else { return Ok(None) };
        let delta = match name.as_ref() {
            "response.created" => return self.begin(response, moment).map(|()| None),
            "response.reasoning_summary_text.delta" => {
                Tree::members([("reasoning_content", given("delta"))])
            }
            "response.output_text.delta" => Tree::members([("content", given("delta"))]),
            "response.output_item.added" => match called(event) {
                Some(item) => self.announce(item),
                None => return Ok(None),
            },
            "response.function_call_arguments.delta" => {
                self.in_pieces = true;
                self.arguments(given("delta"))
            }
            "response.function_call_arguments.done" if self.in_pieces => return Ok(None),
            "response.function_call_arguments.done" => {
                let all = event.get_truthy("arguments").map(|it| Tree::Text(js::plain(it)));
                self.arguments(Some(all.unwrap_or_else(|| Tree::string("{}"))))
            }
            "response.output_item.done" => match called(event) {
                Some(item) if !self.announced => {
                    self.call += 1;
                    calling(self.naming.call(item, Some(self.call)))
                }
                Some(_) => {
                    self.announced = false;
                    return Ok(None);
                }
                None => return Ok(None),
            },
            "response.failed" | "response.incomplete"
                if response.is_some_and(|response| is(response, "status", "failed")) =>
            {
                return Ok(response.map(failed));
            }
            "response.completed" | "response.failed" | "response.incomplete" => {
                let reason = match self.call {
                    ..0 => response.map_or("stop", finish_reason),
                    _ => "tool_calls",
                };
                let usage = response.and_then(|response| response.get_truthy("usage")).map(usage);
                return Ok(Some(self.chunk(empty, Tree::string(reason), usage, moment)));
            }
            "error" => {
                let member = |name: &str| event.get_truthy(name).map(js::plain).map(Tree::Text);
                let message = member("message").unwrap_or_else(|| Tree::string("Unknown error"));
                let code = member("code").unwrap_or_else(|| literal("null"));
                return Ok(Some(error(message, Tree::string("server_error"), code)));
            }
            _ => return Ok(None),
        };
        let mut delta = delta;
        if !self.role_told {
            delta.set("role", Tree::string("assistant"));
            self.role_told = true;
        }
        Ok(Some(self.chunk(delta, literal("null"), None, moment)))
    }

    fn begin(&mut self, response: Option<Value<'_>>, moment: Moment) -> Result<(), ConvertError> {
        let told = |name: &str| response.and_then(|response| response.get_truthy(name));
        self.id = told("id").map(js::plain);
        if let Some(created) = told("created_at") {
            self.created = Some(moment_of(created, moment)?).filter(|created| created != b"0");
        }
        self.model = told("model").map(js::plain);
        Ok(())
    }

    fn announce(&mut self, item: Value<'_>) -> Tree<'static> {
        self.call += 1;
        self.in_pieces = false;
        self.announced = true;
        calling(self.naming.call_with(item, Some(self.call), Tree::string("")))
    }

    fn arguments(&self, arguments: Option<Tree<'static>>) -> Tree<'static> {
        calling(Tree::object([
            ("index", literal(&self.call.to_string())),
            ("function", Tree::members([("arguments", arguments)])),
        ]))
    }

    fn chunk(
        &self,
        delta: Tree<'static>,
        reason: Tree<'static>,
        usage: Option<Tree<'static>>,
        moment: Moment,
    ) -> Tree<'static> {
        let created = self.created.clone();
        let created = created.unwrap_or_else(|| moment.now_s().to_string().into());
        let choice =
            Tree::object([("index", literal("0")), ("delta", delta), ("finish_reason", reason)]);
        Tree::members([
            ("id", Some(or_made_up(self.id.clone(), moment))),
            ("object", Some(Tree::string("chat.completion.chunk"))),
            ("created", Some(Tree::Text(created))),
            ("model", Some(self.naming.model(self.model.clone()))),
            ("choices", Some(Tree::Array(vec![choice]))),
            ("usage", usage),
        ])
    }
}

fn put(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
}

fn is(value: Value<'_>, member: &str, text: &str) -> bool {
    value.get(member).is_some_and(|found| found.is_str(text))
}

fn literal(json: &str) -> Tree<'static> {
    Tree::Text(json.into())
}

fn calling(call: Tree<'static>) -> Tree<'static> {
    Tree::object([("tool_calls", Tree::Array(vec![call]))])
}

/// The function call that an event is about.
fn called(event: Value<'_>) -> Option<Value<'_>> {
    event.get("item").filter(|item| is(*item, "type", "function_call"))
}

/// What JavaScript would iterate over; characters of a text have no members and count as none.
fn items(list: Option<Value<'_>>) -> Result<Vec<Value<'_>>, ConvertError> {
    let items: Vec<Value<'_>> = match list {
        Some(list) if list.is_array() => list.elements().collect(),
        Some(list) if !list.is_string() => return Err(Shape("the output is no list")),
        _ => Vec::new(),
    };
    let null = items.iter().any(|item| item.kind() == Kind::Null);
    if null { Err(Shape("an item is null")) } else { Ok(items) }
}

/// Adds the texts of an item's parts of this type, as the inside of a string token.
fn joined(
    item: Value<'_>,
    list: &str,
    part_type: &str,
    out: &mut Option<Vec<u8>>,
) -> Result<(), ConvertError> {
    let Some(parts) = item.get_truthy(list) else { return Ok(()) };
    if !parts.is_array() || parts.elements().any(|part| part.kind() == Kind::Null) {
        return Err(Shape("the parts are no list"));
    }
    let mut texts = Vec::new();
    for part in parts.elements().filter(|part| is(*part, "type", part_type)) {
        let text = part.get("text");
        if let Some(text) = text {
            js::primitive(text)?;
        }
        texts.push(text);
    }
    if !texts.is_empty() {
        let inside = js::joined(texts.into_iter(), b"");
        out.get_or_insert_default().extend_from_slice(&inside);
    }
    Ok(())
}

fn failed(response: Value<'_>) -> Tree<'static> {
    let told = response.get_truthy("error");
    let member = |name: &str| told.and_then(|told| told.get_truthy(name)).map(js::plain);
    let text = |name: &str, otherwise: &str| {
        member(name).map_or_else(|| Tree::string(otherwise), Tree::Text)
    };
    let code = member("code").map_or_else(|| literal("null"), Tree::Text);
    error(text("message", "Response failed"), text("type", "server_error"), code)
}

fn error(message: Tree<'static>, kind: Tree<'static>, code: Tree<'static>) -> Tree<'static> {
    let error = Tree::object([("message", message), ("type", kind), ("code", code)]);
    Tree::object([("error", error)])
}

fn or_made_up(id: Option<Vec<u8>>, moment: Moment) -> Tree<'static> {
    let made_up = || Tree::string(&format!("chatcmpl-{}", moment.now_ms));
    id.map_or_else(made_up, Tree::Text)
}

fn finish_reason(response: Value<'_>) -> &'static str {
    if !is(response, "status", "incomplete") {
        return "stop";
    }
    let why = response.get("incomplete_details").and_then(|details| details.get_str("reason"));
    if why.as_deref() == Some("content_filter") { "content_filter" } else { "length" }
}

/// Seconds of a vendor's moment, as JSON. Numbers are taken as they are.
fn moment_of(created: Value<'_>, moment: Moment) -> Result<Vec<u8>, ConvertError> {
    let ms = match created.kind() {
        Kind::Number => return Ok(js::plain(created)),
        Kind::True => Some(1),
        _ => (moment.date)(&js::primitive(created)?),
    };
    Ok(ms.map_or(moment.now_s(), |ms| ms.div_euclid(1000)).to_string().into())
}

/// Counts; details only when there is something to count.
fn usage(usage: Value<'_>) -> Tree<'static> {
    let count = |name: &str| {
        let given = usage.get_truthy(name);
        Some(given.map_or_else(|| literal("0"), |it| Tree::Text(js::plain(it))))
    };
    let detail = |group: &str, name: &str| {
        let given = usage.get(group)?.get(name).filter(|given| js::number(*given) > 0.0)?;
        Some(Tree::members([(name, Some(Tree::Text(js::plain(given))))]))
    };
    Tree::members([
        ("prompt_tokens", count("input_tokens")),
        ("completion_tokens", count("output_tokens")),
        ("total_tokens", count("total_tokens")),
        ("prompt_tokens_details", detail("input_tokens_details", "cached_tokens")),
        ("completion_tokens_details", detail("output_tokens_details", "reasoning_tokens")),
    ])
}
