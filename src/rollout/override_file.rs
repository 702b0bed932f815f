//! The file that overrules the shared record on this machine, `crs/rollout.override` in the data
//! folder: a phase, then the reason. It needs nothing but a disk; deleting it ends it.

use std::{fs, io, path::Path};

use super::Phase;

/// Most of the file that is read.
const READ_MAX: usize = 4096;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Phase of this instance.
    pub phase: Phase,
    /// Why.
    pub reason: String,
}

impl Override {
    /// Reads its text. A file that nobody can make sense of was put there to stop something, so it
    /// means `observe`.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        match word.parse() {
            Ok(phase) => Self { phase, reason: rest.trim().to_owned() },
            Err(_) if text.is_empty() => {
                Self { phase: Phase::Observe, reason: "the override file is empty".into() }
            }
            Err(_) => Self {
                phase: Phase::Observe,
                reason: "the override file does not begin with a phase".into(),
            },
        }
    }

    /// Its text.
    pub fn text(&self) -> String {
        format!("{} {}\n", self.phase, self.reason.replace(['\n', '\r'], " "))
    }
}

/// Reads the file; `None` when there is none.
pub fn read(path: &Path) -> Option<Override> {
    match fs::read(path) {
        Ok(bytes) => {
            let text = bytes.get(..READ_MAX).unwrap_or(&bytes);
            Some(Override::parse(&String::from_utf8_lossy(text)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Override {
            phase: Phase::Observe,
            reason: format!("the override file cannot be read: {error}"),
        }),
    }
}

/// Writes the file whole, so that nobody reads half of it.
///
/// # Errors
/// When the disk refuses.
pub fn write(path: &Path, said: &Override) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let draft = path.with_extension(format!("override.{}", std::process::id()));
    fs::write(&draft, said.text())?;
    fs::rename(&draft, path)
}

/// Removes the file; whether there was one.
///
/// # Errors
/// When it is there and stays.
pub fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
