//! Rules of an API key that set values in request bodies (`contract/auth-limits-usage.md §8`,
//! `src/services/requestBodyRuleService.js`).
//!
//! Pure. Which requests they apply to is the caller's business; what no rule names keeps its bytes.
//! Beyond the legacy service an index is bounded: it fills the gap before the index with nulls, and an
//! index of a billion ends it.

use bytes::Bytes;
use thiserror::Error;

use super::json::{Doc, JsonError, Kind, Tree, Value, encode, format_js_number, stringify};

/// Largest index of a path.
const MAX_INDEX: usize = 100_000;
/// Lists in lists that are still spelled out where a text is wanted.
const WORDS_DEPTH: usize = 32;
/// A name that JavaScript does not store as a member.
const PROTOTYPE: &str = "__proto__";

/// Rules that were read and found valid, in order.
#[derive(Debug, Default)]
pub struct BodyRules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    path: String,
    /// What is set, as JSON.
    value: Doc,
}

/// Why rules cannot be used; the texts are the legacy service's. It answers such requests with 500.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RuleError {
    /// The rules are no list.
    #[error("Payload rules must be an array")]
    NotAList,
    /// One of them is no object; counted from one.
    #[error("Payload rule #{0} must be an object")]
    NotAnObject(usize),
    /// One of them names no known type.
    #[error("Payload rule #{0} has invalid valueType")]
    ValueType(usize),
    /// One of them has a path or value that cannot be used.
    #[error("Payload rule #{0}: {1}")]
    Rule(usize, String),
}

/// A rule as written down.
struct Written {
    path: String,
    value_type: String,
    value: String,
}

impl BodyRules {
    /// Reads rules as an admin hands them in; `null` is none. Rules without a path are dropped.
    ///
    /// # Errors
    /// When they are not valid.
    pub fn read(rules: Value<'_>) -> Result<Self, RuleError> {
        if rules.kind() == Kind::Null {
            return Ok(Self::default());
        }
        if !rules.is_array() {
            return Err(RuleError::NotAList);
        }
        let mut read = Vec::new();
        for (at, rule) in rules.elements().enumerate() {
            if !rule.is_object() {
                return Err(RuleError::NotAnObject(at + 1));
            }
            if let Some(written) = Written::read(rule) {
                read.push(written.check(at + 1)?);
            }
        }
        Ok(Self(read))
    }

    /// Reads the `openaiResponsesPayloadRules` of a key's record. What is unreadable or no rule at all
    /// counts as none.
    ///
    /// # Errors
    /// When a rule is not valid.
    pub fn stored(text: &str) -> Result<Self, RuleError> {
        let Ok(doc) = Doc::parse_deep(Bytes::copy_from_slice(text.as_bytes())) else {
            return Ok(Self::default());
        };
        let objects = doc.root().elements().filter(|rule| rule.is_object());
        let written = objects.filter_map(Written::read);
        let checked = written.enumerate().map(|(at, written)| written.check(at + 1));
        checked.collect::<Result<Vec<_>, _>>().map(Self)
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The body with all values set; a body that is no object stays.
    ///
    /// # Errors
    /// When the body is not JSON.
    pub fn apply(&self, body: &Bytes) -> Result<Bytes, JsonError> {
        // Members at every depth are needed: what is opened is written anew from its members.
        let doc = Doc::parse_deep(body.clone())?;
        if self.is_empty() || !doc.root().is_object() {
            return Ok(body.clone());
        }
        let mut tree = Tree::Raw(doc.root());
        for rule in &self.0 {
            let segments: Vec<&str> = rule.path.split('.').collect();
            put(&mut tree, &segments, Tree::Raw(rule.value.root()));
        }
        let mut out = Vec::with_capacity(body.len() + 64);
        tree.write(&mut out);
        Ok(out.into())
    }
}

impl Written {
    /// `None` without a path.
    fn read(rule: Value<'_>) -> Option<Self> {
        let text = |name| rule.get_str(name).map(|text| js::trim(&text).to_owned());
        let value = rule.get("value").filter(|value| value.kind() != Kind::Null);
        Some(Self {
            path: text("path").filter(|path| !path.is_empty())?,
            value_type: text("valueType").unwrap_or_default().to_lowercase(),
            value: value.map(|value| in_words(value)).unwrap_or_default(),
        })
    }

    fn check(self, number: usize) -> Result<Rule, RuleError> {
        let wrong = |text: &str| Err(RuleError::Rule(number, text.to_owned()));
        if self.path.split('.').any(|segment| js::trim(segment).is_empty()) {
            return wrong("Rule path cannot contain empty segments");
        }
        if self.path.split('.').filter_map(index).any(|index| index > MAX_INDEX) {
            return wrong(&format!("Rule path \"{}\" has too large an index", self.path));
        }
        let json = match self.value_type.as_str() {
            "string" | "number" | "boolean" | "json" if self.value.is_empty() => Some(quoted("")),
            "string" => Some(quoted(&self.value)),
            "number" => js_number(&self.value).map(|number| format_js_number(number).into_bytes()),
            "boolean" => match js::trim(&self.value).to_lowercase().as_str() {
                truth @ ("true" | "false") => Some(truth.as_bytes().to_vec()),
                _ => None,
            },
            "json" => {
                let text = Bytes::copy_from_slice(self.value.as_bytes());
                Doc::parse_deep(text).ok().map(|doc| stringify(doc.root()))
            }
            _ => return Err(RuleError::ValueType(number)),
        };
        let value = json.and_then(|json| Doc::parse_deep(json.into()).ok());
        let Some(value) = value else {
            let expected = match self.value_type.as_str() {
                "number" => "a valid number",
                "boolean" => "\"true\" or \"false\"",
                _ => "valid JSON",
            };
            return wrong(&format!("Rule path \"{}\" expects {expected}", self.path));
        };
        Ok(Rule { path: self.path, value })
    }
}

/// Sets a value behind a path; whatever is in the way becomes a list or an object.
fn put<'d>(node: &mut Tree<'d>, path: &[&str], value: Tree<'d>) {
    let Some((segment, rest)) = path.split_first() else {
        *node = value;
        return;
    };
    if let Some(index) = index(segment) {
        if node.kind() != Kind::Array {
            *node = Tree::Array(Vec::new());
        }
        let Some(elements) = node.open_array() else { return };
        while elements.len() <= index {
            elements.push(Tree::Text(b"null".to_vec()));
        }
        if let Some(element) = elements.get_mut(index) {
            put(element, rest, value);
        }
        return;
    }
    if node.kind() != Kind::Object {
        *node = Tree::Object(Vec::new());
    }
    if node.member(segment).is_none() {
        if *segment == PROTOTYPE {
            return;
        }
        node.set(segment, Tree::Text(b"null".to_vec()));
    }
    if let Some(member) = node.member(segment) {
        put(member, rest, value);
    }
}

/// A segment of digits is an index.
fn index(segment: &str) -> Option<usize> {
    let digits = !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| segment.parse().unwrap_or(usize::MAX))
}

/// `String(value)`: lists are joined by commas.
pub fn in_words(value: Value<'_>) -> String {
    words(value, WORDS_DEPTH)
}

fn words(value: Value<'_>, depth: usize) -> String {
    match depth.checked_sub(1) {
        Some(depth) if value.is_array() => {
            value.elements().map(|item| words(item, depth)).collect::<Vec<_>>().join(",")
        }
        _ => value.to_js_text().into_owned(),
    }
}

fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    encode(text, &mut out);
    out
}

/// `Number(text)`; `None` where it is not finite.
pub(super) fn js_number(text: &str) -> Option<f64> {
    js::parse_number(text).filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc(text: &[u8]) -> Doc {
        Doc::parse_deep(Bytes::copy_from_slice(text)).unwrap()
    }

    /// What the legacy service made of these bodies and rules.
    #[test]
    fn vectors() {
        let rows = doc(include_bytes!("fixtures/body-rules.json"));
        let mut seen = 0;
        for row in rows.root().elements() {
            let input = row.get("input").unwrap();
            let (body, rules) = (input.get("body").unwrap(), input.get("rules").unwrap());
            let shown = String::from_utf8_lossy(input.raw()).into_owned();
            // Rules are not even looked at for other bodies.
            let read =
                if body.is_object() { BodyRules::read(rules) } else { Ok(BodyRules::default()) };
            match (read, row.get_str("error")) {
                (Ok(rules), None) => {
                    let text = Bytes::copy_from_slice(body.raw());
                    let made = doc(&rules.apply(&text).unwrap());
                    let expected = row.get("expected").unwrap();
                    let value = |value: Value<'_>| -> serde_json::Value {
                        serde_json::from_slice(&stringify(value)).unwrap()
                    };
                    assert_eq!(value(made.root()), value(expected), "{shown}");
                }
                (Err(error), Some(expected)) => assert_eq!(error.to_string(), expected, "{shown}"),
                (read, expected) => panic!("{shown}: {read:?}, legacy: {expected:?}"),
            }
            seen += 1;
        }
        assert!(seen > 75);
    }

    #[test]
    fn what_no_rule_names_keeps_its_bytes() {
        let rules =
            BodyRules::stored(r#"[{"path":"b","valueType":"number","value":"2"}]"#).unwrap();
        let deep = r#"[[[[[[[[[[{"x":1}]]]]]]]]]]"#;
        let body = format!(r#"{{ "a" : 1.0 , "b":1, "c":"\u00e4", "d": {deep} }}"#);
        let made = rules.apply(&Bytes::from(body)).unwrap();
        assert_eq!(made, format!(r#"{{"a":1.0,"b":2,"c":"\u00e4","d":{deep}}}"#));
        let deeper = r#"[{"path":"d.0.0.0.0.0.0.0.0.0.1","valueType":"json","value":"2"}]"#;
        let made = BodyRules::stored(deeper).unwrap().apply(&made).unwrap();
        let made = String::from_utf8_lossy(&made);
        assert!(made.ends_with(r#""d":[[[[[[[[[[{"x":1},2]]]]]]]]]]}"#), "{made}");
    }

    #[test]
    fn stored_rules_that_are_none_are_left_out() {
        for text in ["", "{broken", "{}", "7", "[null,3,[],{},{\"path\":\" \"}]"] {
            assert!(BodyRules::stored(text).unwrap().is_empty(), "{text}");
        }
        let error = BodyRules::stored(r#"[null,{"path":"a","valueType":"date"}]"#).unwrap_err();
        assert_eq!(error, RuleError::ValueType(1));
    }

    #[test]
    fn an_index_is_bounded() {
        let rules = r#"[{"path":"a.4000000000","valueType":"number","value":"1"}]"#;
        let error = BodyRules::stored(rules).unwrap_err().to_string();
        assert_eq!(error, "Payload rule #1: Rule path \"a.4000000000\" has too large an index");
    }
}
