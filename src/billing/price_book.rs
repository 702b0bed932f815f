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
            Some(Ok(table)) => {
                if table.is_empty() {
                    tracing::warn!(file = %file.display(), "price file has no model, all cost as unknown ones");
                }
                table
            }
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
        let text = String::from_utf8_lossy(content);
        if PriceTable::from_json(&text).map_err(io::Error::other)?.is_empty() {
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
    // Bytes that are no text spoil the name they stand in, not the file.
    let content = fs::read(file)?;
    PriceTable::from_json(&String::from_utf8_lossy(&content)).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::billing::cost::{Usage, calculate};

    const BUILT_IN: usize = 222;

    /// What a file makes of the prices at a start without a mirror, and what 1000 tokens of `gpt-5` and of
    /// `claude-sonnet-4-20250514` then cost: as found with the legacy service. There, too, a file that is
    /// no JSON gives way to the bundled table.
    #[rstest]
    #[case(b"", BUILT_IN, 0.00125, 0.003)]
    #[case(b"<html>x</html>", BUILT_IN, 0.00125, 0.003)]
    #[case(b"{\"gpt-5\":{\"input_cost", BUILT_IN, 0.00125, 0.003)]
    #[case(b"null", BUILT_IN, 0.00125, 0.003)]
    #[case(b"\xef\xbb\xbf{\"gpt-5\":{\"input_cost_per_token\":1e-6}}", BUILT_IN, 0.00125, 0.003)]
    #[case(b"5", 0, 0.003, 0.003)]
    #[case(b"[]", 0, 0.003, 0.003)]
    #[case(b"{}", 0, 0.003, 0.003)]
    #[case(b"\"abc\"", 0, 0.003, 0.0)]
    #[case(b"[{\"input_cost_per_token\":1e-6}]", 1, 0.003, 0.001)]
    #[case(b"{\"error\":\"not found\"}", 0, 0.003, 0.003)]
    #[case(b"{\"gpt-5\":{\"input_cost_per_token\":1e-6},\"x\xff\":{}}", 2, 0.001, 0.003)]
    #[case(
        b"{\"a\":{},\"gpt-5\":{\"input_cost_per_token\":1e-6},\"a\":{\"input_cost_per_token\":9}}",
        2,
        0.001,
        9000.0
    )]
    fn odd_files_price_as_in_the_legacy_service(
        #[case] content: &[u8],
        #[case] models: usize,
        #[case] gpt: f64,
        #[case] claude: f64,
    ) {
        let dir = std::env::temp_dir().join(format!("crs-prices-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("model_pricing.json"), content).unwrap();
        let book = PriceBook::open(&dir);
        assert_eq!(book.current().len(), models);
        let usage = Usage { input: 1000, ..Usage::default() };
        let cost = |model| calculate(&book.current(), &usage, model).total;
        assert_eq!((cost("gpt-5"), cost("claude-sonnet-4-20250514")), (gpt, claude));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_file_that_breaks_while_running_leaves_the_prices() {
        let dir = std::env::temp_dir().join(format!("crs-prices-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join("model_pricing.json");
        fs::write(&file, r#"{"a":{"input_cost_per_token":1}}"#).unwrap();
        let book = PriceBook::open(&dir);
        for (age, content) in [(30, "{\"a\":{"), (20, "<html>"), (10, "{}"), (5, "[]")] {
            fs::write(&file, content).unwrap();
            let at = SystemTime::now() - Duration::from_secs(age);
            fs::File::options().append(true).open(&file).unwrap().set_modified(at).unwrap();
            book.refresh();
            assert_eq!(book.current().len(), 1, "{content}");
        }
        assert!(book.install(b"<html>").is_err() && book.install(b"{\"error\":1}").is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "[]", "nothing was installed");
        book.install(br#"{"a":{},"b":{}}"#).unwrap();
        assert_eq!(book.current().len(), 2);
        fs::remove_file(&file).unwrap();
        book.refresh();
        assert_eq!(book.current().len(), BUILT_IN);
        fs::remove_dir_all(dir).unwrap();
    }
}
