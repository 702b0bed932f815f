//! Putting files where crs reads them. Nothing that is there is lost: it stays, or is kept beside what
//! replaces it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::Context;

/// A longer file is none of those that are taken.
const FILE_MAX: u64 = 64 << 20;

/// The bytes of a file; `None` when there is none.
///
/// # Errors
/// When it is there and cannot be read, or is longer than any such file.
pub(super) fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let read = || {
        let length = fs::metadata(path)?.len();
        if length > FILE_MAX {
            return Err(io::Error::other(format!("{length} bytes are too many")));
        }
        fs::read(path)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// When a file was last written.
pub(super) fn written(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

/// Writes a file that only its owner can read, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(path: &Path, bytes: &[u8], modified: Option<SystemTime>) -> anyhow::Result<()> {
    let put = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let fresh = folder.join(format!(".{name}.{}", std::process::id()));
        let mut file = new_private(&fresh)?;
        let written = file.write_all(bytes).and_then(|()| {
            if let Some(modified) = modified {
                file.set_modified(modified)?;
            }
            file.sync_all()?;
            fs::rename(&fresh, path)
        });
        if written.is_err() {
            // What is half written must not stay.
            let _ = fs::remove_file(&fresh);
        }
        written
    };
    put().with_context(|| format!("cannot write {}", path.display()))
}

/// Keeps what stands at a path beside it, under a name that is free.
///
/// # Errors
/// When it cannot be copied.
pub(super) fn keep(path: &Path) -> anyhow::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut nth = 0;
    loop {
        let number = if nth == 0 { String::new() } else { format!(".{nth}") };
        let kept = path.with_file_name(format!("{name}.before-import{number}"));
        match new_private(&kept) {
            Ok(mut file) => {
                let copied = file.write_all(&bytes).and_then(|()| file.sync_all());
                copied.with_context(|| format!("cannot write {}", kept.display()))?;
                return Ok(kept);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => nth += 1,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot write {}", kept.display()));
            }
        }
    }
}

fn new_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
