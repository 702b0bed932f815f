//! The journal on disk: one folder per process, held by a file lock; in it the instance's name, the
//! number of the last entry known to be applied, and the entries in files that are dropped once applied.

use std::{
    collections::VecDeque,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{UsageEvent, frame};

/// A file is closed and another begun at this size.
const FILE_BYTES: u64 = 8 << 20;
/// A wholly applied current file is replaced from this size on.
const WORTH_DROPPING: u64 = 256 << 10;
/// More processes than this on one directory are refused.
const MAX_PROCESSES: usize = 64;
const ENTRY_SUFFIX: &str = "entries";

/// An open journal; its folder is this process's alone.
pub(super) struct Journal {
    folder: PathBuf,
    instance: String,
    applied_file: File,
    applied: u64,
    last: u64,
    current: Option<Part>,
    files: VecDeque<Closed>,
    disk_bytes: u64,
    buffer: Vec<u8>,
    /// Held, not read: dropping it gives the folder back.
    _lock: File,
}

/// What a process that is gone left behind.
pub(super) struct Adopted(Journal);

/// Files to read, oldest first.
pub(super) struct Files {
    after: u64,
    paths: Vec<PathBuf>,
}

/// The file being written.
struct Part {
    file: File,
    path: PathBuf,
    bytes: u64,
    last: u64,
}

/// A file that only waits to be applied.
struct Closed {
    path: PathBuf,
    bytes: u64,
    last: u64,
}

impl Journal {
    /// Takes the first free folder under `dir`, and what other free folders still hold.
    pub(super) fn open(dir: &Path, disk_bytes: u64) -> io::Result<(Self, Vec<Adopted>)> {
        let mut own = None;
        let mut adopted = Vec::new();
        for slot in 0..MAX_PROCESSES {
            let folder = dir.join(slot.to_string());
            if own.is_some() && !folder.exists() {
                break;
            }
            let Some(journal) = Self::take(folder, disk_bytes)? else { continue };
            if own.is_none() {
                own = Some(journal);
            } else if journal.has_entries() {
                adopted.push(Adopted(journal));
            }
        }
        let own = own.ok_or_else(|| io::Error::other("too many processes use this directory"))?;
        Ok((own, adopted))
    }

    /// Name of this journal in Redis.
    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    /// Number of the last entry known to be applied.
    pub(super) fn applied(&self) -> u64 {
        self.applied
    }

    /// Whether files hold entries that may not be applied.
    pub(super) fn has_entries(&self) -> bool {
        self.files.iter().any(|file| file.last > self.applied)
    }

    /// Hands out the next number.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Writes one entry. After an error the file holds only whole entries again, or is left for good.
    pub(super) fn write(&mut self, number: u64, payload: &[u8]) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        frame::encode(number, payload, &mut buffer);
        let result = self.write_bytes(number, &buffer);
        self.buffer = buffer;
        result
    }

    /// The files that hold entries after `number`.
    pub(super) fn files_after(&self, number: u64) -> Files {
        let current = self.current.iter().map(|part| (&part.path, part.last));
        let files = self.files.iter().map(|file| (&file.path, file.last)).chain(current);
        let paths =
            files.filter(|(_, last)| *last > number).map(|(path, _)| path.clone()).collect();
        Files { after: number, paths }
    }

    /// Number of the last entry found when the journal was opened.
    pub(super) fn last_in_files(&self) -> u64 {
        self.files.back().map_or(0, |file| file.last)
    }

    /// Notes that entries up to `number` are applied and drops files that are no longer needed.
    pub(super) fn mark_applied(&mut self, number: u64) {
        self.applied = self.applied.max(number);
        let line = applied_line(self.applied);
        if let Err(error) = self.applied_file.write_all_at(line.as_bytes(), 0) {
            // The marker in Redis says the same; this file only spares asking.
            tracing::warn!(%error, "usage journal: progress not noted");
        }
        while let Some(file) = self.files.front().filter(|file| file.last <= self.applied) {
            remove(&file.path);
            self.files.pop_front();
        }
        let spent = |part: &mut Part| part.last <= number && part.bytes >= WORTH_DROPPING;
        if let Some(part) = self.current.take_if(spent) {
            remove(&part.path);
        }
    }

    /// Takes a new name, because another process writes under the present one (a copied folder).
    pub(super) fn rename_instance(&mut self) {
        self.instance = uuid::Uuid::new_v4().to_string();
        if let Err(error) = private_file(&self.folder.join("instance"))
            .and_then(|mut file| file.write_all(self.instance.as_bytes()))
        {
            tracing::warn!(%error, "usage journal: new name not kept");
        }
    }

    fn take(folder: PathBuf, disk_bytes: u64) -> io::Result<Option<Self>> {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let lock = options().truncate(false).open(folder.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
        let instance = instance_name(&folder)?;
        let mut applied_file = options().read(true).truncate(false).open(folder.join("applied"))?;
        let applied = read_applied(&mut applied_file);
        let mut journal = Self {
            files: closed_files(&folder)?,
            folder,
            instance,
            applied_file,
            applied,
            last: 0,
            current: None,
            disk_bytes,
            buffer: Vec::new(),
            _lock: lock,
        };
        let in_files = journal.files.back().map_or(0, |file| file.last);
        // Numbers also grow with time, so that a folder that lost its files cannot reuse old ones.
        journal.last = in_files.max(applied).max(now_micros());
        journal.mark_applied(applied);
        Ok(Some(journal))
    }

    fn write_bytes(&mut self, number: u64, bytes: &[u8]) -> io::Result<()> {
        let size = bytes.len() as u64;
        let waiting: u64 = self.files.iter().map(|file| file.bytes).sum();
        let written = self.current.as_ref().map_or(0, |part| part.bytes);
        if waiting + written + size > self.disk_bytes {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "journal size limit reached"));
        }
        if let Some(part) = self.current.take_if(|part| part.bytes >= FILE_BYTES) {
            self.close(part);
        }
        let mut part = match self.current.take() {
            Some(part) => part,
            None => self.begin(number)?,
        };
        let result = part.file.write_all(bytes);
        match result {
            Ok(()) => {
                part.bytes += size;
                part.last = number;
                self.current = Some(part);
            }
            // Half an entry would hide all that follow it.
            Err(_) if part.file.set_len(part.bytes).is_ok() => self.current = Some(part),
            Err(_) => self.close(part),
        }
        result
    }

    fn begin(&self, number: u64) -> io::Result<Part> {
        let path = self.folder.join(format!("{number:020}.{ENTRY_SUFFIX}"));
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        Ok(Part { file, path, bytes: 0, last: number })
    }

    fn close(&mut self, part: Part) {
        self.files.push_back(Closed { path: part.path, bytes: part.bytes, last: part.last });
    }
}

impl Files {
    /// Reads entries in order until about `limit` are found; a file is never split.
    pub(super) fn read(&self, limit: usize) -> Vec<(u64, UsageEvent)> {
        let mut found = Vec::new();
        for path in &self.paths {
            match fs::read(path) {
                Ok(bytes) => found.extend(
                    frame::decode(&bytes)
                        .filter(|(number, _)| *number > self.after)
                        .filter_map(|(number, event)| Some((number, event?))),
                ),
                Err(error) => {
                    tracing::error!(%error, file = %path.display(), "usage journal unreadable");
                }
            }
            if found.len() >= limit {
                break;
            }
        }
        found
    }
}

impl Adopted {
    /// Name of the journal in Redis.
    pub(super) fn instance(&self) -> &str {
        self.0.instance()
    }

    /// Number of the last entry known to be applied.
    pub(super) fn applied(&self) -> u64 {
        self.0.applied()
    }

    /// The files with entries after `number`.
    pub(super) fn files_after(&self, number: u64) -> Files {
        self.0.files_after(number)
    }

    /// As for the own journal; drops what is applied.
    pub(super) fn mark_applied(&mut self, number: u64) {
        self.0.mark_applied(number);
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

fn private_file(path: &Path) -> io::Result<File> {
    options().truncate(true).open(path)
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(%error, file = %path.display(), "usage journal: applied file stays");
    }
}

fn instance_name(folder: &Path) -> io::Result<String> {
    let path = folder.join("instance");
    let known = fs::read_to_string(&path).unwrap_or_default();
    if uuid::Uuid::try_parse(known.trim()).is_ok() {
        return Ok(known.trim().to_owned());
    }
    let name = uuid::Uuid::new_v4().to_string();
    private_file(&path)?.write_all(name.as_bytes())?;
    Ok(name)
}

/// The entry files of a folder in order, torn ends ignored.
fn closed_files(folder: &Path) -> io::Result<VecDeque<Closed>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|suffix| suffix == ENTRY_SUFFIX))
        .collect();
    paths.sort();
    let mut files = VecDeque::new();
    for path in paths {
        let (last, whole) = frame::extent(&fs::read(&path)?);
        match last {
            Some(last) => files.push_back(Closed { path, bytes: whole as u64, last }),
            None => remove(&path),
        }
    }
    Ok(files)
}

fn applied_line(number: u64) -> String {
    let digits = format!("{number:020}");
    format!("{digits} {:08x}\n", crc32fast::hash(digits.as_bytes()))
}

/// The number of an intact line, else 0: then the marker in Redis decides alone.
fn read_applied(file: &mut File) -> u64 {
    let mut text = String::new();
    if file.read_to_string(&mut text).is_err() {
        return 0;
    }
    let number = text.get(..20).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    if applied_line(number) == text { number } else { 0 }
}

fn now_micros() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| u64::try_from(elapsed.as_micros()).unwrap_or(0))
}
