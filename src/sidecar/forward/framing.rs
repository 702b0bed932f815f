//! Follows a body as it passes, to know its end and what in it is payload. Changes nothing.

use std::ops::Range;

use super::head::Framing;

/// Longest line inside of a chunked body (size with extensions, one trailer).
const MAX_LINE: u32 = 16 * 1024;

/// The bytes are no chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenFraming;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Done,
    Length(u64),
    UntilClose,
    /// Size so far and its digits.
    Size(u64, u8),
    Extension(u64, u32),
    SizeEnd(u64),
    Data(u64),
    DataEnd,
    DataEndLf,
    TrailerStart,
    Trailer(u32),
    TrailerEnd,
    LastLf,
}

/// Where in a body we are.
#[derive(Clone, Copy, Debug)]
pub struct BodyTrack(State);

impl BodyTrack {
    /// At the beginning of a body.
    pub fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::None => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size(0, 0),
            Framing::UntilClose => State::UntilClose,
        })
    }

    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        self.0 == State::Done
    }

    /// Whether the body ends with its connection.
    pub fn ends_with_connection(&self) -> bool {
        self.0 == State::UntilClose
    }

    /// Goes on through `data`; gives how many of its bytes belong to the body, and calls `payload` with
    /// the places of what is no framing.
    ///
    /// # Errors
    /// When this cannot be a chunked body.
    pub fn advance(
        &mut self,
        data: &[u8],
        mut payload: impl FnMut(Range<usize>),
    ) -> Result<usize, BrokenFraming> {
        let mut at = 0;
        while at < data.len() {
            let left = data.len() - at;
            match self.0 {
                State::Done => break,
                State::UntilClose => {
                    payload(at..data.len());
                    at = data.len();
                }
                State::Length(length) | State::Data(length) => {
                    let taken = usize::try_from(length).unwrap_or(usize::MAX).min(left);
                    payload(at..at + taken);
                    at += taken;
                    let rest = length - taken as u64;
                    self.0 = match (self.0, rest) {
                        (State::Length(_), 0) => State::Done,
                        (State::Length(_), rest) => State::Length(rest),
                        (_, 0) => State::DataEnd,
                        (_, rest) => State::Data(rest),
                    };
                }
                state => {
                    self.0 = step(state, data[at])?;
                    at += 1;
                }
            }
        }
        Ok(at)
    }
}

/// One byte of chunk framing.
fn step(state: State, byte: u8) -> Result<State, BrokenFraming> {
    let next = match (state, byte) {
        (State::Size(size, digits), _) if byte.is_ascii_hexdigit() => {
            if digits >= 15 {
                return Err(BrokenFraming);
            }
            let digit = char::from(byte).to_digit(16).unwrap_or(0);
            State::Size(size * 16 + u64::from(digit), digits + 1)
        }
        (State::Size(_, 0), _) => return Err(BrokenFraming),
        (State::Size(size, _) | State::Extension(size, _), b'\r') => State::SizeEnd(size),
        (State::Size(size, _), b';' | b' ' | b'\t') => State::Extension(size, 1),
        (State::Extension(size, length), _) if byte != b'\n' && length < MAX_LINE => {
            State::Extension(size, length + 1)
        }
        (State::SizeEnd(0), b'\n') => State::TrailerStart,
        (State::SizeEnd(size), b'\n') => State::Data(size),
        (State::DataEnd, b'\r') => State::DataEndLf,
        (State::DataEndLf, b'\n') => State::Size(0, 0),
        (State::TrailerStart, b'\r') => State::LastLf,
        (State::TrailerStart, _) if byte != b'\n' => State::Trailer(1),
        (State::Trailer(_), b'\r') => State::TrailerEnd,
        (State::Trailer(length), _) if byte != b'\n' && length < MAX_LINE => {
            State::Trailer(length + 1)
        }
        (State::TrailerEnd, b'\n') => State::TrailerStart,
        (State::LastLf, b'\n') => State::Done,
        _ => return Err(BrokenFraming),
    };
    Ok(next)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `data` in pieces of `size`; gives payload and what was left over.
    fn feed(framing: Framing, data: &[u8], size: usize) -> Result<(Vec<u8>, usize), BrokenFraming> {
        let (mut track, mut payload, mut used) = (BodyTrack::new(framing), Vec::new(), 0);
        for piece in data.chunks(size) {
            let n = track.advance(piece, |range| payload.extend_from_slice(&piece[range]))?;
            used += n;
            if track.is_done() {
                break;
            }
        }
        assert!(track.is_done());
        Ok((payload, data.len() - used))
    }

    #[test]
    fn lengths_end_where_they_say() {
        for size in 1..8 {
            assert_eq!(feed(Framing::Length(3), b"abcdef", size), Ok((b"abc".to_vec(), 3)));
        }
    }

    #[test]
    fn trailers_and_extensions_belong_to_the_body() {
        let body = b"3;a=b\r\nabc\r\n0A \r\n0123456789\r\n0\r\nX-T: 1\r\nY: 2\r\n\r\nGET";
        for size in 1..body.len() {
            let seen = feed(Framing::Chunked, body, size);
            assert_eq!(seen, Ok((b"abc0123456789".to_vec(), 3)), "{size}");
        }
    }

    #[test]
    fn broken_chunks_are_noticed() {
        for body in [
            "x\r\n",
            "\r\n",
            "3\nabc",
            "3\r\nabcd",
            "3\r\nabc\n",
            "1000000000000000\r\n",
            "-1\r\n",
            "0\r\nA: b\n",
            "0\r\n\n",
        ] {
            let mut track = BodyTrack::new(Framing::Chunked);
            assert_eq!(track.advance(body.as_bytes(), |_| {}), Err(BrokenFraming), "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            size in 1usize..50,
        ) {
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\n");
            prop_assert_eq!(feed(Framing::Chunked, &body, size), Ok((chunks.concat(), 0)));
        }
    }
}
