//! Tool calls that nobody answered (body rule 1). Clients that cut a conversation short leave them
//! behind, and the vendor refuses such requests.

use super::body::{blocks_of, is_type, text_block};
use crate::wire::json::{Tree, Value};

const MISSING_RESULT: &str = "[tool_result missing; tool execution interrupted]";

/// Gives every `tool_use` an answer in the next user message with array content.
pub(super) fn answer_orphans<'d>(tree: &mut Tree<'d>, messages: Option<Value<'d>>) {
    let Some(messages) = messages.filter(|m| m.is_array()) else { return };
    let mut open: Vec<Value<'d>> = Vec::new();
    // Position, ids, and whether they go into that message or in a new one before it.
    let mut patches: Vec<(usize, Vec<Value<'d>>, bool)> = Vec::new();
    let mut count = 0;
    for (at, message) in messages.elements().enumerate() {
        count = at + 1;
        if !message.get("content").is_some_and(|content| content.is_array()) {
            continue;
        }
        let role = message.get("role");
        if role.is_some_and(|role| role.is_str("assistant")) {
            if !open.is_empty() {
                patches.push((at, std::mem::take(&mut open), false));
            }
            let uses = blocks_of(message).filter(|block| is_type(*block, "tool_use"));
            open.extend(uses.filter_map(|block| block.get("id")).filter(|id| id.is_string()));
        } else if role.is_some_and(|role| role.is_str("user")) && !open.is_empty() {
            let results = blocks_of(message).filter(|block| is_type(*block, "tool_result"));
            let answered: Vec<_> = results.filter_map(|b| b.get_str("tool_use_id")).collect();
            open.retain(|id| id.as_str().is_some_and(|id| !answered.contains(&id)));
            if !open.is_empty() {
                patches.push((at, std::mem::take(&mut open), true));
            }
        }
    }
    if !open.is_empty() {
        patches.push((count, open, false));
    }
    if patches.is_empty() {
        return;
    }
    let Some(list) = tree.member("messages").and_then(Tree::open_array) else { return };
    for (at, ids, inside) in patches.into_iter().rev() {
        let results = ids.into_iter().map(missing_result);
        if inside {
            let message = list.get_mut(at).and_then(|message| message.member("content"));
            if let Some(content) = message.and_then(Tree::open_array) {
                content.splice(..0, results);
            }
        } else {
            let content = Tree::Array(results.collect());
            list.insert(at, Tree::object([("role", Tree::string("user")), ("content", content)]));
        }
    }
}

fn missing_result(id: Value<'_>) -> Tree<'_> {
    Tree::object([
        ("type", Tree::string("tool_result")),
        ("tool_use_id", Tree::Raw(id)),
        ("is_error", Tree::Text(b"true".to_vec())),
        ("content", Tree::Array(vec![text_block(Tree::string(MISSING_RESULT))])),
    ])
}
