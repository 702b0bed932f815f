//! The upstream request's body (`contract/anthropic.md §3.6`): twelve rules, in the legacy order.
//!
//! The body is only opened where a rule changes it; a body that no rule touches is passed on as the
//! client's own bytes.

use bytes::Bytes;

use crate::wire::{
    anthropic::UserId,
    json::{self, Kind, Tree, Value},
};

use super::{Call, orphans::answer_orphans, system::System, tools::ToolNames};

const INSTRUCTIONS_LEAD: &str = "[System Instructions - follow these strictly]\n";
const INSTRUCTIONS_REPLY: &str = "Understood. I will follow these instructions.";

/// Device id of requests that come without any: SHA-256 of `relay-generated-device`.
const DEVICE_ID: &str = "6d80b607905bb422a7713b6131219e2c9f3b5682ec0a6c3a7ed192eb26b05bc9";

/// Most `cache_control` marks the vendor accepts.
const MAX_CACHE_MARKS: usize = 4;

/// Applies the rules, and names those that changed something.
pub(super) fn transform(call: &Call<'_>) -> (Bytes, Option<ToolNames>, Vec<&'static str>) {
    let mut rules = Vec::new();
    let root = call.body.root();
    let mut tree = Tree::Raw(root);
    let seen = Survey::of(root.get("messages"));

    answer_orphans(&mut tree, root.get("messages"));
    if tree.as_raw().is_none() {
        rules.push("unanswered tool calls answered");
    }
    if seen.ttl {
        rules.push("cache ttl removed");
        edit_blocks(&mut tree, has_ttl, |block| {
            strip_ttl(block);
            true
        });
    }
    let mut system = System::of(root.get("system"));
    system.strip_ttl();
    if !call.from_claude_code {
        rules.push("system prompt replaced, its text moved into the first exchange");
        let instructions = system.text();
        system = System::Line;
        prepend_instructions(&mut tree, &instructions);
    }
    system.drop_billing_header();
    if seen.cache_marks > MAX_CACHE_MARKS {
        rules.push("cache marks limited");
    }
    limit_cache_marks(&mut tree, &mut system, seen.cache_marks);
    system.apply_configured(call.system_prompt);
    system.store(&mut tree, root.get("system"));
    if root.get("top_p").is_some_and(|value| value.kind() != Kind::Null) {
        rules.push("top_p removed");
        tree.remove("top_p");
    }
    rewrite_user_id(&mut tree, root.get("metadata"), call);
    let names = if call.from_claude_code { None } else { rename_tools(&mut tree, root, call) };
    if names.is_some() {
        rules.push("tools renamed");
    }

    if tree.as_raw().is_some() {
        return (call.body.bytes().clone(), names, rules);
    }
    let mut out = Vec::with_capacity(call.body.bytes().len() + 1024);
    tree.write(&mut out);
    (out.into(), names, rules)
}

/// What one walk over the messages found.
#[derive(Default)]
struct Survey {
    ttl: bool,
    cache_marks: usize,
}

impl Survey {
    fn of(messages: Option<Value<'_>>) -> Self {
        let mut seen = Self::default();
        for block in messages.into_iter().flat_map(Value::elements).flat_map(blocks_of) {
            if is_cached(block) {
                seen.cache_marks += 1;
                seen.ttl |= has_ttl(block);
            }
        }
        seen
    }
}

/// Blocks of a message whose content is an array.
pub(super) fn blocks_of(message: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    message.get("content").into_iter().flat_map(Value::elements)
}

pub(super) fn is_type(block: Value<'_>, name: &str) -> bool {
    block.get("type").is_some_and(|kind| kind.is_str(name))
}

fn is_cached(block: Value<'_>) -> bool {
    block.get_truthy("cache_control").is_some()
}

pub(super) fn has_ttl(block: Value<'_>) -> bool {
    block.get_truthy("cache_control").is_some_and(|control| control.get_truthy("ttl").is_some())
}

pub(super) fn strip_ttl(block: &mut Tree<'_>) {
    if let Some(control) = block.member("cache_control") {
        control.remove("ttl");
    }
}

/// Edits the blocks of array contents that `wanted` accepts, until `edit` says stop. Blocks that are
/// opened already were put there by an earlier rule and hold nothing that later rules look for, unless
/// `edit` copes with it.
fn edit_blocks<'d>(
    tree: &mut Tree<'d>,
    wanted: impl Fn(Value<'d>) -> bool,
    mut edit: impl FnMut(&mut Tree<'d>) -> bool,
) {
    let Some(messages) = tree.member("messages").and_then(Tree::open_array) else { return };
    for message in messages {
        if message.as_raw().is_some_and(|raw| !blocks_of(raw).any(&wanted)) {
            continue;
        }
        let Some(blocks) = message.member("content").and_then(Tree::open_array) else { continue };
        for block in blocks {
            if block.as_raw().is_some_and(|raw| !wanted(raw)) {
                continue;
            }
            if !edit(block) {
                return;
            }
        }
    }
}

pub(super) fn text_block(text: Tree<'_>) -> Tree<'_> {
    Tree::object([("type", Tree::string("text")), ("text", text)])
}

/// Rule 4, second half: the client's system text becomes the first exchange. `text` is the inside of a
/// JSON string.
fn prepend_instructions(tree: &mut Tree<'_>, text: &[u8]) {
    let text = json::trim_raw_inner(text);
    if text.is_empty() {
        return;
    }
    let mut token = Vec::with_capacity(text.len() + 64);
    json::encode(INSTRUCTIONS_LEAD, &mut token);
    token.pop();
    token.extend_from_slice(text);
    token.push(b'"');
    let message = |role: &str, text| {
        let content = Tree::Array(vec![text_block(text)]);
        Tree::object([("role", Tree::string(role)), ("content", content)])
    };
    let exchange = [
        message("user", Tree::Text(token)),
        message("assistant", Tree::string(INSTRUCTIONS_REPLY)),
    ];
    match tree.member("messages").and_then(Tree::open_array) {
        Some(messages) => drop(messages.splice(..0, exchange)),
        None => tree.set("messages", Tree::Array(exchange.into())),
    }
}

/// Rule 7: no more than four `cache_control` marks; messages lose theirs first.
fn limit_cache_marks(tree: &mut Tree<'_>, system: &mut System<'_>, in_messages: usize) {
    let mut excess = (in_messages + system.cache_marks()).saturating_sub(MAX_CACHE_MARKS);
    let take = excess.min(in_messages);
    excess -= take;
    if take > 0 {
        let mut left = take;
        edit_blocks(tree, is_cached, |block| {
            if member_is_truthy(block, "cache_control") {
                block.remove("cache_control");
                left -= 1;
            }
            left > 0
        });
    }
    system.drop_cache_marks(excess);
}

/// Whether a block, opened by an earlier rule or not, has a truthy member of that name.
pub(super) fn member_is_truthy(block: &Tree<'_>, name: &str) -> bool {
    match block {
        Tree::Raw(value) => value.get_truthy(name).is_some(),
        _ => block
            .opened_member(name)
            .is_some_and(|member| member.as_raw().is_none_or(Value::truthy)),
    }
}

/// Rules 5, 10 and 11: who the request says it comes from.
fn rewrite_user_id<'d>(tree: &mut Tree<'d>, metadata: Option<Value<'d>>, call: &Call<'_>) {
    let given = metadata.and_then(|metadata| metadata.get_str("user_id"));
    let usable = given.as_deref().filter(|id| !id.is_empty());
    let current = match usable {
        Some(id) => id.to_owned(),
        None if call.from_claude_code => return,
        None => UserId {
            device_id: DEVICE_ID.to_owned(),
            account_uuid: String::new(),
            session_id: call.fresh_session_id.to_owned(),
            json: true,
        }
        .build(),
    };
    let next = match UserId::parse(&current) {
        Some(mut id) => {
            if let Some(device) = &call.account.unified_client_id {
                id.device_id.clone_from(device);
            }
            // Rule 11 reads the id anew, and a replaced device id may not fit its pattern.
            UserId::parse(&id.build()).map_or_else(
                || id.build(),
                |id| id.for_account(&call.account.id, call.account.account_uuid.as_deref()).build(),
            )
        }
        None => current,
    };
    if usable == Some(next.as_str()) {
        return;
    }
    if let Some(list) = metadata.filter(|metadata| metadata.is_array()) {
        set_on_list(tree, list, &next, call);
        return;
    }
    if metadata.is_some_and(|metadata| metadata.is_object()) {
        if let Some(metadata) = tree.member("metadata") {
            metadata.set("user_id", Tree::string(&next));
        }
    } else {
        tree.set("metadata", Tree::object([("user_id", Tree::string(&next))]));
    }
}

/// A user id set on a list (legacy quirk): it is lost where the body is written down before it is sent,
/// and in streams the list becomes an object.
fn set_on_list<'d>(tree: &mut Tree<'d>, list: Value<'d>, id: &str, call: &Call<'_>) {
    if call.body.root().get("stream").is_none_or(|stream| stream.kind() != Kind::True) {
        return;
    }
    let mut object = Tree::object([]);
    for (index, element) in list.elements().enumerate() {
        object.set(&index.to_string(), Tree::Raw(element));
    }
    object.set("user_id", Tree::string(id));
    tree.set("metadata", object);
}

/// Rule 12: tool names of clients other than Claude Code.
fn rename_tools<'d>(tree: &mut Tree<'d>, root: Value<'d>, call: &Call<'_>) -> Option<ToolNames> {
    let mut names = ToolNames::default();
    let mut rename = |owner: &mut Tree<'d>| {
        let raw = match owner {
            Tree::Raw(value) => value.get_str("name"),
            Tree::Object(_) => {
                owner.member("name").and_then(|n| n.as_raw()).and_then(Value::as_str)
            }
            _ => None,
        };
        if let Some(new) = raw.and_then(|name| names.rename(&name, call.naming)) {
            owner.set("name", Tree::string(&new));
        }
    };
    let named = |value: Value<'d>| value.get("name").is_some_and(|name| name.is_string());
    let tools = root.get("tools").filter(|tools| tools.elements().any(named));
    if tools.is_some() {
        let tools = tree.member("tools").and_then(Tree::open_array);
        tools.into_iter().flatten().for_each(&mut rename);
    }
    if root.get("tool_choice").is_some_and(named)
        && let Some(choice) = tree.member("tool_choice")
    {
        rename(choice);
    }
    let uses = |block: Value<'d>| is_type(block, "tool_use") && named(block);
    let messages = root.get("messages");
    if messages.into_iter().flat_map(Value::elements).flat_map(blocks_of).any(uses) {
        edit_blocks(tree, uses, |block| {
            let kind = match block {
                Tree::Raw(value) => is_type(*value, "tool_use"),
                _ => block
                    .member("type")
                    .and_then(|kind| kind.as_raw())
                    .is_some_and(|kind| kind.is_str("tool_use")),
            };
            if kind {
                rename(block);
            }
            true
        });
    }
    (!names.is_empty()).then_some(names)
}
