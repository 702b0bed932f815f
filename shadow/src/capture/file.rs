//! Files of captures, to be carried to another machine: a JSON header line, then one sealed capture
//! per line in base64.

use std::io::{self, BufRead, Read, Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{Capture, LARGEST, OpenError, Sealer};

const FORMAT: &str = "crs-captures";
const VERSION: u32 = 1;
/// Longest line: base64 of the largest capture, and its envelope.
const LINE: u64 = (LARGEST as u64 + 70_000) * 4 / 3 + 4;

/// First line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Always `crs-captures`.
    pub format: String,
    /// Version of the format.
    pub version: u32,
    /// When it was written, milliseconds since 1970.
    pub written_ms: i64,
    /// Id of the key that the captures are sealed under.
    pub key_id: String,
}

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Not a file of captures.
    #[error("this is no file of captures: {0}")]
    NotCaptures(String),
    /// A capture cannot be opened.
    #[error("line {line}: {error}")]
    Capture {
        /// The line, from 1.
        line: usize,
        /// Why.
        error: OpenError,
    },
    /// A line is no base64 or too long.
    #[error("line {line}: {why}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// Why.
        why: String,
    },
}

/// Writes sealed captures and returns how many.
pub fn write(
    out: &mut impl Write,
    sealer: &Sealer,
    written_ms: i64,
    sealed: impl IntoIterator<Item = Vec<u8>>,
) -> Result<usize, FileError> {
    let header =
        Header { format: FORMAT.into(), version: VERSION, written_ms, key_id: sealer.key_id() };
    let header = serde_json::to_string(&header).map_err(io::Error::other)?;
    writeln!(out, "{header}")?;
    let mut count = 0;
    for capture in sealed {
        writeln!(out, "{}", STANDARD.encode(capture))?;
        count += 1;
    }
    out.flush()?;
    Ok(count)
}

/// Reads a file capture by capture; one that cannot be opened is told with its line and the next one
/// can still be read.
pub fn read<'a, R: BufRead + 'a>(
    mut input: R,
    sealer: &'a Sealer,
) -> Result<(Header, impl Iterator<Item = Result<Capture, FileError>> + 'a), FileError> {
    let mut first = String::new();
    (&mut input).take(4096).read_line(&mut first)?;
    let header: Header = serde_json::from_str(&first)
        .map_err(|_| FileError::NotCaptures("the first line is no header".into()))?;
    if header.format != FORMAT || header.version != VERSION {
        let why = format!("format `{}` version {}", header.format, header.version);
        return Err(FileError::NotCaptures(why));
    }
    let mut line = 1;
    let mut ended = false;
    let captures = std::iter::from_fn(move || {
        while !ended {
            line += 1;
            let mut text = String::new();
            match (&mut input).take(LINE).read_line(&mut text) {
                Ok(0) => return None,
                Ok(n) if n as u64 == LINE => {
                    ended = true;
                    return Some(Err(FileError::Line { line, why: "too long".into() }));
                }
                Ok(_) if text.trim().is_empty() => {}
                Ok(_) => return Some(one(text.trim(), line, sealer)),
                Err(error) => {
                    ended = true;
                    return Some(Err(error.into()));
                }
            }
        }
        None
    });
    Ok((header, captures))
}

fn one(text: &str, line: usize, sealer: &Sealer) -> Result<Capture, FileError> {
    let sealed = STANDARD
        .decode(text)
        .map_err(|error| FileError::Line { line, why: format!("no base64: {error}") })?;
    sealer.open(&sealed).map_err(|error| FileError::Capture { line, error })
}
