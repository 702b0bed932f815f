//! Daily log files: numbered beyond a size, old ones compressed, the oldest removed.
//!
//! Names are the legacy service's: `claude-relay-2025-01-31.log`, continued in `….log.1`, `….log.2`,
//! each left one compressed to `….gz`. The newest `LOG_MAX_FILES` of a kind are kept. The date is that
//! of the process's time zone.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use jiff::Zoned;

/// Kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Everything.
    Main,
    /// Errors.
    Error,
    /// Security events.
    Security,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Main, Self::Error, Self::Security];

    fn stem(self) -> &'static str {
        match self {
            Self::Main => "claude-relay-",
            Self::Error => "claude-relay-error-",
            Self::Security => "claude-relay-security-",
        }
    }
}

/// The log folder with its open files.
pub struct Folder {
    dir: PathBuf,
    max_size: u64,
    max_files: usize,
    open: [Option<Open>; 3],
}

struct Open {
    file: File,
    place: Place,
    size: u64,
}

/// A file's place in the order of one kind: its date, then its number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    date: String,
    number: u32,
}

impl Place {
    fn name(&self, kind: Kind) -> String {
        let stem = kind.stem();
        match self.number {
            0 => format!("{stem}{}.log", self.date),
            n => format!("{stem}{}.log.{n}", self.date),
        }
    }

    /// The place that a file name of this kind tells, compressed or not.
    fn of(kind: Kind, name: &str) -> Option<Self> {
        let rest = name.strip_prefix(kind.stem())?;
        let (date, rest) = rest.split_at_checked(10)?;
        let date_like = date.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
        let rest = rest.strip_suffix(".gz").unwrap_or(rest).strip_prefix(".log")?;
        let number = match rest.strip_prefix('.') {
            Some(number) => number.parse().ok()?,
            None if rest.is_empty() => 0,
            None => return None,
        };
        date_like.then(|| Self { date: date.to_owned(), number })
    }
}

impl Folder {
    /// Opens (and makes) the folder.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn open(dir: &Path, max_size: u64, max_files: u32) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let max_files = usize::try_from(max_files).unwrap_or(usize::MAX);
        let mut folder =
            Self { dir: dir.to_owned(), max_size, max_files, open: [const { None }; 3] };
        let today = today();
        for kind in Kind::ALL {
            folder.switch(kind, &today)?;
        }
        Ok(folder)
    }

    /// Appends one line to today's file of a kind. Trouble is dropped: there is nowhere to tell it.
    pub fn write(&mut self, kind: Kind, line: &str) {
        self.write_on(kind, line, &today());
    }

    fn write_on(&mut self, kind: Kind, line: &str, date: &str) {
        let slot = kind as usize;
        let usable = self.open[slot]
            .as_ref()
            .is_some_and(|open| open.place.date == date && open.size < self.max_size);
        if !usable && self.switch(kind, date).is_err() {
            return;
        }
        if let Some(open) = &mut self.open[slot]
            && open.file.write_all(line.as_bytes()).is_ok()
        {
            open.size += line.len() as u64;
        }
    }

    /// Leaves the open file of a kind and opens the one to write at `date`.
    fn switch(&mut self, kind: Kind, date: &str) -> io::Result<()> {
        let left = self.open[kind as usize].take();
        let newest = self.places(kind)?.into_iter().filter(|place| place.date == date).max();
        let mut place = newest.unwrap_or_else(|| Place { date: date.to_owned(), number: 0 });
        loop {
            let path = self.dir.join(place.name(kind));
            let full = fs::metadata(&path).is_ok_and(|found| found.len() >= self.max_size);
            if !full && !compressed(&path).exists() {
                break;
            }
            place.number += 1;
        }
        let path = self.dir.join(place.name(kind));
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let size = file.metadata()?.len();
        self.open[kind as usize] = Some(Open { file, place, size });
        if let Some(left) = left {
            compress(&self.dir.join(left.place.name(kind)))?;
        }
        self.remove_oldest(kind)
    }

    fn places(&self, kind: Kind) -> io::Result<Vec<Place>> {
        let mut places: Vec<Place> = fs::read_dir(&self.dir)?
            .filter_map(Result::ok)
            .filter_map(|entry| Place::of(kind, &entry.file_name().to_string_lossy()))
            .collect();
        places.sort();
        places.dedup();
        Ok(places)
    }

    fn remove_oldest(&self, kind: Kind) -> io::Result<()> {
        let places = self.places(kind)?;
        let excess = places.len().saturating_sub(self.max_files);
        for place in places.into_iter().take(excess) {
            let path = self.dir.join(place.name(kind));
            for path in [compressed(&path), path] {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn today() -> String {
    Zoned::now().strftime("%Y-%m-%d").to_string()
}

fn compressed(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    PathBuf::from(name)
}

fn compress(path: &Path) -> io::Result<()> {
    let mut input = File::open(path)?;
    let mut output = GzEncoder::new(File::create(compressed(path))?, Compression::default());
    io::copy(&mut input, &mut output)?;
    output.finish()?;
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {

    use std::io::Read;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| Place::of(Kind::Main, name).is_some())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_full_file_goes_on_in_a_numbered_one_and_old_days_leave() {
        let dir = std::env::temp_dir().join(format!("crs-logs-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        let mut folder =
            Folder { dir: dir.clone(), max_size: 8, max_files: 3, open: [const { None }; 3] };
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("claude-relay-audit.txt"), "not a log").unwrap();

        for _ in 0..2 {
            folder.write_on(Kind::Main, "12345678\n", "2025-01-30");
        }
        assert_eq!(
            names(&dir),
            ["claude-relay-2025-01-30.log.1", "claude-relay-2025-01-30.log.gz"]
        );
        let mut text = String::new();
        let packed = File::open(dir.join("claude-relay-2025-01-30.log.gz")).unwrap();
        flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
        assert_eq!(text, "12345678\n");

        folder.write_on(Kind::Main, "a\n", "2025-01-31");
        folder.write_on(Kind::Main, "b\n", "2025-02-01");
        folder.write_on(Kind::Error, "e\n", "2025-02-01");
        assert_eq!(
            names(&dir),
            [
                "claude-relay-2025-01-30.log.1.gz",
                "claude-relay-2025-01-31.log.gz",
                "claude-relay-2025-02-01.log"
            ]
        );
        assert!(dir.join("claude-relay-error-2025-02-01.log").exists());

        // A restart on the same day appends.
        let mut again =
            Folder { dir: dir.clone(), max_size: 8, max_files: 3, open: [const { None }; 3] };
        again.write_on(Kind::Main, "c\n", "2025-02-01");
        assert_eq!(fs::read_to_string(dir.join("claude-relay-2025-02-01.log")).unwrap(), "b\nc\n");
        fs::remove_dir_all(&dir).unwrap();
    }
}
