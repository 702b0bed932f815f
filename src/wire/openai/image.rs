//! Pictures out of a Responses stream, as the answer of the images endpoint
//! (`contract/openai-azure-droid.md §3.1`).

use std::collections::BTreeMap;

use bytes::Bytes;

use super::usage::{self, Counts, Reading};
use crate::wire::{
    json::{Doc, Tree, Value, stringify},
    sse::data_of,
};

/// What of the tool that drew them is told along with pictures.
const TOLD: [&str; 4] = ["size", "quality", "background", "output_format"];

/// Collects pictures from a stream's lines.
#[derive(Debug, Default)]
pub struct ImageTap {
    /// The largest text of each picture so far, base64.
    pictures: BTreeMap<i64, String>,
    /// The tool that drew them.
    tool: Option<Doc>,
    model: Option<String>,
    counts: Option<Counts>,
}

impl ImageTap {
    /// Looks at one line, without its newline.
    pub fn line(&mut self, line: &[u8]) {
        let wanted = |needle: &[u8]| memchr::memmem::find(line, needle).is_some();
        let Some(data) = data_of(line) else { return };
        if !(wanted(b"partial_image_b64") || wanted(b"response.completed") || wanted(b"\\u")) {
            return;
        }
        let Ok(doc) = Doc::parse(Bytes::copy_from_slice(data)) else { return };
        let event = doc.root();
        if let Some(picture) = event.get_str("partial_image_b64") {
            let index = event.get("partial_image_index").and_then(whole).unwrap_or(0);
            let best = self.pictures.entry(index).or_default();
            if picture.len() >= best.len() {
                *best = picture.into_owned();
            }
        }
        let completed = event.get("type").is_some_and(|kind| kind.is_str("response.completed"));
        if let Some(response) = event.get_truthy("response").filter(|_| completed) {
            self.completed(response);
        }
    }

    fn completed(&mut self, response: Value<'_>) {
        let tool = response.get("tools").and_then(|tools| tools.elements().next());
        if let Some(tool) = tool.filter(|tool| tool.truthy()) {
            self.tool = Doc::parse_deep(Bytes::copy_from_slice(tool.raw())).ok();
        }
        if let Some(model) = response.get_truthy("model") {
            self.model = Some(model.to_js_text().into_owned());
        }
        if let Some(usage) = response.get_truthy("usage") {
            self.counts = Some(usage::read(usage, Reading::CODEX_STREAM));
        }
    }

    /// The answer, once the stream has ended; `None` without a picture.
    pub fn answer(&self, created_s: i64) -> Option<Bytes> {
        if self.pictures.is_empty() {
            return None;
        }
        let pictures = self.pictures.values();
        let data = pictures.map(|text| Tree::object([("b64_json", Tree::string(text))]));
        let mut answer = Tree::object([
            ("created", Tree::Text(created_s.to_string().into_bytes())),
            ("data", Tree::Array(data.collect())),
        ]);
        for name in TOLD {
            let told = self.tool.as_ref().and_then(|tool| tool.root().get(name));
            if let Some(told) = told {
                answer.set(name, Tree::Text(stringify(told)));
            }
        }
        Some(answer.to_json().into())
    }

    /// Whether everything that accounting needs has been seen.
    pub fn is_complete(&self) -> bool {
        self.counts.is_some()
    }

    /// The model that answered.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// What was used; `None` when the stream told nothing.
    pub fn counts(&self) -> Option<&Counts> {
        self.counts.as_ref()
    }
}

/// The value of a whole number.
pub fn whole(value: Value<'_>) -> Option<i64> {
    let number = value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15)?;
    Some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tap(lines: &[&str]) -> ImageTap {
        let mut tap = ImageTap::default();
        lines.iter().for_each(|line| tap.line(line.as_bytes()));
        tap
    }

    #[test]
    fn the_largest_text_of_each_picture_counts() {
        let seen = tap(&[
            r#"data: {"partial_image_b64":"AAAA","partial_image_index":1}"#,
            r#"data:{"partial_image_b64":"BBBBBBBB"}"#,
            r#"data: {"partial_image_b64":"CC","partial_image_index":0}"#,
            r#"data: {"partial_image_b64":"DDDD","partial_image_index":1.0}"#,
            r#"data: {"partial_image_b64":7,"partial_image_index":3}"#,
            r#"data: {"type":"response.completed","response":{"model":"m","tools":[{"size":"1x1","quality":null,"n":2}],"usage":{"input_tokens":3,"output_tokens":4}}}"#,
            "data: [DONE]",
        ]);
        assert_eq!(
            seen.answer(17).unwrap(),
            r#"{"created":17,"data":[{"b64_json":"BBBBBBBB"},{"b64_json":"DDDD"}],"size":"1x1","quality":null}"#
        );
        assert_eq!(seen.model(), Some("m"));
        assert_eq!(seen.counts().unwrap().tokens.output, 4);
    }

    #[test]
    fn no_picture_is_no_answer() {
        let seen = tap(&[r#"data: {"type":"response.completed","response":{}}"#, "event: x"]);
        assert!(seen.answer(1).is_none() && !seen.is_complete());
    }
}
