//! Requests of the images endpoint, drawn by a tool of the Codex backend
//! (`contract/openai-azure-droid.md §3.1`).

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};
use thiserror::Error;

use crate::wire::{
    body_rules::in_words,
    json::{Kind, Value},
    openai::image::whole,
};

/// The model that carries the tool, which accounts are chosen by.
pub const SCHEDULED_MODEL: &str = "gpt-5.4-mini";
const DEFAULT_MODEL: &str = "gpt-image-2";
const PREFIX: &str = "gpt-image-";
/// The client that the backend is shown.
pub(super) const CLIENT: [(&str, &str); 3] = [
    ("originator", "codex_cli_rs"),
    ("user-agent", "codex_cli_rs/0.144.5"),
    ("version", "0.144.5"),
];
/// Members of the request that the tool takes as texts.
const TEXTS: [&str; 5] = ["size", "quality", "background", "output_format", "moderation"];

/// Why no picture can be drawn; the texts are the legacy service's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ImageRefusal {
    /// Nothing is asked for.
    #[error("prompt is required")]
    NoPrompt,
    /// Another model.
    #[error("images endpoint requires a gpt-image-* model, got \"{0}\"")]
    Model(String),
    /// No number of pictures.
    #[error("n must be an integer between 1 and 10")]
    Count,
}

/// What is to be drawn.
#[derive(Clone, Debug)]
pub struct ImageAsk {
    prompt: String,
    /// The model that draws.
    pub model: String,
    tool: Map<String, Json>,
}

impl ImageAsk {
    /// Reads a request.
    ///
    /// # Errors
    /// When it asks for nothing that can be drawn.
    pub fn read(body: Value<'_>) -> Result<Self, ImageRefusal> {
        let prompt = body.get_str("prompt").map(|text| js::trim(&text).to_owned());
        let prompt = prompt.filter(|text| !text.is_empty()).ok_or(ImageRefusal::NoPrompt)?;
        let model = body.get_truthy("model").map(|model| in_words(model));
        let model = model.as_deref().map_or(DEFAULT_MODEL, js::trim).to_owned();
        let named = model.get(..PREFIX.len()).is_some_and(|p| p.eq_ignore_ascii_case(PREFIX));
        if !named {
            return Err(ImageRefusal::Model(model));
        }
        let count = match body.get("n") {
            None => 1,
            Some(n) => whole(n).filter(|n| (1..=10).contains(n)).ok_or(ImageRefusal::Count)?,
        };
        let mut tool = Map::new();
        tool.insert("type".to_owned(), "image_generation".into());
        tool.insert("action".to_owned(), "generate".into());
        tool.insert("model".to_owned(), model.as_str().into());
        for name in TEXTS {
            if let Some(value) = body.get_truthy(name) {
                tool.insert(name.to_owned(), in_words(value).into());
            }
        }
        let compression = body.get("output_compression").filter(|v| v.kind() == Kind::Number);
        if let Some(compression) = compression.and_then(whole) {
            tool.insert("output_compression".to_owned(), compression.into());
        }
        if count != 1 {
            tool.insert("n".to_owned(), count.into());
        }
        Ok(Self { prompt, model, tool })
    }

    /// The backend's request.
    pub(super) fn to_body(&self) -> Bytes {
        let content = json!([{ "type": "input_text", "text": self.prompt }]);
        let body = json!({
            "instructions": "",
            "stream": true,
            "reasoning": { "effort": "medium", "summary": "auto" },
            "parallel_tool_calls": true,
            "include": ["reasoning.encrypted_content"],
            "model": SCHEDULED_MODEL,
            "store": false,
            "tool_choice": { "type": "image_generation" },
            "input": [{ "type": "message", "role": "user", "content": content }],
            "tools": [self.tool],
        });
        body.to_string().into()
    }
}
