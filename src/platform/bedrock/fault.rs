//! What went wrong with an exchange: its name, its text, what it does to the account, and whether it is
//! tried again. The classes are those of the vendor's client library.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::BuildError;
use crate::{
    domain::HeaderList,
    wire::{aws_events::FrameError, json::complaint},
};

/// Why and how a failed attempt is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It is not.
    No,
    /// The vendor is busy: longer pauses.
    Throttled,
    /// It may work at once.
    Transient,
}

/// A failed exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Class: the vendor's (`ThrottlingException`), or else a status or code.
    pub name: String,
    /// The vendor's or the runtime's text.
    pub message: String,
    /// Status of the vendor's answer, when there was one.
    pub status: Option<u16>,
    /// Whether it is tried again.
    pub again: Again,
}

/// Classes that the vendor declares; only these carry a text of their own.
const DECLARED: [&str; 12] = [
    "AccessDeniedException",
    "ConflictException",
    "InternalServerException",
    "ModelErrorException",
    "ModelNotReadyException",
    "ModelStreamErrorException",
    "ModelTimeoutException",
    "ResourceNotFoundException",
    "ServiceQuotaExceededException",
    "ServiceUnavailableException",
    "ThrottlingException",
    "ValidationException",
];

/// Classes that may come inside a stream, by their name there.
const IN_STREAM: [(&str, &str); 6] = [
    ("internalServerException", "InternalServerException"),
    ("modelStreamErrorException", "ModelStreamErrorException"),
    ("modelTimeoutException", "ModelTimeoutException"),
    ("serviceUnavailableException", "ServiceUnavailableException"),
    ("throttlingException", "ThrottlingException"),
    ("validationException", "ValidationException"),
];

const THROTTLED: [&str; 14] = [
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

const TRANSIENT: [&str; 3] = ["TimeoutError", "RequestTimeout", "RequestTimeoutException"];
const UNKNOWN: &str = "UnknownError";

impl Fault {
    /// A failure of ours or of the runtime, without the vendor.
    pub fn local(message: impl Into<String>) -> Self {
        let (name, message) = ("Error".to_owned(), message.into());
        Self { name, message, status: None, again: Again::No }
    }

    /// A failed exchange that is worth another attempt.
    pub fn transient(message: impl Into<String>) -> Self {
        Self { again: Again::Transient, ..Self::local(message) }
    }

    /// The vendor's answer with a status of 300 or more.
    pub fn of_answer(status: u16, headers: &HeaderList, body: &Bytes) -> Self {
        let (name, message) = match read(body) {
            Ok(body) => {
                let code = stated_class(headers.get("x-amzn-errortype"), &body);
                let declared = code.as_deref().is_some_and(|code| DECLARED.contains(&code));
                let name = match (declared, code) {
                    (true, Some(code)) => code,
                    (_, code) => ["code", "Code"]
                        .into_iter()
                        .find_map(|name| body.get(name).and_then(text))
                        .or(code)
                        .unwrap_or_else(|| status.to_string()),
                };
                (name, message(&body))
            }
            Err(said) => (
                "SyntaxError".to_owned(),
                format!(
                    "{said}\n  Deserialization error: to see the raw response, inspect the hidden field {{error}}.$response on this object."
                ),
            ),
        };
        let again = if status == 429 || THROTTLED.contains(&name.as_str()) {
            Again::Throttled
        } else if matches!(status, 500 | 502 | 503 | 504) || TRANSIENT.contains(&name.as_str()) {
            Again::Transient
        } else {
            Again::No
        };
        Self { name, message, status: Some(status), again }
    }

    /// An exception inside a stream.
    pub fn of_exception(kind: &str, payload: &Bytes) -> Self {
        let named = IN_STREAM.iter().find(|(name, _)| *name == kind);
        let Some((_, name)) = named else {
            let message = String::from_utf8_lossy(payload).into_owned();
            return Self { name: kind.to_owned(), ..Self::local(message) };
        };
        match read(payload) {
            Ok(body) => Self { name: (*name).to_owned(), ..Self::local(message(&body)) },
            Err(said) => Self::local(said),
        }
    }

    /// What the client is told.
    pub fn told(&self) -> String {
        match self.name.as_str() {
            "ValidationException" => format!("Bedrock参数验证失败: {}", self.message),
            "ThrottlingException" => "Bedrock请求限流，请稍后重试".to_owned(),
            "AccessDeniedException" => "Bedrock访问被拒绝，请检查IAM权限".to_owned(),
            "ModelNotReadyException" => "Bedrock模型未就绪，请稍后重试".to_owned(),
            _ if self.message.is_empty() => "Bedrock服务错误: Unknown Bedrock error".to_owned(),
            _ => format!("Bedrock服务错误: {}", self.message),
        }
    }

    /// Status of a stream that could not begin.
    pub fn stream_status(&self) -> u16 {
        self.status.unwrap_or(match self.name.as_str() {
            "ThrottlingException" => 429,
            "AccessDeniedException" => 403,
            "ValidationException" => 400,
            "ModelNotReadyException" | "ServiceUnavailableException" => 503,
            "ModelTimeoutException" => 408,
            _ => 500,
        })
    }

    /// Status under which the account is put aside, if it is.
    pub fn mark(&self) -> Option<u16> {
        match self.name.as_str() {
            "ThrottlingException" => Some(429),
            "AccessDeniedException" => Some(403),
            "ServiceUnavailableException" | "InternalServerException" => Some(500),
            "ModelNotReadyException" => Some(503),
            _ => None,
        }
    }
}

impl From<BuildError> for Fault {
    fn from(error: BuildError) -> Self {
        Self::local(error.to_string())
    }
}

impl From<FrameError> for Fault {
    fn from(error: FrameError) -> Self {
        Self::local(error.0)
    }
}

/// A body as the library reads it: nothing is an empty object. Else the runtime's complaint.
fn read(body: &[u8]) -> Result<Map<String, Value>, String> {
    let text = String::from_utf8_lossy(body);
    if text.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(&text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(Value::Array(_)) => Ok(Map::new()),
        Ok(Value::Null) => Err("Cannot read properties of null (reading 'message')".to_owned()),
        Ok(other) => {
            let kind = match other {
                Value::String(_) => "string",
                Value::Bool(_) => "boolean",
                _ => "number",
            };
            let shown = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
            Err(format!("Cannot create property 'message' on {kind} '{shown}'"))
        }
        Err(error) => Err(complaint(&text).unwrap_or_else(|| error.to_string())),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The message in either spelling, as text whatever it is.
fn message(body: &Map<String, Value>) -> String {
    let stated = |name: &str| body.get(name).map(js_text).filter(|text| !text.is_empty());
    let first =
        if body.get("message").is_some_and(|value| !value.is_null()) { "message" } else { "" };
    stated(first).or_else(|| stated("Message")).unwrap_or_else(|| UNKNOWN.to_owned())
}

/// A value where JavaScript wants a text; what counts as false is nothing.
fn js_text(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(false) => String::new(),
        Value::Bool(true) => "true".to_owned(),
        Value::Number(number) if number.as_f64() == Some(0.0) => String::new(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(js_text).collect::<Vec<_>>().join(","),
        Value::Object(_) => "[object Object]".to_owned(),
    }
}

/// The class that header or body states, without namespace and address.
fn stated_class(header: Option<&str>, body: &Map<String, Value>) -> Option<String> {
    let stated = match header {
        Some(stated) => stated.to_owned(),
        None => {
            let code = body.iter().find(|(name, _)| name.eq_ignore_ascii_case("code"));
            let code = code.map(|(_, value)| value).or_else(|| body.get("__type"))?;
            match code {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return None,
            }
        }
    };
    let stated = stated.split(',').next().unwrap_or_default();
    let stated = stated.split(':').next().unwrap_or_default();
    Some(stated.split('#').nth(1).unwrap_or(stated).to_owned())
}
