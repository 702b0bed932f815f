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
