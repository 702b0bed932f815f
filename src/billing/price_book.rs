//! The prices in force: the operator's `data/model_pricing.json` when there is one, else the built-in
//! table; reloaded when the file changes.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::prices::PriceTable;

/// How often [`PriceBook::watch`] looks at the file.
const POLL: Duration = Duration::from_secs(5);

/// Shared, reloadable price table.
#[derive(Debug)]
pub struct PriceBook {
    file: PathBuf,
    current: ArcSwap<PriceTable>,
    seen: Mutex<Option<SystemTime>>,
}

impl PriceBook {
    /// Opens `{data_dir}/model_pricing.json`; without a readable file the built-in table counts.
    pub fn open(data_dir: &Path) -> Self {
        let file = data_dir.join("model_pricing.json");
        let seen = modified(&file);
        let table = match seen.map(|_| read(&file)) {
            Some(Ok(table)) => table,
            Some(Err(error)) => {
                tracing::warn!(%error, file = %file.display(), "price file unusable, built-in prices apply");
                PriceTable::built_in()
            }
            None => PriceTable::built_in(),
        };
        Self { file, current: ArcSwap::from_pointee(table), seen: Mutex::new(seen) }
    }

    /// A book with the built-in prices and no file.
    pub fn built_in() -> Self {
        Self {
            file: PathBuf::new(),
            current: ArcSwap::from_pointee(PriceTable::built_in()),
            seen: Mutex::new(None),
        }
    }

    /// The prices in force now.
    pub fn current(&self) -> Arc<PriceTable> {
        self.current.load_full()
    }

    /// Looks whether the file changed and reloads it. A file that became unreadable or empty leaves the
    /// prices as they are; one that was removed brings the built-in table back.
    pub fn refresh(&self) {
        let now = modified(&self.file);
        let mut seen = self.seen.lock();
        if *seen == now {
            return;
        }
        *seen = now;
        let table = if now.is_some() { read(&self.file) } else { Ok(PriceTable::built_in()) };
        match table {
            Ok(table) if !table.is_empty() => {
                tracing::info!(models = table.len(), "prices reloaded");
                self.current.store(Arc::new(table));
            }
            Ok(_) => tracing::warn!("price file has no model, prices unchanged"),
            Err(error) => tracing::warn!(%error, "price file unusable, prices unchanged"),
        }
    }

    /// Whether there is no file, or one older than `age`.
    pub fn is_outdated(&self, age: Duration) -> bool {
        modified(&self.file).is_none_or(|at| at.elapsed().is_ok_and(|elapsed| elapsed > age))
    }

    /// Where the file is, or would be.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// How long ago the file was written; `None` without one.
    pub fn age(&self) -> Option<Duration> {
        modified(&self.file)?.elapsed().ok()
    }

    /// Checksum of the file: the one noted beside it when it was fetched, else computed; `None` without
    /// a file.
    pub fn checksum(&self) -> Option<String> {
        let content = fs::read(&self.file).ok()?;
        let noted = fs::read_to_string(self.checksum_file()).unwrap_or_default();
        match noted.trim() {
            "" => Some(hex::encode(Sha256::digest(content))),
            noted => Some(noted.to_owned()),
        }
    }

    /// Takes newly fetched prices into use: replaces the file and notes its checksum, in the layout the
    /// legacy service uses.
    ///
    /// # Errors
    /// When the content is not a table with at least one model (nothing changes then), or the file
    /// cannot be written.
    pub fn install(&self, content: &[u8]) -> io::Result<()> {
        let text = std::str::from_utf8(content).map_err(io::Error::other)?;
        if PriceTable::from_json(text).map_err(io::Error::other)?.is_empty() {
            return Err(io::Error::other("no model has a price"));
        }
        if let Some(dir) = self.file.parent() {
            fs::create_dir_all(dir)?;
        }
        let fresh = self.file.with_extension("json.new");
        fs::write(&fresh, content)?;
        fs::rename(&fresh, &self.file)?;
        fs::write(self.checksum_file(), format!("{}\n", hex::encode(Sha256::digest(content))))?;
        self.refresh();
        Ok(())
    }

    fn checksum_file(&self) -> PathBuf {
        self.file.with_extension("sha256")
    }

    /// Calls [`PriceBook::refresh`] from time to time; never returns. Drop the future to stop.
    pub async fn watch(&self) {
        loop {
            tokio::time::sleep(POLL).await;
            self.refresh();
        }
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|meta| meta.modified()).ok()
}

fn read(file: &Path) -> io::Result<PriceTable> {
    PriceTable::from_json(&fs::read_to_string(file)?).map_err(io::Error::other)
}
