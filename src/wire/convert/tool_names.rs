//! Names of tools in the length that the Responses API takes, and back (`src/services/codexToOpenAI.js`).
//!
//! A name of more than 64 UTF-16 units is cut: of `mcp__server__tool` the server goes first. Names that
//! would then be alike get `_1`, `_2`, … The legacy service looks names up in plain JavaScript objects and
//! so loses those that every object has (`constructor`); here they stay.

use std::collections::{HashMap, HashSet};

use super::{
    ConvertError::{self, Shape},
    js,
};
use crate::wire::json::{Value, from_units, units};

/// Longest name, in UTF-16 units.
const LIMIT: usize = 64;

/// A text in UTF-16 units.
type Units = Vec<u16>;

const NO_TEXT: ConvertError = Shape("the name of a tool is no text");

/// The tools of one request.
#[derive(Clone, Debug, Default)]
pub struct ToolNames {
    /// What the vendor is told, as JSON.
    short: HashMap<Units, Vec<u8>>,
    /// What the client calls it, where that differs.
    long: HashMap<Units, Units>,
}

impl ToolNames {
    /// Of all names in the order in which they occur.
    ///
    /// # Errors
    /// When one is neither text nor list.
    pub(super) fn of<'d>(names: impl Iterator<Item = Value<'d>>) -> Result<Self, ConvertError> {
        let mut known = Self::default();
        let (mut seen, mut used) = (HashSet::new(), HashSet::new());
        for name in names {
            if !name.is_string() {
                // Taken as it is; the name under which it is found is its text.
                let key = key(name)?;
                known.short.insert(key.clone(), plain_short(name)?);
                known.long.insert(key.clone(), key);
                continue;
            }
            let long = units(name.raw());
            if !seen.insert(long.clone()) {
                continue;
            }
            let short = unique(cut(&long), &used);
            used.insert(short.clone());
            known.short.insert(long.clone(), from_units(&short));
            if short != long {
                known.long.insert(short, long);
            }
        }
        Ok(known)
    }

    /// What the vendor is told, as JSON: the name's own short form, or for a name of no tool the plain one.
    ///
    /// # Errors
    /// When it is neither text nor list.
    pub(super) fn short(&self, name: Value<'_>) -> Result<Vec<u8>, ConvertError> {
        if !name.truthy() {
            return Ok(name.raw().to_vec());
        }
        match self.short.get(&key(name)?) {
            Some(short) => Ok(short.clone()),
            None => plain_short(name),
        }
    }

    /// What the client calls a tool that the vendor names, as JSON.
    pub(super) fn long(&self, name: Value<'_>) -> Vec<u8> {
        let known = key(name).ok().and_then(|key| self.long.get(&key));
        known.map_or_else(|| js::plain(name), |long| from_units(long))
    }
}

/// The short form without regard to other names, as JSON.
///
/// # Errors
/// When the name is neither text nor list.
pub(super) fn plain_short(name: Value<'_>) -> Result<Vec<u8>, ConvertError> {
    if !name.truthy() {
        return Ok(name.raw().to_vec());
    }
    if name.is_string() {
        return Ok(from_units(&cut(&units(name.raw()))));
    }
    // JavaScript asks for a length and nothing else.
    let length = match name.is_array() {
        true => Some(name.elements().count() as f64),
        false => name.get("length").map(js::number),
    };
    match length {
        Some(length) if length <= LIMIT as f64 => Ok(name.raw().to_vec()),
        _ => Err(NO_TEXT),
    }
}

/// The text under which JavaScript's objects keep a value.
fn key(name: Value<'_>) -> Result<Units, ConvertError> {
    match name.is_string() {
        true => Ok(units(name.raw())),
        false => Ok(js::primitive(name)?.encode_utf16().collect()),
    }
}

fn cut(name: &[u16]) -> Units {
    let prefix: Units = "mcp__".encode_utf16().collect();
    let limited = |name: &[u16]| name.get(..LIMIT).unwrap_or(name).to_vec();
    if name.len() <= LIMIT || !name.starts_with(&prefix) {
        return limited(name);
    }
    let mark = u16::from(b'_');
    let last = name.windows(2).rposition(|pair| pair == [mark, mark]);
    let tool = last.and_then(|last| name.get(last + 2..)).unwrap_or_default();
    limited(&[&prefix, tool].concat())
}

fn unique(name: Units, used: &HashSet<Units>) -> Units {
    if !used.contains(&name) {
        return name;
    }
    // As many names as there are can be taken.
    let tries = 1..=used.len() + 1;
    let numbered = tries.map(|number| {
        let suffix: Units = format!("_{number}").encode_utf16().collect();
        let room = LIMIT.saturating_sub(suffix.len());
        [name.get(..room).unwrap_or(&name), &suffix].concat()
    });
    let mut free = numbered.filter(|name| !used.contains(name));
    free.next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::json::Doc;

    fn shortened(names: &[&str]) -> (Vec<String>, Vec<String>) {
        let doc = Doc::parse(json!(names).to_string().into()).unwrap();
        let known = ToolNames::of(doc.root().elements()).unwrap();
        let short: Vec<Vec<u8>> =
            doc.root().elements().map(|name| known.short(name).unwrap()).collect();
        let back = short.iter().map(|short| {
            let doc = Doc::parse(short.clone().into()).unwrap();
            known.long(doc.root())
        });
        let text = |json: Vec<u8>| serde_json::from_slice(&json).unwrap();
        (short.iter().cloned().map(text).collect(), back.map(text).collect())
    }

    #[test]
    fn every_tool_has_its_own_short_name_and_gets_its_long_one_back() {
        let (server, tool) = ("s".repeat(60), "t".repeat(70));
        let names = [
            format!("mcp__{server}__search"),
            format!("mcp__other{server}__search"),
            "mcp__search".to_owned(),
            format!("mcp__{server}__{tool}"),
            tool.clone(),
            format!("{tool}x"),
            tool[..64].to_owned(),
            format!("mcp__{server}"),
            "constructor".to_owned(),
            "__proto__".to_owned(),
            format!("{}😀b", "e".repeat(62)),
        ];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (short, back) = shortened(&names);
        assert_eq!(back, names);
        assert_eq!(short[..3], ["mcp__search", "mcp__search_1", "mcp__search_2"]);
        assert_eq!(short[5], format!("{}_1", &tool[..62]));
        assert_eq!(short[7], format!("mcp__{server}")[..64].to_owned());
        let longest = short.iter().map(|name| name.encode_utf16().count()).max();
        assert_eq!(longest, Some(LIMIT));
    }
}
