//! Chat requests as Messages requests (contract/anthropic.md §7, `src/services/openaiToClaude.js`).
//!
//! Parts of the client's document are copied byte for byte wherever a rule does not name them.

use bytes::Bytes;

use super::{
    ConvertError::{self, ImageUrl, Shape},
    arguments, js,
};
use crate::wire::json::{Kind, Tree, Value, encode};

/// System line of every request but Xcode's. The client's own system text is discarded.
pub const SYSTEM_LINE: &str = "You are Claude Code, Anthropic's official CLI for Claude.";

/// A system text that holds this is Xcode's and stays.
const XCODE: &str = "You are currently in Xcode";

/// `max_tokens` of requests that name none.
const MAX_TOKENS: &str = "4096";

/// The Messages request as JSON. `chat` is the root of a client's body.
///
/// # Errors
/// When a part has no counterpart that the legacy service could make.
pub fn request(chat: Value<'_>) -> Result<Bytes, ConvertError> {
    let messages = chat.get("messages").filter(|messages| messages.is_array());
    let messages = messages.ok_or(Shape("messages is no list"))?;
    let converted = converted_messages(messages)?;
    let given = |name: &str| chat.get(name).map(Tree::Raw);
    let truthy = |name: &str| chat.get_truthy(name).map(Tree::Raw);
    let number = || Tree::Text(MAX_TOKENS.into());
    let stop = chat.get_truthy("stop").map(|stop| match stop.is_array() {
        true => Tree::Raw(stop),
        false => Tree::Array(vec![Tree::Raw(stop)]),
    });
    let tools = chat.get_truthy("tools").map(converted_tools).transpose()?;
    let choice = chat.get_truthy("tool_choice").filter(|_| tools.is_some());
    let request = Tree::members([
        ("model", given("model")),
        ("messages", Some(converted)),
        ("max_tokens", Some(truthy("max_tokens").unwrap_or_else(number))),
        ("temperature", given("temperature")),
        ("top_p", given("top_p")),
        ("stream", Some(truthy("stream").unwrap_or_else(|| Tree::Text("false".into())))),
        ("system", Some(system(messages))),
        ("stop_sequences", stop),
        ("tools", tools),
        ("tool_choice", choice.map(tool_choice).transpose()?),
    ]);
    Ok(request.to_json().into())
}

fn is_system(message: Value<'_>) -> bool {
    message.get("role").is_some_and(|role| role.is_str("system"))
}

/// All system texts joined by a blank line if they are Xcode's, else the fixed line.
fn system(messages: Value<'_>) -> Tree<'_> {
    let texts = messages.elements().filter(|message| is_system(*message));
    let token = js::quoted(&js::joined(texts.map(|message| message.get("content")), b"\\n\\n"));
    if crate::wire::json::decode(&token).contains(XCODE) {
        Tree::Text(token)
    } else {
        Tree::string(SYSTEM_LINE)
    }
}

fn converted_messages(messages: Value<'_>) -> Result<Tree<'_>, ConvertError> {
    let mut out = Vec::new();
    for message in messages.elements() {
        if message.kind() == Kind::Null {
            return Err(Shape("a message is null"));
        }
        if is_system(message) {
            continue;
        }
        out.push(converted_message(message)?);
    }
    Ok(Tree::Array(out))
}

fn converted_message(message: Value<'_>) -> Result<Tree<'_>, ConvertError> {
    let is_role = |name: &str| message.get("role").is_some_and(|role| role.is_str(name));
    let given = message.get("content");
    // What calls or results replace must be readable all the same.
    let mut content = match given {
        Some(content) if content.is_string() => Some(Tree::Raw(content)),
        Some(content) if content.is_array() => Some(converted_parts(content)?),
        Some(content) => Some(js::as_text(content)),
        None => None,
    };
    if let Some(calls) = message.get_truthy("tool_calls") {
        content = Some(converted_calls(calls)?);
    }
    let mut role = if is_role("user") { "user" } else { "assistant" };
    if is_role("tool") {
        role = "user";
        content = Some(Tree::Array(vec![Tree::members([
            ("type", Some(Tree::string("tool_result"))),
            ("tool_use_id", message.get("tool_call_id").map(Tree::Raw)),
            ("content", given.map(Tree::Raw)),
        ])]));
    }
    Ok(Tree::members([("role", Some(Tree::string(role))), ("content", content)]))
}

fn converted_parts(parts: Value<'_>) -> Result<Tree<'_>, ConvertError> {
    let converted = parts.elements().map(|part| {
        let is_type = |name: &str| part.get("type").is_some_and(|kind| kind.is_str(name));
        if part.kind() == Kind::Null {
            Err(Shape("a part of a message is null"))
        } else if is_type("text") {
            let text = part.get("text").map(Tree::Raw);
            Ok(Tree::members([("type", Some(Tree::string("text"))), ("text", text)]))
        } else if is_type("image_url") {
            image(part)
        } else {
            Ok(Tree::Raw(part))
        }
    });
    converted.collect::<Result<_, _>>().map(Tree::Array)
}

fn image(part: Value<'_>) -> Result<Tree<'_>, ConvertError> {
    let url = part.get("image_url").and_then(|image| image.get_str("url"));
    let url = url.ok_or(Shape("an image has no URL"))?;
    let after = url.strip_prefix("data:").ok_or(ImageUrl)?;
    let (media_type, data) = data_url(after)
        .unwrap_or_else(|| ("image/jpeg", url.split(',').nth(1).unwrap_or_default()));
    let source = Tree::object([
        ("type", Tree::string("base64")),
        ("media_type", Tree::string(media_type)),
        ("data", token(data)),
    ]);
    Ok(Tree::object([("type", Tree::string("image")), ("source", source)]))
}

/// Type and data of `<type>;base64,<data>`: neither is empty, and the data is one line.
fn data_url(after_scheme: &str) -> Option<(&str, &str)> {
    let (media_type, rest) = after_scheme.split_once(';')?;
    let data = rest.strip_prefix("base64,")?;
    let one_line = !data.contains(['\n', '\r', '\u{2028}', '\u{2029}']);
    (!media_type.is_empty() && !data.is_empty() && one_line).then_some((media_type, data))
}

/// A string token of a text that may be large.
fn token(text: &str) -> Tree<'static> {
    let mut out = Vec::with_capacity(text.len() + 2);
    encode(text, &mut out);
    Tree::Text(out)
}

fn converted_calls(calls: Value<'_>) -> Result<Tree<'_>, ConvertError> {
    if !calls.is_array() {
        return Err(Shape("tool_calls is no list"));
    }
    let converted = calls.elements().map(|call| {
        let function = call.get("function").filter(|function| function.kind() != Kind::Null);
        let function = function.ok_or(Shape("a tool call names no function"))?;
        let input = arguments::parsed(function.get("arguments"))?;
        Ok(Tree::members([
            ("type", Some(Tree::string("tool_use"))),
            ("id", call.get("id").map(Tree::Raw)),
            ("name", function.get("name").map(Tree::Raw)),
            ("input", Some(Tree::Text(input))),
        ]))
    });
    converted.collect::<Result<_, _>>().map(Tree::Array)
}

fn converted_tools(tools: Value<'_>) -> Result<Tree<'_>, ConvertError> {
    if !tools.is_array() {
        return Err(Shape("tools is no list"));
    }
    let converted = tools.elements().map(|tool| {
        if tool.kind() == Kind::Null {
            return Err(Shape("a tool is null"));
        }
        if !tool.get("type").is_some_and(|kind| kind.is_str("function")) {
            return Ok(Tree::Raw(tool));
        }
        let function = tool.get("function").filter(|function| function.kind() != Kind::Null);
        let function = function.ok_or(Shape("a tool has no function"))?;
        let member = |name: &str| function.get(name).map(Tree::Raw);
        Ok(Tree::members([
            ("name", member("name")),
            ("description", member("description")),
            ("input_schema", member("parameters")),
        ]))
    });
    converted.collect::<Result<_, _>>().map(Tree::Array)
}

fn tool_choice(choice: Value<'_>) -> Result<Tree<'_>, ConvertError> {
    let of_type = |name: &str| Tree::object([("type", Tree::string(name))]);
    if choice.is_str("none") {
        return Ok(of_type("none"));
    }
    if choice.is_str("required") {
        return Ok(of_type("any"));
    }
    if !choice.get("type").is_some_and(|kind| kind.is_str("function")) {
        return Ok(of_type("auto"));
    }
    let function = choice.get("function").filter(|function| function.kind() != Kind::Null);
    let function = function.ok_or(Shape("tool_choice names no function"))?;
    let name = function.get("name").map(Tree::Raw);
    Ok(Tree::members([("type", Some(Tree::string("tool"))), ("name", name)]))
}
