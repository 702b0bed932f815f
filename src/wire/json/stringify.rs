//! `JSON.stringify(JSON.parse(text))`, byte for byte.
//!
//! The legacy service sends parsed JSON back to clients this way; entity tags and lengths depend on
//! the exact bytes.

use std::{borrow::Cow, collections::HashMap};

use bytes::Bytes;

use super::{
    Doc, JsonError, Value,
    doc::Kind,
    number::{format_js_number, parse},
    text,
};

/// Containers deeper than this are copied as they stand.
const MAX_DEPTH: usize = 256;

/// So many members of an object are looked through one by one for a name that came before.
const LOOKED_THROUGH: usize = 16;

/// Rewrites JSON as JavaScript would: no whitespace, shortest numbers, one member per key (the last
/// value in the first one's place), integer-like keys first, minimal escapes.
pub fn restringify(text: Bytes) -> Result<Vec<u8>, JsonError> {
    Ok(stringify(Doc::parse_deep(text)?.root()))
}

/// [`restringify`] of a value whose document is indexed at every level ([`Doc::parse_deep`]).
pub fn stringify(value: Value<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.raw().len());
    write(value, 0, &mut out);
    out
}

fn write(value: Value<'_>, depth: usize, out: &mut Vec<u8>) {
    match value.kind() {
        Kind::Number => out.extend_from_slice(format_js_number(parse(value.raw())).as_bytes()),
        Kind::String => text::canonical(value.raw(), out),
        Kind::Array if depth < MAX_DEPTH => {
            out.push(b'[');
            for (i, element) in value.elements().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(element, depth + 1, out);
            }
            out.push(b']');
        }
        Kind::Object if depth < MAX_DEPTH => {
            out.push(b'{');
            for (i, (name, member)) in members(value).into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(&name);
                out.push(b':');
                write(member, depth + 1, out);
            }
            out.push(b'}');
        }
        _ => out.extend_from_slice(value.raw()),
    }
}

/// A member's name in canonical spelling, and its value.
type Member<'d> = (Cow<'d, [u8]>, Value<'d>);

/// Members as a JavaScript object enumerates them.
fn members(object: Value<'_>) -> Vec<Member<'_>> {
    let mut members: Vec<Member<'_>> = Vec::new();
    // Filled only once there are too many members to look through.
    let mut places = HashMap::new();
    let mut indices = 0;
    for (name, value) in object.members() {
        let token = text::canonical_name(name.raw());
        if members.len() == LOOKED_THROUGH {
            places.extend(members.iter().enumerate().map(|(at, (token, _))| (token.clone(), at)));
        }
        let place = if members.len() < LOOKED_THROUGH {
            members.iter().position(|(known, _)| *known == token)
        } else {
            places.get(&token).copied()
        };
        if let Some(slot) = place.and_then(|place| members.get_mut(place)) {
            slot.1 = value;
            continue;
        }
        if members.len() >= LOOKED_THROUGH {
            places.insert(token.clone(), members.len());
        }
        indices += usize::from(array_index(&token).is_some());
        members.push((token, value));
    }
    if indices > 0 {
        members.sort_by_key(|(token, _)| array_index(token).map_or(u64::MAX, u64::from));
    }
    members
}

/// The number of a key that JavaScript treats as an array index (canonical decimal below 2^32 − 1).
fn array_index(token: &[u8]) -> Option<u32> {
    let digits = text::inner(token);
    if !digits.first()?.is_ascii_digit() {
        return None;
    }
    let digits = std::str::from_utf8(digits).ok()?;
    let index: u32 = digits.parse().ok().filter(|index| *index < u32::MAX)?;
    (index.to_string() == digits).then_some(index)
}
