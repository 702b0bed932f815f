//! Forms (`a=1&b[c]=2&d[]=3`) as JSON objects, by the nesting rules of the legacy parser.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{body::BodyRefusal, path::query_text};

/// Most parameters in one form.
const MAX_PARAMETERS: usize = 1000;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;

/// The form as JSON text.
///
/// # Errors
/// When it has too many parameters or nests too deep.
pub fn to_json(form: &str) -> Result<Bytes, BodyRefusal> {
    let pairs: Vec<&str> = form.split('&').collect();
    if pairs.len() > MAX_PARAMETERS {
        return Err(BodyRefusal::TooManyParameters);
    }
    let mut root = Map::new();
    for pair in pairs.into_iter().filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let path = segments(&query_text(name));
        if path.len() > MAX_DEPTH + 1 {
            return Err(BodyRefusal::Malformed("The input exceeded the depth".into()));
        }
        let Some((first, rest)) = path.split_first() else { continue };
        if first.is_empty() {
            continue;
        }
        let slot = root.entry(first.clone()).or_insert(Value::Null);
        put(slot, rest, Value::String(query_text(value)));
    }
    Ok(Bytes::from(Value::Object(root).to_string()))
}

/// `a[b][]` is `a`, `b` and an empty segment.
fn segments(name: &str) -> Vec<String> {
    let Some(open) = name.find('[').filter(|_| name.contains(']')) else {
        return vec![name.to_owned()];
    };
    let (head, mut rest) = name.split_at(open);
    let mut path = vec![head.to_owned()];
    while let Some(inner) = rest.strip_prefix('[') {
        let Some((segment, tail)) = inner.split_once(']') else { break };
        path.push(segment.to_owned());
        rest = tail;
    }
    path
}

fn put(slot: &mut Value, path: &[String], value: Value) {
    let Some((segment, rest)) = path.split_first() else {
        match slot {
            Value::Null => *slot = value,
            Value::Array(items) => items.push(value),
            other => *other = Value::Array(vec![other.take(), value]),
        }
        return;
    };
    let index = segment.parse::<usize>().ok();
    match slot {
        Value::Null if segment.is_empty() || index.is_some() => *slot = Value::Array(Vec::new()),
        Value::Null => *slot = Value::Object(Map::new()),
        _ => {}
    }
    match slot {
        Value::Array(items) => {
            // Holes close up: an index only orders what the form holds.
            let at = index.filter(|at| *at < items.len()).unwrap_or_else(|| {
                items.push(Value::Null);
                items.len() - 1
            });
            if let Some(item) = items.get_mut(at) {
                put(item, rest, value);
            }
        }
        Value::Object(members) => {
            put(members.entry(segment.clone()).or_insert(Value::Null), rest, value);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a=1&a=2", r#"{"a":["1","2"]}"#)]
    #[case(
        "m[0][role]=user&m[0][content]=hi&n[]=x",
        r#"{"m":[{"role":"user","content":"hi"}],"n":["x"]}"#
    )]
    #[case("a%5Bb%5D=c%20d", r#"{"a":{"b":"c d"}}"#)]
    #[case("a&=x&", r#"{"a":""}"#)]
    fn nesting(#[case] form: &str, #[case] json: &str) {
        assert_eq!(to_json(form), Ok(Bytes::copy_from_slice(json.as_bytes())));
    }

    #[test]
    fn too_many_parameters() {
        assert_eq!(to_json(&"a&".repeat(1000)), Err(BodyRefusal::TooManyParameters));
    }
}
