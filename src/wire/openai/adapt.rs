//! Changes that make a Responses request fit for the Codex backend.
//!
//! What no rule names keeps its bytes. The instructions are the caller's: none are part of this service.

use bytes::Bytes;

use crate::wire::{
    body::RequestBody,
    json::{Tree, Value},
};

/// Members that the Codex backend refuses.
const REMOVED: [&str; 10] = [
    "temperature",
    "top_p",
    "max_output_tokens",
    "user",
    "text_formatting",
    "truncation",
    "text",
    "service_tier",
    "prompt_cache_retention",
    "safety_identifier",
];

/// The model that the Codex backend knows `model` by: all of `gpt-5-…` but Codex models are `gpt-5`.
pub fn codex_model(model: &str) -> &str {
    let plain = model.starts_with("gpt-5-") && !model.to_lowercase().contains("codex");
    if plain { "gpt-5" } else { model }
}

/// What `model` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Model {
    /// Missing, or `null`, `""`, `0` or `false`.
    Unset,
    /// A name.
    Named(String),
    /// Something that is no text. The legacy service fails on it.
    NoText,
}

impl Model {
    /// Reads a request's model.
    pub fn of(body: Value<'_>) -> Self {
        match body.get_truthy("model") {
            None => Self::Unset,
            Some(value) => {
                value.as_str().map_or(Self::NoText, |text| Self::Named(text.into_owned()))
            }
        }
    }

    /// The name, if it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::Unset | Self::NoText => None,
        }
    }
}

/// What is changed in a client's request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Adaptation<'a> {
    /// The model gets the name that the Codex backend knows.
    pub model: bool,
    /// Members that the backend refuses are left out.
    pub trim: bool,
    /// `instructions`, set over whatever the client sent.
    pub instructions: Option<&'a str>,
}

/// The request adapted; a body that is no object stays, and so does one that needs no change.
pub fn adapted(body: &RequestBody, adaptation: Adaptation<'_>) -> Bytes {
    let root = body.root();
    let named = Model::of(root);
    let model =
        named.name().map(codex_model).filter(|to| adaptation.model && named.name() != Some(to));
    let trimmed = |name: &&str| adaptation.trim && root.get(name).is_some();
    let trim = REMOVED.iter().any(trimmed);
    if !root.is_object() || (model.is_none() && !trim && adaptation.instructions.is_none()) {
        return body.bytes().clone();
    }
    let mut tree = Tree::Raw(root);
    if let Some(model) = model {
        tree.set("model", Tree::string(model));
    }
    if trim {
        REMOVED.iter().for_each(|name| tree.remove(name));
    }
    if let Some(instructions) = adaptation.instructions {
        tree.set("instructions", Tree::string(instructions));
    }
    written(&tree, body)
}

/// The request as the Codex backend gets it: `store` off, or left out for compaction, and its model.
pub fn for_codex(body: &RequestBody, compact: bool) -> Bytes {
    let root = body.root();
    if !root.is_object() {
        return body.bytes().clone();
    }
    let mut tree = Tree::Raw(root);
    let named = Model::of(root);
    if let Some(model) = named.name().map(codex_model).filter(|to| named.name() != Some(to)) {
        tree.set("model", Tree::string(model));
    }
    match (compact, root.get("store").is_some()) {
        (false, _) => tree.set("store", Tree::Text(b"false".to_vec())),
        (true, true) => tree.remove("store"),
        (true, false) => {}
    }
    written(&tree, body)
}

fn written(tree: &Tree<'_>, body: &RequestBody) -> Bytes {
    let mut out = Vec::with_capacity(body.bytes().len() + 64);
    tree.write(&mut out);
    out.into()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn body(text: &'static str) -> RequestBody {
        RequestBody::parse(Bytes::from_static(text.as_bytes())).unwrap()
    }

    #[rstest]
    #[case("gpt-5-mini", "gpt-5")]
    #[case("gpt-5-", "gpt-5")]
    #[case("gpt-5-Codex", "gpt-5-Codex")]
    #[case("gpt-5.5", "gpt-5.5")]
    #[case("GPT-5-mini", "GPT-5-mini")]
    #[case("gpt-5", "gpt-5")]
    fn models_that_the_backend_knows(#[case] asked: &str, #[case] known: &str) {
        assert_eq!(codex_model(asked), known);
    }

    #[test]
    fn adaptation_changes_what_it_names_and_nothing_else() {
        let client = body(
            r#"{ "a":1e2, "text":{}, "model":"gpt-5-mini","instructions":"mine","user":null, "input": [ 1 ] }"#,
        );
        let all = Adaptation { model: true, trim: true, instructions: Some("theirs\n") };
        assert_eq!(
            adapted(&client, all),
            r#"{"a":1e2,"model":"gpt-5","instructions":"theirs\n","input":[ 1 ]}"#
        );
        let none = Adaptation::default();
        assert_eq!(adapted(&client, none), client.bytes());
        let bare = body(r#"{"input":"x"}"#);
        let appended = Adaptation { instructions: Some("i"), ..all };
        assert_eq!(adapted(&bare, appended), r#"{"input":"x","instructions":"i"}"#);
        assert_eq!(adapted(&body("[1]"), all), "[1]");
    }

    #[test]
    fn nothing_is_stored() {
        assert_eq!(for_codex(&body(r#"{"store":true,"a":1}"#), false), r#"{"store":false,"a":1}"#);
        assert_eq!(for_codex(&body(r#"{"a":1}"#), false), r#"{"a":1,"store":false}"#);
        assert_eq!(for_codex(&body(r#"{"store":true,"a":1}"#), true), r#"{"a":1}"#);
        let named = body(r#"{"model":"gpt-5-mini"}"#);
        assert_eq!(for_codex(&named, true), r#"{"model":"gpt-5"}"#);
        assert_eq!(for_codex(&body("[]"), false), "[]");
    }

    #[test]
    fn odd_models_are_told_apart() {
        assert_eq!(Model::of(body(r#"{"model":7}"#).root()), Model::NoText);
        assert_eq!(Model::of(body(r#"{"model":[]}"#).root()), Model::NoText);
        for unset in [r#"{"model":""}"#, r#"{"model":0}"#, r#"{"model":null}"#, "{}", "[]"] {
            assert_eq!(Model::of(body(unset).root()), Model::Unset, "{unset}");
        }
    }
}
