//! A stream of events that arrived where one JSON answer was wanted, gathered into that answer.
//!
//! Meant for bodies that were read whole. What no event tells is not made up: a stream that has no end is
//! a failure.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;

use super::data;
use crate::wire::{
    json::{Doc, Tree, Value},
    sse::data_of,
};

/// Told where a stream ended without a last word.
const NO_END: &str = "The upstream stream ended without a response";

/// What a stream came to.
#[derive(Debug)]
pub enum Gathered {
    /// The response of its last event, as `{"type":"response.completed","response":…}`.
    Answer(Doc),
    /// It came to nothing: `{"error":{…}}`.
    Failed(Doc),
}

/// Items and texts as they are told along the way; some vendors leave them out of the last event.
#[derive(Default)]
struct Along {
    items: BTreeMap<i64, Vec<Doc>>,
    text: String,
}

/// Gathers a body. `None` when it is no stream of events at all.
pub fn gathered(body: &Bytes) -> Option<Gathered> {
    let (mut along, mut any) = (Along::default(), false);
    let (mut response, mut error) = (None, None);
    for line in body.split(|b| *b == b'\n') {
        let Some(data) = data_of(line) else { continue };
        let Ok(doc) = Doc::parse_deep(body.slice_ref(data)) else { continue };
        let event = doc.root();
        any |= event.is_object();
        let kind = event.get_str("type").map(Cow::into_owned);
        match kind.as_deref() {
            Some("response.completed" | "response.incomplete") if has_response(event) => {
                response = Some(doc);
            }
            Some("response.failed") if has_response(event) => {
                error = event.get("response").map(of_error);
            }
            Some("error") => error = Some(of_error(event)),
            _ if event.get_truthy("error").is_some() => error = Some(of_error(event)),
            _ => along.event(event),
        }
    }
    let response = response.as_ref().and_then(|event| event.root().get("response"));
    match response {
        Some(response) if response.get("status").is_some_and(|status| status.is_str("failed")) => {
            Some(Gathered::Failed(of_error(response)))
        }
        Some(response) => Some(Gathered::Answer(along.completed(response))),
        None if any => Some(Gathered::Failed(error.unwrap_or_else(|| of_error_text(NO_END)))),
        None => None,
    }
}

fn has_response(event: Value<'_>) -> bool {
    event.get("response").is_some_and(|response| response.is_object())
}

impl Along {
    fn event(&mut self, event: Value<'_>) {
        match event.get_str("type").as_deref() {
            Some("response.output_item.done") => {
                let Some(item) = event.get("item").filter(|item| item.is_object()) else { return };
                let place = event.get("output_index").and_then(super::image::whole);
                let item = data::of_json(item.raw().to_vec());
                self.items.entry(place.unwrap_or(i64::MAX)).or_default().push(item);
            }
            Some("response.output_text.delta") => {
                self.text.push_str(&event.get_str("delta").unwrap_or_default());
            }
            _ => {}
        }
    }

    /// The response as an event, with its output from here if it has none itself.
    fn completed(&self, response: Value<'_>) -> Doc {
        let told = response.get("output");
        let is_told = told.is_some_and(|told| !told.is_array() || told.elements().next().is_some());
        let mut response = Tree::Raw(response);
        if !is_told {
            response.set("output", Tree::Array(self.output()));
        }
        let event =
            Tree::object([("type", Tree::string("response.completed")), ("response", response)]);
        data::of_json(event.to_json())
    }

    fn output(&self) -> Vec<Tree<'_>> {
        if !self.items.is_empty() {
            return self.items.values().flatten().map(|item| Tree::Raw(item.root())).collect();
        }
        if self.text.is_empty() {
            return Vec::new();
        }
        let text = Tree::object([
            ("type", Tree::string("output_text")),
            ("text", Tree::string(&self.text)),
        ]);
        let message = Tree::object([
            ("type", Tree::string("message")),
            ("role", Tree::string("assistant")),
            ("content", Tree::Array(vec![text])),
        ]);
        vec![message]
    }
}

/// The error that an event, or a failed response, tells: of its member `error`, or its own.
fn of_error(told: Value<'_>) -> Doc {
    let inner = told.get_truthy("error");
    if let Some(text) = inner.filter(|inner| inner.is_string()) {
        return of_error_text(&text.as_str().unwrap_or_default());
    }
    let error = inner.filter(|inner| inner.is_object()).unwrap_or(told);
    let member = |name: &str| error.get_truthy(name).map(Tree::Raw);
    // The type of an event is not that of its error.
    let kind = member("type").filter(|_| inner.is_some());
    let error = Tree::object([
        ("message", member("message").unwrap_or_else(|| Tree::string("Response failed"))),
        ("type", kind.unwrap_or_else(|| Tree::string("server_error"))),
        ("code", member("code").unwrap_or_else(|| Tree::Text(b"null".to_vec()))),
    ]);
    cleaned(&Tree::object([("error", error)]))
}

fn of_error_text(message: &str) -> Doc {
    let error = Tree::object([
        ("message", Tree::string(message)),
        ("type", Tree::string("server_error")),
        ("code", Tree::Text(b"null".to_vec())),
    ]);
    cleaned(&Tree::object([("error", error)]))
}

/// Without the names of providers' own routes.
fn cleaned(error: &Tree<'_>) -> Doc {
    let error = data::of_json(error.to_json());
    data::of_json(data::without_routes(error.root()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::wire::json::stringify;

    fn told(lines: &[&str]) -> Option<(bool, String)> {
        let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let (answered, doc) = match gathered(&text.into())? {
            Gathered::Answer(doc) => (true, doc),
            Gathered::Failed(doc) => (false, doc),
        };
        Some((answered, String::from_utf8(stringify(doc.root())).unwrap()))
    }

    fn answer(response: &str) -> Option<(bool, String)> {
        Some((true, format!(r#"{{"type":"response.completed","response":{response}}}"#)))
    }

    #[test]
    fn the_last_event_is_the_answer() {
        let done = r#"data: {"type":"response.completed","response":{"id":"r","output":[{"type":"message"}],"usage":{"input_tokens":1.0}}}"#;
        let lines = [
            "event: response.created",
            r#"data: {"type":"response.created","response":{"id":"r"}}"#,
            "",
            r#"data:{"type":"response.output_text.delta","delta":"not needed"}"#,
            done,
            "\r",
            "data: [DONE]",
        ];
        let want = r#"{"id":"r","output":[{"type":"message"}],"usage":{"input_tokens":1}}"#;
        assert_eq!(told(&lines), answer(want));
    }

    #[test]
    fn output_that_the_last_event_leaves_out() {
        let done = r#"data: {"type":"response.incomplete","response":{"status":"incomplete","output":[]}}"#;
        let item = |at: i64, id: &str| {
            format!(
                r#"data: {{"type":"response.output_item.done","output_index":{at},"item":{{"id":"{id}"}}}}"#
            )
        };
        let delta = r#"data: {"type":"response.output_text.delta","delta":"Hé"}"#;
        let want = r#"{"status":"incomplete","output":[{"id":"a"},{"id":"b"}]}"#;
        assert_eq!(told(&[&item(1, "b"), delta, &item(0, "a"), done]), answer(want));
        let want = r#"{"status":"incomplete","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"HéHé"}]}]}"#;
        assert_eq!(told(&[delta, delta, done]), answer(want));
        let want = r#"{"status":"incomplete","output":[]}"#;
        assert_eq!(told(&[done]), answer(want));
    }

    #[rstest]
    #[case(
        r#"{"type":"response.failed","response":{"status":"failed","error":{"message":"no [a/b] luck","code":"c"}}}"#,
        r#"{"error":{"message":"no luck","type":"server_error","code":"c"}}"#
    )]
    #[case(
        r#"{"type":"error","message":"boom","code":7}"#,
        r#"{"error":{"message":"boom","type":"server_error","code":7}}"#
    )]
    #[case(
        r#"{"error":{"type":"rate_limit_error","message":"slow"}}"#,
        r#"{"error":{"message":"slow","type":"rate_limit_error","code":null}}"#
    )]
    #[case(
        r#"{"error":"plain"}"#,
        r#"{"error":{"message":"plain","type":"server_error","code":null}}"#
    )]
    #[case(
        r#"{"type":"response.created","response":{"id":"r"}}"#,
        r#"{"error":{"message":"The upstream stream ended without a response","type":"server_error","code":null}}"#
    )]
    #[case(
        r#"{"type":"response.completed","response":null}"#,
        r#"{"error":{"message":"The upstream stream ended without a response","type":"server_error","code":null}}"#
    )]
    fn failures(#[case] event: &str, #[case] want: &str) {
        assert_eq!(told(&[&format!("data: {event}")]), Some((false, want.to_owned())));
    }

    #[rstest]
    #[case("oops")]
    #[case("")]
    #[case("data: not json")]
    #[case("data: 5")]
    fn texts_are_no_streams(#[case] text: &str) {
        assert_eq!(told(&[text]), None);
    }
}
