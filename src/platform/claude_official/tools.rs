//! Tool names on their way to the vendor and back.

use std::collections::HashMap;

use bytes::Bytes;

use crate::wire::{
    json::{Doc, Kind, Tree, restringify},
    sse::data_of,
};

/// How tool names are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolNaming<'a> {
    /// `get_weather` becomes `GetWeather_tool`.
    Pascal,
    /// `get_weather` becomes `get_weather_<suffix>`; used after the vendor refused the first form.
    Suffixed(&'a str),
}

/// Changed tool names of one request, to change them back in its reply.
#[derive(Clone, Debug, Default)]
pub struct ToolNames {
    forward: HashMap<String, String>,
    original: HashMap<String, String>,
}

impl ToolNaming<'_> {
    fn rename(self, name: &str) -> String {
        match self {
            Self::Pascal => pascal(name),
            Self::Suffixed(suffix) => format!("{name}_{suffix}"),
        }
    }
}

impl ToolNames {
    /// New name of a tool; `None` when it stays.
    pub(super) fn rename(&mut self, name: &str, naming: ToolNaming<'_>) -> Option<String> {
        if name.is_empty() {
            return None;
        }
        if let Some(known) = self.forward.get(name) {
            return Some(known.clone());
        }
        let renamed = naming.rename(name);
        (renamed != name).then(|| {
            self.note(name, &renamed);
            renamed
        })
    }

    pub(super) fn note(&mut self, original: &str, renamed: &str) {
        self.forward.insert(original.to_owned(), renamed.to_owned());
        self.original.insert(renamed.to_owned(), original.to_owned());
    }

    /// Whether no name was changed.
    pub fn is_empty(&self) -> bool {
        self.original.is_empty()
    }

    /// A plain reply with the client's names. Rewritten as the legacy service writes JSON; a body that
    /// is not JSON stays.
    pub fn restore_body(&self, body: Bytes) -> Bytes {
        if self.is_empty() {
            return body;
        }
        let Ok(doc) = Doc::parse(body.clone()) else { return body };
        let mut tree = Tree::Raw(doc.root());
        self.restore_blocks(tree.member("content"));
        self.restore_blocks(tree.member("message").and_then(|message| message.member("content")));
        written(&tree).map(Bytes::from).unwrap_or(body)
    }

    /// A stream line (without newline) with the client's names; `None` when it passes as it is.
    /// Every `data:` line that holds JSON is rewritten, changed or not, as the legacy service does.
    pub fn restore_line(&self, line: &[u8]) -> Option<Vec<u8>> {
        let data = data_of(line).filter(|_| !self.is_empty())?;
        let doc = Doc::parse(Bytes::copy_from_slice(data)).ok()?;
        let mut tree = Tree::Raw(doc.root());
        for part in ["content_block", "delta"] {
            if let Some(block) = tree.member(part) {
                self.restore_block(block);
            }
        }
        self.restore_blocks(tree.member("message").and_then(|message| message.member("content")));
        self.restore_blocks(tree.member("content"));
        let mut out = b"data: ".to_vec();
        out.extend_from_slice(&written(&tree)?);
        Some(out)
    }

    fn restore_blocks(&self, content: Option<&mut Tree<'_>>) {
        for block in content.and_then(Tree::open_array).into_iter().flatten() {
            self.restore_block(block);
        }
    }

    fn restore_block(&self, block: &mut Tree<'_>) {
        let Some(value) = block.as_raw().filter(|b| b.kind() == Kind::Object) else { return };
        if !value.get("type").is_some_and(|kind| kind.is_str("tool_use")) {
            return;
        }
        let name = value.get_str("name").and_then(|name| self.original.get(name.as_ref()));
        if let Some(name) = name {
            block.set("name", Tree::string(name));
        }
    }
}

fn written(tree: &Tree<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    tree.write(&mut out);
    restringify(Bytes::from(out)).ok()
}

fn pascal(name: &str) -> String {
    let parts: Vec<&str> = name.split(['_', '-']).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return name.to_owned();
    }
    let mut out = String::with_capacity(name.len() + 5);
    for part in parts {
        let mut rest = part.chars();
        match rest.next() {
            // JavaScript capitalises UTF-16 units, so letters beyond the BMP stay.
            Some(first) if first.len_utf16() == 1 => out.extend(first.to_uppercase()),
            Some(first) => out.push(first),
            None => {}
        }
        out.push_str(&rest.as_str().to_lowercase());
    }
    out.push_str("_tool");
    out
}
