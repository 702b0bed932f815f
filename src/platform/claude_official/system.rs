//! The `system` field on its way through the body rules (3, 4, 6, 7 and 8).

use super::body::{has_ttl, member_is_truthy, strip_ttl, text_block};
use crate::wire::json::{self, Tree, Value};

/// What Claude Code's system prompt begins with.
pub const SYSTEM_LINE: &str = "You are Claude Code, Anthropic's official CLI for Claude.";
const BILLING_HEADER: &str = "x-anthropic-billing-header";

/// `system` on its way through the rules.
pub(super) enum System<'d> {
    Missing,
    /// Anything but an array.
    Other(Value<'d>),
    Blocks {
        blocks: Vec<Tree<'d>>,
        changed: bool,
    },
    /// Claude Code's line as a string.
    Line,
    Removed,
}

impl<'d> System<'d> {
    pub(super) fn of(value: Option<Value<'d>>) -> Self {
        match value {
            None => Self::Missing,
            Some(value) if value.is_array() => {
                Self::Blocks { blocks: value.elements().map(Tree::Raw).collect(), changed: false }
            }
            Some(value) => Self::Other(value),
        }
    }

    /// Rule 3.
    pub(super) fn strip_ttl(&mut self) {
        let Self::Blocks { blocks, changed } = self else { return };
        for block in blocks.iter_mut().filter(|b| b.as_raw().is_some_and(has_ttl)) {
            strip_ttl(block);
            *changed = true;
        }
    }

    /// Rule 4: the client's system text, as the inside of a JSON string.
    pub(super) fn text(&self) -> Vec<u8> {
        match self {
            Self::Other(value) if value.is_string() => json::inner(value.raw()).to_vec(),
            Self::Blocks { blocks, .. } => {
                let texts = blocks.iter().filter_map(|block| {
                    let kind = raw_member(block, "type")?;
                    let text = raw_member(block, "text").filter(|text| text.truthy())?;
                    kind.is_str("text").then(|| match text.is_string() {
                        true => json::inner(text.raw()).to_vec(),
                        false => {
                            let mut token = Vec::new();
                            json::encode(&text.to_js_text(), &mut token);
                            json::inner(&token).to_vec()
                        }
                    })
                });
                texts.collect::<Vec<_>>().join(&b"\\n\\n"[..])
            }
            _ => Vec::new(),
        }
    }

    /// Rule 6.
    pub(super) fn drop_billing_header(&mut self) {
        let billing = |value: Value<'_>| {
            value.as_str().is_some_and(|text| js::trim(&text).starts_with(BILLING_HEADER))
        };
        match self {
            Self::Other(value) if billing(*value) => *self = Self::Removed,
            Self::Blocks { blocks, changed } => {
                let before = blocks.len();
                blocks.retain(|block| {
                    let text = raw_member(block, "type").is_some_and(|kind| kind.is_str("text"));
                    !(text && raw_member(block, "text").is_some_and(billing))
                });
                *changed |= blocks.len() != before;
            }
            _ => {}
        }
    }

    pub(super) fn cache_marks(&self) -> usize {
        match self {
            Self::Blocks { blocks, .. } => {
                blocks.iter().filter(|block| member_is_truthy(block, "cache_control")).count()
            }
            _ => 0,
        }
    }

    pub(super) fn drop_cache_marks(&mut self, count: usize) {
        let Self::Blocks { blocks, changed } = self else { return };
        let cached = blocks.iter_mut().filter(|block| member_is_truthy(block, "cache_control"));
        for block in cached.take(count) {
            block.remove("cache_control");
            *changed = true;
        }
    }

    /// Rule 8.
    pub(super) fn apply_configured(&mut self, prompt: Option<&str>) {
        let Some(prompt) = prompt.filter(|prompt| !js::trim(prompt).is_empty()) else {
            if let Self::Blocks { blocks, .. } = self
                && !blocks.iter().any(has_text)
            {
                *self = Self::Removed;
            }
            return;
        };
        let added = text_block(Tree::string(prompt));
        match self {
            Self::Blocks { blocks, changed } => {
                let known = |b: &Tree<'_>| raw_member(b, "text").is_some_and(|t| t.is_str(prompt));
                if !blocks.iter().any(known) {
                    blocks.push(added);
                    *changed = true;
                }
            }
            _ => *self = Self::Blocks { blocks: vec![added], changed: true },
        }
    }

    pub(super) fn store(self, tree: &mut Tree<'d>, original: Option<Value<'d>>) {
        match self {
            Self::Missing | Self::Other(_) | Self::Blocks { changed: false, .. } => {}
            Self::Blocks { blocks, .. } => tree.set("system", Tree::Array(blocks)),
            Self::Line if original.is_some_and(|system| system.is_str(SYSTEM_LINE)) => {}
            Self::Line => tree.set("system", Tree::string(SYSTEM_LINE)),
            Self::Removed => tree.remove("system"),
        }
    }
}

/// Member of a block whose other members an earlier rule may have changed.
fn raw_member<'d>(block: &Tree<'d>, name: &str) -> Option<Value<'d>> {
    match block {
        Tree::Raw(value) => value.get(name),
        _ => block.opened_member(name)?.as_raw(),
    }
}

fn has_text(block: &Tree<'_>) -> bool {
    raw_member(block, "text").filter(|text| text.truthy()).is_some_and(|text| match text.as_str() {
        Some(text) => !js::trim(&text).is_empty(),
        None => true,
    })
}
