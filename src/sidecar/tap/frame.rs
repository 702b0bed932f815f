//! Frames of the tap's protocol (legacy-node/README.md): length, type, payload.

use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest frame that is taken: the tap cuts bodies into smaller ones, a Redis reply may be large.
const MAX_FRAME: usize = 64 * 1024 * 1024;

/// What the tap says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Frame {
    /// A tap introduces itself.
    Hello(Hello),
    /// Something about one traced request, by its number on this connection.
    Of(u32, Note),
}

/// A tap introduces itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// Version of the protocol.
    pub v: u32,
    /// Process id of the service.
    pub pid: u32,
    /// Its runtime's version.
    pub node: String,
}

/// Something about one traced request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Note {
    Begin {
        id: String,
        ms: f64,
    },
    Command {
        number: u32,
        ms: f64,
        resp: Bytes,
    },
    Reply {
        number: u32,
        resp: Bytes,
    },
    Request {
        exchange: u32,
        head: RequestHead,
    },
    RequestBody {
        exchange: u32,
        data: Bytes,
    },
    RequestEnd {
        exchange: u32,
    },
    Response {
        exchange: u32,
        head: ResponseHead,
    },
    ResponseBody {
        exchange: u32,
        data: Bytes,
    },
    End {
        exchange: u32,
        end: ExchangeEnd,
    },
    Closed(Closed),
    Quiet,
    Incomplete(String),
    /// A later protocol's; passed over.
    Unknown,
}

/// Head of a request to the vendor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestHead {
    /// Method.
    pub method: String,
    /// Absolute URL with the vendor's host.
    pub url: String,
    /// Headers as sent.
    pub headers: Vec<(String, String)>,
    /// Proxy it went through, without credentials.
    pub proxy: Option<String>,
}

/// Head of a vendor's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResponseHead {
    /// Status.
    pub status: u16,
    /// Headers as they came.
    pub headers: Vec<(String, String)>,
}

/// How an exchange ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExchangeEnd {
    /// Whole.
    pub ok: bool,
    /// The runtime's error code.
    pub code: Option<String>,
    /// Its message.
    pub message: Option<String>,
}

/// The answer to the client ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Closed {
    /// Status.
    pub status: u16,
    /// False when the client left.
    pub complete: bool,
    /// When, epoch milliseconds.
    pub ms: f64,
}

/// The peer does not speak the protocol.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("not a frame of the tap: {0}")]
pub(super) struct BadFrame(&'static str);

/// Takes the next whole frame from what has arrived.
pub(super) fn next(buffer: &mut BytesMut) -> Result<Option<Frame>, BadFrame> {
    let Some(length) = buffer.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes) as usize)
    else {
        return Ok(None);
    };
    if length == 0 || length > MAX_FRAME {
        return Err(BadFrame("length"));
    }
    if buffer.len() < 4 + length {
        return Ok(None);
    }
    buffer.advance(4);
    let mut payload = buffer.split_to(length).freeze();
    let kind = payload.get_u8();
    read(kind, payload).map(Some)
}

/// A frame towards the tap.
pub(super) fn encode(kind: u8, value: &impl Serialize) -> Vec<u8> {
    let payload = serde_json::to_vec(value).unwrap_or_default();
    let length = u32::try_from(payload.len() + 1).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(payload.len() + 5);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.push(kind);
    frame.extend_from_slice(&payload);
    frame
}

fn read(kind: u8, mut payload: Bytes) -> Result<Frame, BadFrame> {
    if kind == b'H' {
        return json(&payload).map(Frame::Hello);
    }
    let request = number(&mut payload)?;
    let note = match kind {
        b'B' => {
            #[derive(Deserialize)]
            struct Begin {
                id: String,
                #[serde(default)]
                ms: f64,
            }
            let Begin { id, ms } = json(&payload)?;
            Note::Begin { id, ms }
        }
        b'R' => {
            let number = number(&mut payload)?;
            if payload.len() < 8 {
                return Err(BadFrame("command"));
            }
            let ms = payload.get_f64();
            Note::Command { number, ms, resp: payload }
        }
        b'r' => Note::Reply { number: number(&mut payload)?, resp: payload },
        b'U' => Note::Request { exchange: number(&mut payload)?, head: json(&payload)? },
        b'u' => Note::RequestBody { exchange: number(&mut payload)?, data: payload },
        b'V' => Note::RequestEnd { exchange: number(&mut payload)? },
        b'A' => Note::Response { exchange: number(&mut payload)?, head: json(&payload)? },
        b'a' => Note::ResponseBody { exchange: number(&mut payload)?, data: payload },
        b'E' => Note::End { exchange: number(&mut payload)?, end: json(&payload)? },
        b'C' => Note::Closed(json(&payload)?),
        b'Q' => Note::Quiet,
        b'X' => {
            let why: serde_json::Value = json(&payload)?;
            Note::Incomplete(why["why"].as_str().unwrap_or("unknown").to_owned())
        }
        _ => Note::Unknown,
    };
    Ok(Frame::Of(request, note))
}

fn number(payload: &mut Bytes) -> Result<u32, BadFrame> {
    if payload.len() < 4 { Err(BadFrame("number")) } else { Ok(payload.get_u32()) }
}

fn json<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, BadFrame> {
    serde_json::from_slice(payload).map_err(|_| BadFrame("JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(payload.len() + 1).unwrap().to_be_bytes().to_vec();
        bytes.push(kind);
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn frames_are_read_whole_wherever_they_are_cut() {
        let mut bytes = frame(b'H', br#"{"v":1,"pid":7,"node":"v20"}"#);
        bytes.extend(frame(b'B', b"\0\0\0\x05{\"id\":\"t1\",\"ms\":12.5}"));
        bytes.extend(frame(b'a', b"\0\0\0\x05\0\0\0\x01data: x"));
        bytes.extend(frame(b'?', b"\0\0\0\x05later"));
        for cut in 0..bytes.len() {
            let mut buffer = BytesMut::from(&bytes[..cut]);
            let mut found = Vec::new();
            while let Some(frame) = next(&mut buffer).unwrap() {
                found.push(frame);
            }
            buffer.extend_from_slice(&bytes[cut..]);
            while let Some(frame) = next(&mut buffer).unwrap() {
                found.push(frame);
            }
            assert_eq!(found.len(), 4);
            assert_eq!(found[1], Frame::Of(5, Note::Begin { id: "t1".into(), ms: 12.5 }));
            let data = Bytes::from_static(b"data: x");
            assert_eq!(found[2], Frame::Of(5, Note::ResponseBody { exchange: 1, data }));
            assert_eq!(found[3], Frame::Of(5, Note::Unknown));
        }
    }

    #[test]
    fn nonsense_ends_the_connection_not_the_service() {
        for bytes in [&b"\xff\xff\xff\xffH"[..], b"\0\0\0\0", b"\0\0\0\x03Hxx", b"\0\0\0\x02R\0"] {
            assert!(next(&mut BytesMut::from(bytes)).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn settings_are_framed_like_everything_else() {
        let bytes = encode(b'S', &serde_json::json!({"enabled": true}));
        assert_eq!(&bytes[..5], b"\0\0\0\x11S");
        assert_eq!(&bytes[5..], br#"{"enabled":true}"#);
    }
}
