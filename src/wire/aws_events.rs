//! AWS's binary event stream (`application/vnd.amazon.eventstream`) as frames.
//!
//! Cuts chunks into frames however the network cut them, checks their checksums and names what they
//! are. Knows nothing of any service's events. Failures are worded as the legacy service's client
//! library words them, because clients are shown those texts.

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::{HeaderValue, Message};
use bytes::{Bytes, BytesMut};
use thiserror::Error;

/// Longest frame that is waited for; the format allows 16 MiB of payload and 128 KiB of headers.
const FRAME_LIMIT: usize = 17 << 20;
/// A frame's lengths and their checksum.
const PRELUDE: usize = 12;
/// A frame without headers and payload.
const SMALLEST: usize = 16;

/// A complete frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// An event of the service's own.
    Event {
        /// `:event-type`
        name: String,
        /// Payload.
        payload: Bytes,
    },
    /// A failure that the service has declared.
    Exception {
        /// `:exception-type`
        name: String,
        /// Payload.
        payload: Bytes,
    },
    /// A failure of the service itself.
    Error {
        /// `:error-code`
        code: String,
        /// `:error-message`
        message: String,
    },
}

/// What is wrong with a stream. Nothing after it can be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct FrameError(pub String);

/// Cuts chunks into frames. Memory is bounded by [`FRAME_LIMIT`].
#[derive(Debug, Default)]
pub struct FrameReader {
    held: BytesMut,
}

impl FrameReader {
    /// Takes a chunk; [`FrameReader::take`] then gives the frames that it completes.
    pub fn push(&mut self, chunk: &[u8]) {
        self.held.extend_from_slice(chunk);
    }

    /// The next complete frame.
    ///
    /// # Errors
    /// When the bytes are no frame.
    pub fn take(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(length) = self.held.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length < 4 {
            return Err(error("Offset is outside the bounds of the DataView"));
        }
        if length > FRAME_LIMIT {
            return Err(truncated());
        }
        if self.held.len() < length {
            return Ok(None);
        }
        let bytes = self.held.split_to(length).freeze();
        if length < SMALLEST {
            return Err(error(
                "Provided message too short to accommodate event stream message overhead",
            ));
        }
        match read_message_from(&mut bytes.clone()) {
            Ok(message) => frame(&message).map(Some),
            Err(cause) => Err(error(what_is_wrong(&bytes).unwrap_or_else(|| cause.to_string()))),
        }
    }

    /// Checks that a stream which has ended did so between frames. The beginning of a frame's length is
    /// passed over, as the legacy service's library does.
    ///
    /// # Errors
    /// When a frame is incomplete.
    pub fn finish(&self) -> Result<(), FrameError> {
        if self.held.len() < 4 { Ok(()) } else { Err(truncated()) }
    }
}

fn frame(message: &Message) -> Result<Frame, FrameError> {
    let text = |wanted: &str| {
        let header = message.headers().iter().find(|header| header.name().as_str() == wanted)?;
        match header.value() {
            HeaderValue::String(text) => Some(text.as_str().to_owned()),
            _ => None,
        }
    };
    let named = |header: &str| {
        text(header).ok_or_else(|| error(format!("the event stream message has no {header}")))
    };
    let payload = message.payload().clone();
    match named(":message-type")?.as_str() {
        "event" => Ok(Frame::Event { name: named(":event-type")?, payload }),
        "exception" => Ok(Frame::Exception { name: named(":exception-type")?, payload }),
        "error" => {
            let message = named(":error-message")?;
            let message = if message.is_empty() { "UnknownError".to_owned() } else { message };
            Ok(Frame::Error { code: named(":error-code")?, message })
        }
        _ => Err(error(format!("Unrecognizable event type: {}", named(":event-type")?))),
    }
}

/// The checksum that does not fit, if one does not.
fn what_is_wrong(bytes: &Bytes) -> Option<String> {
    let number = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let (stated, of) = (number(PRELUDE - 4)?, crc32fast::hash(bytes.get(..PRELUDE - 4)?));
    if stated != of {
        return Some(format!(
            "The prelude checksum specified in the message ({stated}) does not match the calculated CRC32 checksum ({of})"
        ));
    }
    let end = bytes.len() - 4;
    let (stated, of) = (number(end)?, crc32fast::hash(bytes.get(..end)?));
    (stated != of).then(|| {
        format!("The message checksum ({of}) did not match the expected value of {stated}")
    })
}

fn truncated() -> FrameError {
    error("Truncated event message received.")
}

fn error(text: impl Into<String>) -> FrameError {
    FrameError(text.into())
}

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::write_message_to;
    use aws_smithy_types::event_stream::Header;
    use proptest::prelude::*;

    use super::*;

    fn encoded(headers: &[(&'static str, &'static str)], payload: &[u8]) -> Vec<u8> {
        let headers = headers
            .iter()
            .map(|(name, value)| Header::new(*name, HeaderValue::String((*value).into())));
        let message = Message::new_from_parts(headers.collect(), Bytes::copy_from_slice(payload));
        let mut out = Vec::new();
        write_message_to(&message, &mut out).unwrap();
        out
    }

    fn chunk(payload: &[u8]) -> Vec<u8> {
        encoded(&[(":event-type", "chunk"), (":message-type", "event")], payload)
    }

    fn read(bytes: &[u8]) -> (Vec<Frame>, Result<(), FrameError>) {
        let mut reader = FrameReader::default();
        reader.push(bytes);
        let mut frames = Vec::new();
        loop {
            match reader.take() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => return (frames, reader.finish()),
                Err(error) => return (frames, Err(error)),
            }
        }
    }

    #[test]
    fn frames_are_named_by_their_headers() {
        let mut bytes = chunk(b"one");
        bytes.extend(encoded(
            &[(":message-type", "exception"), (":exception-type", "throttlingException")],
            b"{}",
        ));
        bytes.extend(encoded(
            &[(":message-type", "error"), (":error-code", "Odd"), (":error-message", "")],
            b"",
        ));
        let (frames, end) = read(&bytes);
        let name = "chunk".to_owned();
        assert_eq!(frames[0], Frame::Event { name, payload: Bytes::from_static(b"one") });
        let name = "throttlingException".to_owned();
        assert_eq!(frames[1], Frame::Exception { name, payload: Bytes::from_static(b"{}") });
        let (code, message) = ("Odd".to_owned(), "UnknownError".to_owned());
        assert_eq!(frames[2], Frame::Error { code, message });
        assert_eq!(end, Ok(()));
    }

    #[test]
    fn damage_ends_the_stream_with_the_library_s_words() {
        let whole = chunk(b"payload");
        let with = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            read(&bytes).1.unwrap_err().0
        };
        assert!(with(whole.len() - 6).starts_with("The message checksum ("));
        assert!(with(7).starts_with("The prelude checksum specified"));
        assert_eq!(read(&whole[..whole.len() - 1]).1.unwrap_err(), truncated());
        assert_eq!(read(&whole[..3]).1, Ok(()));
        assert!(read(&[0, 0, 0, 4]).1.unwrap_err().0.starts_with("Provided message too short"));
        assert!(read(&[0, 0, 0, 3]).1.unwrap_err().0.starts_with("Offset is outside"));
        assert_eq!(read(b"{\"a\":1}").1.unwrap_err(), truncated());
        let odd = encoded(&[(":message-type", "other"), (":event-type", "x")], b"");
        assert_eq!(read(&odd).1.unwrap_err().0, "Unrecognizable event type: x");
        assert!(read(&encoded(&[], b"")).1.unwrap_err().0.contains(":message-type"));
    }

    proptest! {
        #[test]
        fn however_the_network_cuts_the_frames_are_the_same(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..6),
            size in 1_usize..50,
        ) {
            let bytes: Vec<u8> = payloads.iter().flat_map(|payload| chunk(payload)).collect();
            let mut reader = FrameReader::default();
            let mut seen = Vec::new();
            for part in bytes.chunks(size) {
                reader.push(part);
                while let Some(Frame::Event { payload, .. }) = reader.take().unwrap() {
                    seen.push(payload.to_vec());
                }
            }
            prop_assert_eq!(seen, payloads);
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
