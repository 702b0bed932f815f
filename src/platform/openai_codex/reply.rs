//! The backend's refusals: what the account's state takes from them and what the client is told.

use bytes::Bytes;
use serde_json::json;

use crate::wire::{
    json::{Doc, Kind, Value, stringify},
    openai::{data, events::resets_in},
};

/// How a refusal was read.
#[derive(Debug)]
pub enum Refused {
    /// Whole, by the HTTP library.
    Plain(Doc),
    /// As a stream, into this text.
    Stream(Bytes),
    /// As a stream that broke.
    Broken,
}

impl Refused {
    /// Reads a whole body.
    pub fn plain(body: Bytes) -> Self {
        Self::Plain(data::as_data(body))
    }
}

/// A limit: seconds until it ends, and the client's error as JSON.
pub fn limit(refused: Refused) -> (Option<f64>, Bytes) {
    let error = match refused {
        Refused::Plain(doc) => doc,
        Refused::Stream(text) => data::of_written(text).unwrap_or_default(),
        Refused::Broken => Doc::default(),
    };
    let root = error.root();
    let resets_in_s = root.get("error").and_then(resets_in);
    if root.truthy() {
        return (resets_in_s, stringify(root).into());
    }
    let told = json!({ "error": {
        "type": "usage_limit_reached",
        "message": "The usage limit has been reached",
        "resets_in_seconds": null,
    } });
    (None, told.to_string().into())
}

/// A 401 or 402: what is noted at the account, and the client's error as JSON.
pub fn unauthorized(status: u16, refused: Refused) -> (String, Bytes) {
    let error = match refused {
        Refused::Plain(doc) => doc,
        Refused::Stream(text) => data::of_written(text.clone()).unwrap_or_else(|| {
            let text = String::from_utf8_lossy(&text);
            data::message(if text.is_empty() { "Unauthorized" } else { &text })
        }),
        Refused::Broken => Doc::default(),
    };
    let root = error.root();
    let reason = reason(status, message(root).as_deref());
    if data::is_object(root) {
        return (reason, stringify(root).into());
    }
    let text = root.as_str().unwrap_or_default();
    let text = js::trim(&text);
    let told = json!({ "error": {
        "message": if text.is_empty() { "Unauthorized" } else { text },
        "type": "unauthorized",
        "code": "unauthorized",
    } });
    (reason, told.to_string().into())
}

/// What is noted at an account that was refused when it was to draw: only the error's own message counts.
pub fn image_reason(status: u16, error: Value<'_>) -> String {
    let told = error.get("error").and_then(|inner| inner.get_str("message"));
    let told = told.map(|text| js::trim(&text).to_owned()).filter(|text| !text.is_empty());
    reason(status, told.as_deref())
}

/// What is noted at an account that was refused, in the legacy service's words.
fn reason(status: u16, message: Option<&str>) -> String {
    let hint = if status == 402 { "，可能欠费" } else { "" };
    let colon = if message.is_some() { "：" } else { "" };
    format!("OpenAI账号认证失败（{status}错误{hint}）{colon}{}", message.unwrap_or_default())
}

/// The message of an error, unless blank.
fn message(error: Value<'_>) -> Option<String> {
    let of = |value: Option<Value<'_>>| {
        let text = value?.get_str("message")?;
        let text = js::trim(&text);
        (!text.is_empty()).then(|| text.to_owned())
    };
    let inner = error.get("error").filter(|inner| inner.kind() != Kind::Null);
    of(inner).or_else(|| of(Some(error)))
}
