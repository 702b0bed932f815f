//! What the stand-in knows of AWS: checking request signatures and writing the binary event stream.
//!
//! Written from the published formats alone (Signature Version 4, `vnd.amazon.eventstream`) and with
//! none of the crates that the product signs and reads with: it would hide their misuse.

use std::fmt::Write as _;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::http::Head;

/// The secret that belongs to an access key id in every scenario.
pub fn secret_of(access_key_id: &str) -> String {
    hex::encode(Sha256::digest(format!("aws secret of {access_key_id}")))[..40].to_owned()
}

/// Whether a request went to AWS.
pub fn is_aws(head: &Head) -> bool {
    host(head).ends_with(".amazonaws.com") || host(head).ends_with(".amazonaws.com.cn")
}

fn host(head: &Head) -> &str {
    head.get("host").unwrap_or_default()
}

/// `authorization` as what it says and whether it is true: `AWS4 AKIAA us-east-1/bedrock …: good`.
/// Bearer tokens are shown as they are.
pub fn authorization(head: &Head, body: &[u8]) -> String {
    let Some(value) = head.get("authorization") else { return "none".to_owned() };
    let Some(rest) = value.strip_prefix("AWS4-HMAC-SHA256 ") else { return value.to_owned() };
    let part = |name: &str| {
        let mut parts = rest.split(", ");
        parts.find_map(|part| part.strip_prefix(name)).unwrap_or_default()
    };
    let scope: Vec<&str> = part("Credential=").split('/').collect();
    let [id, day, region, service, "aws4_request"] = scope[..] else {
        return format!("unreadable scope {scope:?}");
    };
    let signed: Vec<&str> = part("SignedHeaders=").split(';').collect();
    // HTTP/2 clients sign the host under its pseudo-header's name.
    let mut shown: Vec<&str> =
        signed.iter().map(|name| if *name == ":authority" { "host" } else { name }).collect();
    shown.sort_unstable();
    let truth = match problem(head, body, &signed, [id, day, region, service]) {
        _ if part("Signature=").len() != 64 => "no signature".to_owned(),
        Err(why) => why,
        Ok(signature) if signature == part("Signature=") => "good".to_owned(),
        Ok(_) => "wrong signature".to_owned(),
    };
    format!("AWS4 {id} {region}/{service} {}: {truth}", shown.join(";"))
}

/// `x-amz-date` as `now` or `another time`: which one hangs on the clock.
pub fn moment(text: &str, now_ms: i64) -> String {
    let Ok(at) = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text) else {
        return text.to_owned();
    };
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).map(|at| at.timestamp().as_millisecond());
    let near = at.is_ok_and(|at| (at - now_ms).abs() < 60_000);
    if near { "<now>".to_owned() } else { "<another time>".to_owned() }
}

/// The signature that the request should carry, or why it could not have one.
fn problem(
    head: &Head,
    body: &[u8],
    signed: &[&str],
    [id, day, region, service]: [&str; 4],
) -> Result<String, String> {
    let date = head.get("x-amz-date").ok_or("no x-amz-date")?;
    if !date.starts_with(day) || date.len() != 16 {
        return Err("x-amz-date does not fit the scope".to_owned());
    }
    let payload = hex::encode(Sha256::digest(body));
    if head.get("x-amz-content-sha256").is_some_and(|stated| stated != payload) {
        return Err("wrong x-amz-content-sha256".to_owned());
    }
    let mut canonical = String::new();
    let mut words = head.first_line.split(' ');
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let _ = write!(canonical, "{method}\n{}\n{query}\n", encoded_again(path));
    for name in signed {
        let wire = if *name == ":authority" { "host" } else { name };
        let value = head.get(wire).ok_or_else(|| format!("signed header {name} is missing"))?;
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(canonical, "{name}:{value}");
    }
    let _ = write!(canonical, "\n{}\n{payload}", signed.join(";"));
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let digest = hex::encode(Sha256::digest(canonical));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}");
    let mut key = mac(format!("AWS4{}", secret_of(id)).as_bytes(), day.as_bytes());
    for part in [region, service, "aws4_request"] {
        key = mac(&key, part.as_bytes());
    }
    Ok(hex::encode(mac(&key, to_sign.as_bytes())))
}

/// The path with every segment encoded once more, as all services but one demand.
fn encoded_again(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).unwrap_or_else(|_| unreachable!());
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// One item of a scenario's event stream as bytes; see `scenario::Reply::aws`.
pub fn frame(item: &Value) -> Vec<u8> {
    let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    if let Some(bytes) = text("hex") {
        return hex::decode(bytes).unwrap_or_default();
    }
    let message = text("message").unwrap_or_default();
    let bytes = if let Some(kind) = text("exception") {
        let payload = match item.get("payload") {
            Some(payload) => payload.as_str().unwrap_or_default().to_owned(),
            None => json!({ "message": message }).to_string(),
        };
        let headers = [
            (":exception-type", kind.as_str()),
            (":content-type", "application/json"),
            (":message-type", "exception"),
        ];
        encode(&headers, payload.as_bytes())
    } else if let Some(code) = text("error") {
        let headers = [
            (":message-type", "error"),
            (":error-code", code.as_str()),
            (":error-message", message.as_str()),
        ];
        encode(&headers, b"")
    } else if let Some(event) = text("event") {
        let payload = text("payload").unwrap_or_default();
        let kind = text("kind").unwrap_or_else(|| "event".to_owned());
        let headers = [
            (":event-type", event.as_str()),
            (":content-type", "application/json"),
            (":message-type", kind.as_str()),
        ];
        encode(&headers, payload.as_bytes())
    } else {
        let chunk = match item.as_str().map(str::to_owned).or_else(|| text("chunk")) {
            Some(text) => text,
            None => item.get("chunk").unwrap_or(item).to_string(),
        };
        let payload = json!({ "bytes": STANDARD.encode(chunk), "p": "abcdefgh" }).to_string();
        let headers = [
            (":event-type", "chunk"),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ];
        encode(&headers, payload.as_bytes())
    };
    damaged(bytes, item.get("damage").and_then(Value::as_str))
}

/// `crc`: another byte in the payload; `prelude`: another length of the headers; `half`: cut short.
fn damaged(mut bytes: Vec<u8>, how: Option<&str>) -> Vec<u8> {
    let at = match how {
        Some("crc") => bytes.len() - 6,
        Some("prelude") => 7,
        Some("half") => {
            bytes.truncate(bytes.len() / 2);
            return bytes;
        }
        _ => return bytes,
    };
    bytes[at] ^= 1;
    bytes
}

/// Prelude (total and header length, checksum), headers, payload, checksum. All headers are strings.
fn encode(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(u8::try_from(name.len()).unwrap_or_default());
        block.extend_from_slice(name.as_bytes());
        block.push(7);
        block.extend_from_slice(&u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    let total = u32::try_from(16 + block.len() + payload.len()).unwrap_or_default();
    let mut out = total.to_be_bytes().to_vec();
    out.extend_from_slice(&u32::try_from(block.len()).unwrap_or_default().to_be_bytes());
    out.extend_from_slice(&checksum(&out).to_be_bytes());
    out.extend_from_slice(&block);
    out.extend_from_slice(payload);
    out.extend_from_slice(&checksum(&out).to_be_bytes());
    out
}

/// CRC-32 as gzip has it, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}
