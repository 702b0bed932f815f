//! Chat requests as requests of the Responses API (contract/openai-azure-droid.md §9.1,
//! `src/services/codexToOpenAI.js`). Instructions are not set here.
//!
//! Parts of the client's document are copied byte for byte wherever a rule does not name them.

use bytes::Bytes;

use super::{
    ConvertError::{self, Shape},
    js,
    tool_names::{ToolNames, plain_short},
};
use crate::wire::json::{Kind, Tree, Value};

/// What of a chat request the Responses API is asked.
#[derive(Debug)]
pub struct Converted {
    /// The request as JSON.
    pub body: Bytes,
    /// How its tools are called on either side.
    pub names: ToolNames,
}

/// Converts a request. `chat` is the root of a client's body.
///
/// # Errors
/// When a part has no counterpart that the legacy service could make.
pub fn request(chat: Value<'_>) -> Result<Converted, ConvertError> {
    let messages = elements(chat.get_truthy("messages"), "messages is no list")?;
    let mut input = Vec::new();
    for message in &messages {
        items(*message, &mut input)?;
    }
    let tools = chat.get_truthy("tools");
    let names = ToolNames::of(named(tools, &messages)?.into_iter())?;
    let given = |name: &str| chat.get(name).map(Tree::Raw);
    let truthy = |name: &str| chat.get_truthy(name).map(Tree::Raw);
    let effort = truthy("reasoning_effort").unwrap_or_else(|| Tree::string("medium"));
    let reasoning = Tree::object([("effort", effort), ("summary", Tree::string("auto"))]);
    let encrypted = Tree::string("reasoning.encrypted_content");
    let choice = chat.get("tool_choice").map(|choice| tool_choice(choice, &names)).transpose()?;
    let body = Tree::members([
        ("model", truthy("model")),
        ("stream", given("stream")),
        ("input", Some(Tree::Array(input))),
        ("reasoning", Some(reasoning)),
        ("parallel_tool_calls", Some(literal("true"))),
        ("include", Some(Tree::Array(vec![encrypted]))),
        ("store", Some(literal("false"))),
        ("tools", tools.and_then(|tools| converted_tools(tools, &names).transpose()).transpose()?),
        ("tool_choice", choice),
        ("text", chat.get_truthy("response_format").and_then(format)),
        ("session_id", truthy("session_id")),
        ("conversation_id", truthy("conversation_id")),
        ("prompt_cache_key", truthy("prompt_cache_key")),
    ]);
    Ok(Converted { body: body.to_json().into(), names })
}

fn literal(json: &str) -> Tree<'static> {
    Tree::Text(json.into())
}

/// What JavaScript would iterate over; characters of a text have no members and count as none.
fn elements<'d>(
    list: Option<Value<'d>>,
    otherwise: &'static str,
) -> Result<Vec<Value<'d>>, ConvertError> {
    match list {
        None => Ok(Vec::new()),
        Some(list) if list.is_array() => Ok(list.elements().collect()),
        Some(text) if text.is_string() => Ok(Vec::new()),
        Some(_) => Err(Shape(otherwise)),
    }
}

fn is(value: Value<'_>, member: &str, text: &str) -> bool {
    value.get(member).is_some_and(|found| found.is_str(text))
}

/// A value that may be asked for its members.
fn some<'d>(value: Value<'d>, otherwise: &'static str) -> Result<Value<'d>, ConvertError> {
    if value.kind() == Kind::Null { Err(Shape(otherwise)) } else { Ok(value) }
}

fn calls(message: Value<'_>) -> Result<Vec<Value<'_>>, ConvertError> {
    let calls = elements(message.get_truthy("tool_calls"), "tool_calls is no list")?;
    calls.into_iter().map(|call| some(call, "a tool call is null")).collect()
}

/// Names of all tools and called functions, in the order in which they count.
fn named<'d>(
    tools: Option<Value<'d>>,
    messages: &[Value<'d>],
) -> Result<Vec<Value<'d>>, ConvertError> {
    let mut functions = Vec::new();
    for tool in elements(tools, "tools is no list")? {
        functions.push(some(tool, "a tool is null")?);
    }
    for message in messages.iter().filter(|message| is(**message, "role", "assistant")) {
        functions.extend(calls(*message)?);
    }
    let of_functions = functions.into_iter().filter(|one| is(*one, "type", "function"));
    Ok(of_functions.filter_map(|one| one.get("function")?.get_truthy("name")).collect())
}

/// The items of a message; none for roles that the legacy service does not know.
fn items<'d>(message: Value<'d>, out: &mut Vec<Tree<'d>>) -> Result<(), ConvertError> {
    let message = some(message, "a message is null")?;
    let content = message.get("content");
    let item = |role: &str, text_type: &str| -> Result<Tree<'d>, ConvertError> {
        Ok(Tree::object([
            ("type", Tree::string("message")),
            ("role", Tree::string(role)),
            ("content", parts(content, text_type)?),
        ]))
    };
    match message.get_str("role").as_deref() {
        Some("system" | "developer") => out.push(item("developer", "input_text")?),
        Some("user") => out.push(item("user", "input_text")?),
        Some("assistant") => {
            if content.is_some_and(Value::truthy) {
                out.push(item("assistant", "output_text")?);
            }
            for call in calls(message)?.into_iter().filter(|call| is(*call, "type", "function")) {
                out.push(function_call(call)?);
            }
        }
        Some("tool") => {
            let output = content.map(|content| match content.is_string() {
                true => Tree::Raw(content),
                false => js::as_text(content),
            });
            out.push(Tree::members([
                ("type", Some(Tree::string("function_call_output"))),
                ("call_id", message.get("tool_call_id").map(Tree::Raw)),
                ("output", output),
            ]));
        }
        _ => {}
    }
    Ok(())
}

fn parts<'d>(content: Option<Value<'d>>, text_type: &str) -> Result<Tree<'d>, ConvertError> {
    let text =
        |text| Tree::Array(vec![Tree::object([("type", Tree::string(text_type)), ("text", text)])]);
    let content = match content.filter(|content| content.truthy()) {
        None => return Ok(text(Tree::string(""))),
        Some(content) if content.is_string() => return Ok(text(Tree::Raw(content))),
        Some(content) if content.is_array() => content,
        Some(content) => return Ok(text(Tree::string(&js::primitive(content)?))),
    };
    let mut out = Vec::new();
    for part in content.elements() {
        let part = some(part, "a part of a message is null")?;
        if is(part, "type", "text") {
            let text = part.get("text").map(Tree::Raw);
            out.push(Tree::members([("type", Some(Tree::string(text_type))), ("text", text)]));
        } else if is(part, "type", "image_url") {
            let image = part.get("image_url");
            let image = image.and_then(|image| image.get_truthy("url")).or(image);
            let kind = Some(Tree::string("input_image"));
            out.push(Tree::members([("type", kind), ("image_url", image.map(Tree::Raw))]));
        } else if part.truthy() {
            out.push(Tree::Raw(part));
        }
    }
    Ok(Tree::Array(out))
}

fn function_call(call: Value<'_>) -> Result<Tree<'_>, ConvertError> {
    let function = call.get("function");
    let name = function.and_then(|function| function.get_truthy("name"));
    // Names of earlier calls are cut before it is known which others there are.
    let name = name.map_or_else(|| Ok(b"\"\"".to_vec()), plain_short)?;
    let arguments = function.and_then(|function| function.get("arguments"));
    let arguments = match arguments.filter(|arguments| arguments.kind() != Kind::Null) {
        None => Tree::string("{}"),
        Some(text) if text.is_string() => Tree::Raw(text),
        Some(value) => js::as_text(value),
    };
    Ok(Tree::members([
        ("type", Some(Tree::string("function_call"))),
        ("call_id", call.get("id").map(Tree::Raw)),
        ("name", Some(Tree::Text(name))),
        ("arguments", Some(arguments)),
    ]))
}

/// `None` for an empty list.
fn converted_tools<'d>(
    tools: Value<'d>,
    names: &ToolNames,
) -> Result<Option<Tree<'d>>, ConvertError> {
    if !tools.is_array() {
        return Err(Shape("tools is no list"));
    }
    let mut out = Vec::new();
    for tool in tools.elements().filter(|tool| tool.get_truthy("type").is_some()) {
        if !is(tool, "type", "function") {
            out.push(Tree::Raw(tool));
        } else if let Some(function) = tool.get_truthy("function") {
            let name = function.get("name").map(|name| names.short(name)).transpose()?;
            let truthy = |name: &str| function.get_truthy(name).map(Tree::Raw);
            out.push(Tree::members([
                ("type", Some(Tree::string("function"))),
                ("name", name.map(Tree::Text)),
                ("description", truthy("description")),
                ("parameters", truthy("parameters")),
                ("strict", function.get("strict").map(Tree::Raw)),
            ]));
        }
    }
    let any = tools.elements().next().is_some();
    Ok(any.then_some(Tree::Array(out)))
}

fn tool_choice<'d>(choice: Value<'d>, names: &ToolNames) -> Result<Tree<'d>, ConvertError> {
    let name = choice.get("function").and_then(|function| function.get_truthy("name"));
    match name.filter(|_| is(choice, "type", "function")) {
        Some(name) => Ok(Tree::object([
            ("type", Tree::string("function")),
            ("name", Tree::Text(names.short(name)?)),
        ])),
        None => Ok(Tree::Raw(choice)),
    }
}

/// `text` of the request; other formats than these two are not passed on.
fn format(format: Value<'_>) -> Option<Tree<'_>> {
    let wrapped = |format| Some(Tree::object([("format", format)]));
    if is(format, "type", "text") {
        return wrapped(Tree::object([("type", Tree::string("text"))]));
    }
    let schema = format.get_truthy("json_schema").filter(|_| is(format, "type", "json_schema"))?;
    let truthy = |name: &str| schema.get_truthy(name).map(Tree::Raw);
    wrapped(Tree::members([
        ("type", Some(Tree::string("json_schema"))),
        ("name", truthy("name")),
        ("strict", schema.get("strict").map(Tree::Raw)),
        ("schema", truthy("schema")),
    ]))
}
