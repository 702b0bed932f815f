//! Captured cases on disk: sealed, private, bounded in number, size and age.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use shadow::capture::{Capture, OpenError, Sealer};
use thiserror::Error;

/// Ending of a case's file.
const ENDING: &str = "case";
/// Shortest beginning of an id that stands for it.
const BEGINNING: usize = 4;

/// Bounds of the shelf. Beyond them the oldest cases go.
#[derive(Clone, Copy, Debug)]
pub struct ShelfLimits {
    /// Cases.
    pub count: usize,
    /// Bytes of all cases.
    pub bytes: u64,
    /// Age.
    pub age: Duration,
}

impl Default for ShelfLimits {
    fn default() -> Self {
        Self { count: 1_000, bytes: 256 << 20, age: Duration::from_secs(7 * 86_400) }
    }
}

/// A case cannot be kept or read.
#[derive(Debug, Error)]
pub enum ShelfError {
    /// The folder or file cannot be used.
    #[error("captures in {}: {source}", folder.display())]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No case of that id.
    #[error("there is no case {0}; `crs shadow report` names cases, and old ones are dropped")]
    Unknown(String),
    /// More cases than one.
    #[error("more cases than one begin with {0}; say more of the id")]
    Ambiguous(String),
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Cases in a folder.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
    limits: ShelfLimits,
}

impl Shelf {
    /// The shelf in this folder, which is made when the first case is kept.
    pub fn new(folder: PathBuf, limits: ShelfLimits) -> Self {
        Self { folder, limits }
    }

    /// Keeps a sealed case.
    ///
    /// # Errors
    /// When the disk does not take it; nothing half written stays.
    pub fn keep(&self, id: &str, sealed: &[u8]) -> Result<(), ShelfError> {
        use std::{
            io::Write,
            os::unix::fs::{DirBuilderExt, OpenOptionsExt},
        };
        let failed = |source| ShelfError::Folder { folder: self.folder.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(failed)?;
        let path = self.path(id);
        let part = path.with_extension("part");
        let written = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)
            .and_then(|mut file| file.write_all(sealed))
            .and_then(|()| fs::rename(&part, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&part);
            return Err(failed(error));
        }
        self.tidy();
        Ok(())
    }

    /// One case, by its id or as much of its beginning as tells it from others.
    ///
    /// # Errors
    /// When there is none or more than one, or it does not open with this key.
    pub fn open(&self, id: &str, sealer: &Sealer) -> Result<Capture, ShelfError> {
        Ok(sealer.open(&self.sealed(id)?)?)
    }

    /// One case as it lies there, found as by [`Shelf::open`].
    ///
    /// # Errors
    /// When there is none or more than one.
    pub fn sealed(&self, id: &str) -> Result<Vec<u8>, ShelfError> {
        let mut path = self.path(id);
        if !path.exists() && id.len() >= BEGINNING {
            let ids = self.ids();
            let mut found = ids.iter().filter(|known| known.starts_with(id));
            match (found.next(), found.next()) {
                (Some(known), None) => path = self.path(known),
                (Some(_), Some(_)) => return Err(ShelfError::Ambiguous(id.to_owned())),
                (None, _) => {}
            }
        }
        fs::read(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ShelfError::Unknown(id.to_owned()),
            _ => ShelfError::Folder { folder: self.folder.clone(), source: error },
        })
    }

    /// Ids of all cases, oldest first.
    pub fn ids(&self) -> Vec<String> {
        self.files().into_iter().filter_map(|file| stem(&file.path)).collect()
    }

    /// Removes all cases.
    pub fn clear(&self) {
        for file in self.files() {
            let _ = fs::remove_file(file.path);
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        // An id from a command line must not lead out of the folder.
        let safe: String =
            id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(80).collect();
        self.folder.join(safe).with_extension(ENDING)
    }

    fn tidy(&self) {
        let files = self.files();
        let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
        let mut count = files.len();
        let now = SystemTime::now();
        for file in files {
            let old = now.duration_since(file.at).is_ok_and(|age| age > self.limits.age);
            if !old && count <= self.limits.count && bytes <= self.limits.bytes {
                break;
            }
            if fs::remove_file(&file.path).is_ok() {
                count -= 1;
                bytes -= file.bytes;
            }
        }
    }

    /// Oldest first.
    fn files(&self) -> Vec<Kept> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut files: Vec<Kept> = entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|ending| ending == ENDING))
            .filter_map(|entry| {
                let known = entry.metadata().ok()?;
                Some(Kept { path: entry.path(), bytes: known.len(), at: known.modified().ok()? })
            })
            .collect();
        files.sort_by(|a, b| (a.at, &a.path).cmp(&(b.at, &b.path)));
        files
    }
}

struct Kept {
    path: PathBuf,
    bytes: u64,
    at: SystemTime,
}

fn stem(path: &Path) -> Option<String> {
    path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_ids_stay_inside() {
        let folder = std::env::temp_dir().join(format!("crs-shelf-{}", uuid::Uuid::new_v4()));
        let limits = ShelfLimits { count: 3, ..ShelfLimits::default() };
        let shelf = Shelf::new(folder.clone(), limits);
        assert!(shelf.ids().is_empty());
        for n in 0..5 {
            shelf.keep(&format!("case-{n}"), b"sealed").unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(shelf.ids(), ["case-2", "case-3", "case-4"]);
        assert!(matches!(shelf.sealed("case-0"), Err(ShelfError::Unknown(_))));
        assert!(shelf.sealed("../../etc/passwd").is_err());
        assert!(matches!(shelf.sealed("case-"), Err(ShelfError::Ambiguous(_))));
        assert!(matches!(shelf.sealed("cas"), Err(ShelfError::Unknown(_))), "too short");
        shelf.keep("d2c4a1f0-1111-4111-8111-111111111111", b"other").unwrap();
        assert_eq!(shelf.sealed("d2c4").unwrap(), b"other");
        let small = Shelf::new(folder.clone(), ShelfLimits { bytes: 7, ..limits });
        small.keep("case-9", b"sealed").unwrap();
        assert_eq!(small.ids(), ["case-9"]);
        small.clear();
        assert!(small.ids().is_empty());
        fs::remove_dir_all(folder).unwrap();
    }
}
