//! Request bodies as the legacy parsers take them: JSON, forms, compressed or not.
//!
//! A body of any other type, or without a type, is not read at all and counts as `{}`. What comes out
//! is UTF-8 JSON text, forwarded later byte for byte.

use std::{io::Read, sync::Arc};

use axum::http::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING},
};
use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use thiserror::Error;

use super::{form, media_type::MediaType};
use crate::relay::{BodyError, RequestBody};

/// Largest body after decoding, fixed in the legacy service.
pub const LIMIT: usize = 100 * 1024 * 1024;

/// Why a body is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BodyRefusal {
    /// More than [`LIMIT`] bytes.
    #[error("request entity too large")]
    TooLarge,
    /// A charset that is not read.
    #[error("unsupported charset \"{0}\"")]
    Charset(String),
    /// A content coding other than `gzip`, `deflate` and `identity`.
    #[error("unsupported content encoding \"{0}\"")]
    Coding(String),
    /// The compressed data is broken.
    #[error("{0}")]
    Inflate(String),
    /// Only white space, or text in a charset that is known but cannot be checked.
    #[error("Invalid JSON: empty body")]
    Blank,
    /// No JSON object or array.
    #[error("{0}")]
    Malformed(String),
    /// A form with more than 1000 parameters.
    #[error("too many parameters")]
    TooManyParameters,
    /// The client stopped sending.
    #[error("request aborted")]
    Aborted,
    /// The body did not arrive within the time for a whole request.
    #[error("request timeout")]
    Late,
}

impl BodyRefusal {
    /// Status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge | Self::TooManyParameters => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Charset(_) | Self::Coding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Blank => StatusCode::FORBIDDEN,
            Self::Late => StatusCode::REQUEST_TIMEOUT,
            Self::Inflate(_) | Self::Malformed(_) | Self::Aborted => StatusCode::BAD_REQUEST,
        }
    }
}

/// How a body is to be read, known from the headers alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Not at all; it counts as `{}`.
    Skip,
    /// Read, decode, parse.
    Read {
        /// What it should be.
        format: Format,
        /// How it is compressed.
        coding: Coding,
    },
}

/// Formats that are parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON in UTF-8.
    Json,
    /// JSON in UTF-16, little endian.
    JsonUtf16,
    /// JSON in a charset that the legacy check cannot read: any body but an empty one is refused.
    JsonUncheckable,
    /// A form in UTF-8.
    Form,
}

/// Content codings that are undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// None.
    Identity,
    /// gzip, any number of members.
    Gzip,
    /// zlib.
    Deflate,
}

/// Decides from the headers.
///
/// # Errors
/// When the body is refused without reading it.
pub fn plan(headers: &HeaderMap) -> Result<Plan, BodyRefusal> {
    if !has_body(headers) {
        return Ok(Plan::Skip);
    }
    let text =
        |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let Some(media) = text(CONTENT_TYPE).and_then(MediaType::parse) else { return Ok(Plan::Skip) };
    let charset = media.charset.as_deref().unwrap_or("utf-8");
    let format = match media.essence.as_str() {
        "application/json" => json_charset(charset)?,
        "application/x-www-form-urlencoded" if charset == "utf-8" => Format::Form,
        "application/x-www-form-urlencoded" => {
            return Err(BodyRefusal::Charset(charset.to_uppercase()));
        }
        _ => return Ok(Plan::Skip),
    };
    let coding = match text(CONTENT_ENCODING).unwrap_or("identity").to_ascii_lowercase().as_str() {
        "identity" | "" => Coding::Identity,
        "gzip" => Coding::Gzip,
        "deflate" => Coding::Deflate,
        other => return Err(BodyRefusal::Coding(other.to_owned())),
    };
    let length = text(CONTENT_LENGTH).and_then(|value| value.trim().parse::<u64>().ok());
    if coding == Coding::Identity && length.is_some_and(|n| n > LIMIT as u64) {
        return Err(BodyRefusal::TooLarge);
    }
    Ok(Plan::Read { format, coding })
}

/// Parses what was read.
///
/// # Errors
/// When the body is not what its type says.
pub fn parse(format: Format, coding: Coding, raw: Bytes) -> Result<Arc<RequestBody>, BodyRefusal> {
    let data = match coding {
        Coding::Identity => raw,
        Coding::Gzip => inflate(MultiGzDecoder::new(raw.as_ref()))?,
        Coding::Deflate => inflate(ZlibDecoder::new(raw.as_ref()))?,
    };
    let json = match format {
        _ if data.is_empty() => Bytes::new(),
        Format::JsonUncheckable => return Err(BodyRefusal::Blank),
        Format::Json => {
            refuse_blank(&String::from_utf8_lossy(&data[..data.len().min(64)]), data.len() <= 64)?;
            strip_bom(data)
        }
        Format::JsonUtf16 => {
            let text = utf16_text(&data);
            refuse_blank(&text, true)?;
            strip_bom(Bytes::from(text))
        }
        Format::Form => form::to_json(&String::from_utf8_lossy(&data))?,
    };
    RequestBody::parse(json).map(Arc::new).map_err(|error| match error {
        BodyError::Blank => BodyRefusal::Blank,
        other => BodyRefusal::Malformed(other.to_string()),
    })
}

/// The body of a request that has none.
pub fn empty() -> Option<Arc<RequestBody>> {
    RequestBody::parse(Bytes::from_static(b"{}")).ok().map(Arc::new)
}

/// A `content-length` that is a number, or any transfer coding.
fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING) || headers.contains_key(CONTENT_LENGTH)
}

fn json_charset(charset: &str) -> Result<Format, BodyRefusal> {
    let unsupported = || BodyRefusal::Charset(charset.to_uppercase());
    let name = charset.strip_prefix("utf-").ok_or_else(unsupported)?;
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    match (name, plain.as_str()) {
        ("8", _) => Ok(Format::Json),
        ("16le", _) => Ok(Format::JsonUtf16),
        (_, "8" | "16" | "16le" | "16be" | "7" | "7imap") => Ok(Format::JsonUncheckable),
        _ => Err(unsupported()),
    }
}

/// White space is JavaScript's here, which is more than JSON's. `complete`: `head` is the whole body.
fn refuse_blank(head: &str, complete: bool) -> Result<(), BodyRefusal> {
    if complete && js::trim(head).is_empty() { Err(BodyRefusal::Blank) } else { Ok(()) }
}

fn strip_bom(data: Bytes) -> Bytes {
    if data.starts_with(b"\xef\xbb\xbf") { data.slice(3..) } else { data }
}

fn utf16_text(data: &[u8]) -> String {
    let units = data.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn inflate(decoder: impl Read) -> Result<Bytes, BodyRefusal> {
    let mut data = Vec::new();
    decoder
        .take(LIMIT as u64 + 1)
        .read_to_end(&mut data)
        .map_err(|error| BodyRefusal::Inflate(error.to_string()))?;
    if data.len() > LIMIT { Err(BodyRefusal::TooLarge) } else { Ok(Bytes::from(data)) }
}

#[cfg(test)]
mod tests;
