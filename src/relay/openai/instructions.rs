//! The instructions that the Codex backend expects from clients that are not Codex.
//!
//! They are no part of this service. They come from the operator's file, from the operator's legacy
//! installation (`crs import-legacy` leaves them in the data folder), or from the last genuine Codex client
//! whose request the backend took. Without any the client's own go out.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use compat::{
    keys,
    store::{Batch, Cmd, Store, StoreError},
    write_behind::WriteBehind,
};
use parking_lot::Mutex;

use crate::config::codex_instructions;

/// How long learned ones are kept without being seen again.
const KEPT_S: i64 = 30 * 24 * 3600;
/// How often what was seen again is kept for longer.
const RENEWED_MS: i64 = 24 * 3600 * 1000;
/// How often files and what other instances learned are looked at.
const POLL: Duration = Duration::from_secs(30);

/// Where instructions come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `CRS_CODEX_INSTRUCTIONS_FILE`
    File,
    /// The legacy installation.
    Imported,
    /// A genuine Codex client.
    Learned,
}

/// The instructions in force.
pub struct Instructions {
    shared: Arc<Shared>,
    /// Where new ones are written; `None` for runs without effects.
    writes: Option<WriteBehind>,
}

struct Shared {
    file: Option<PathBuf>,
    imported: PathBuf,
    fixed: ArcSwapOption<(Source, Arc<str>)>,
    learned: ArcSwapOption<Arc<str>>,
    /// When the learned ones were last written, epoch milliseconds.
    written_ms: Mutex<i64>,
    /// A request had to go without.
    missed: AtomicBool,
}

impl Instructions {
    /// Reads the files; `writes` is where learned instructions go.
    pub fn open(file: Option<&Path>, data_dir: &Path, writes: WriteBehind) -> Self {
        Self { writes: Some(writes), ..Self::of_files(file, data_dir) }
    }

    /// Those of the files alone, for runs without effects.
    pub fn of_files(file: Option<&Path>, data_dir: &Path) -> Self {
        let shared = Shared {
            file: file.map(Path::to_owned),
            imported: codex_instructions(data_dir),
            fixed: ArcSwapOption::default(),
            learned: ArcSwapOption::default(),
            written_ms: Mutex::default(),
            missed: AtomicBool::new(false),
        };
        shared.read_files();
        Self { shared: Arc::new(shared), writes: None }
    }

    /// The same instructions for runs without effects, which learn nothing.
    pub fn for_second_runs(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), writes: None }
    }

    /// The instructions to set; `None`, noted for the operator, when there are none.
    pub fn current(&self) -> Option<Arc<str>> {
        let known = self.known().map(|(_, text)| text);
        if known.is_none()
            && self.writes.is_some()
            && !self.shared.missed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!("{MISSING}");
        }
        known
    }

    /// Where they come from.
    pub fn source(&self) -> Option<Source> {
        self.known().map(|(source, _)| source)
    }

    fn known(&self) -> Option<(Source, Arc<str>)> {
        if let Some(fixed) = self.shared.fixed.load_full() {
            return Some((fixed.0, Arc::clone(&fixed.1)));
        }
        self.shared.learned.load_full().map(|text| (Source::Learned, Arc::clone(&*text)))
    }

    /// What operators should know: a request had to go without, and there are still none.
    pub fn warning(&self) -> Option<&'static str> {
        let missed = self.shared.missed.load(Ordering::Relaxed);
        (missed && self.source().is_none()).then_some(MISSING)
    }

    /// Remembers the instructions of a genuine client. Waits for nothing but a place in the queue.
    pub async fn learn(&self, text: &str, now_ms: i64) {
        let Some(writes) = &self.writes else { return };
        let changed = !self.shared.has_learned(text);
        {
            let mut written_ms = self.shared.written_ms.lock();
            if !changed && now_ms - *written_ms < RENEWED_MS {
                return;
            }
            *written_ms = now_ms;
        }
        let key = keys::CODEX_INSTRUCTIONS;
        let kept = if changed {
            self.shared.learned.store(Some(Arc::new(Arc::from(text))));
            Cmd::new("SETEX").arg(key).arg(KEPT_S).arg(text)
        } else {
            Cmd::new("EXPIRE").arg(key).arg(KEPT_S)
        };
        writes.send(vec![kept]).await;
    }

    /// Follows the files and what other instances learn; never returns. Drop the future to stop.
    pub async fn keep_fresh(&self, store: &dyn Store) {
        loop {
            self.shared.read_files();
            if self.shared.fixed.load().is_none()
                && let Err(error) = self.read_learned(store).await
            {
                tracing::debug!(%error, "learned instructions could not be read");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn read_learned(&self, store: &dyn Store) -> Result<(), StoreError> {
        let get = Cmd::new("GET").arg(keys::CODEX_INSTRUCTIONS);
        let reply = store.run(Batch::from(get)).await?.pop();
        let text = reply.map(compat::store::Reply::text).transpose()?.flatten();
        if let Some(text) = text.filter(|text| !text.is_empty())
            && !self.shared.has_learned(&text)
        {
            self.shared.learned.store(Some(Arc::new(Arc::from(text))));
        }
        Ok(())
    }
}

/// What is said once when there are none.
const MISSING: &str = "No Codex instructions are known, so requests of other clients go to ChatGPT accounts \
     with the clients' own; set CRS_CODEX_INSTRUCTIONS_FILE, run `crs import-legacy DIR`, or send one \
     request with the Codex CLI";

impl Shared {
    fn has_learned(&self, text: &str) -> bool {
        self.learned.load().as_deref().is_some_and(|known| &**known == text)
    }

    fn read_files(&self) {
        let told = self.file.as_deref().map(|file| (Source::File, file));
        let imported = Some((Source::Imported, self.imported.as_path()));
        let found = [told, imported].into_iter().flatten().find_map(|(source, file)| {
            match read(file) {
                Ok(text) => Some((source, text)),
                Err(error) if error.kind() == io::ErrorKind::NotFound && source != Source::File => {
                    None
                }
                Err(error) => {
                    tracing::warn!(%error, file = %file.display(), "Codex instructions cannot be read");
                    None
                }
            }
        });
        let known = self.fixed.load();
        let same = match (known.as_deref(), &found) {
            (Some((source, text)), Some((found, read))) => source == found && **text == **read,
            (None, None) => true,
            _ => false,
        };
        if !same {
            self.fixed.store(found.map(|(source, text)| Arc::new((source, Arc::from(text)))));
        }
    }
}

/// A file's text; one without any is an error.
fn read(file: &Path) -> io::Result<String> {
    let text = fs::read_to_string(file)?;
    if text.trim().is_empty() { Err(io::Error::other("the file is empty")) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use compat::{
        clock::Clock,
        memory::{EmptyBase, Memory},
    };

    use super::*;

    struct Learning {
        dir: PathBuf,
        store: Arc<dyn Store>,
        writes: WriteBehind,
    }

    impl Learning {
        fn begin() -> Self {
            let dir = std::env::temp_dir().join(format!("crs-codex-{}", uuid::Uuid::new_v4()));
            fs::create_dir_all(&dir).unwrap();
            let store: Arc<dyn Store> =
                Arc::new(Memory::new(Arc::new(EmptyBase), Clock::manual(0)));
            let (writes, writer) = WriteBehind::new(Arc::clone(&store));
            tokio::spawn(writer);
            Self { dir, store, writes }
        }

        fn open(&self, file: Option<&Path>) -> Instructions {
            Instructions::open(file, &self.dir, self.writes.clone())
        }

        async fn stored(&self) -> Option<String> {
            self.writes.flush().await;
            let get = Cmd::new("GET").arg(keys::CODEX_INSTRUCTIONS);
            self.store.run(Batch::from(get)).await.unwrap().pop().unwrap().text().unwrap()
        }
    }

    impl Drop for Learning {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }

    fn text(instructions: &Instructions) -> Option<String> {
        instructions.current().map(|text| text.to_string())
    }

    #[tokio::test]
    async fn the_operators_file_comes_first_then_the_legacy_installations() {
        let learning = Learning::begin();
        let imported = codex_instructions(&learning.dir);
        fs::create_dir_all(imported.parent().unwrap()).unwrap();
        fs::write(&imported, "imported\n").unwrap();
        let file = learning.dir.join("own.txt");
        fs::write(&file, "own\n").unwrap();
        let instructions = learning.open(Some(&file));
        instructions.learn("learned", 0).await;
        assert_eq!(text(&instructions).as_deref(), Some("own\n"));
        assert_eq!(instructions.source(), Some(Source::File));
        fs::write(&file, " ").unwrap();
        instructions.shared.read_files();
        assert_eq!(text(&instructions).as_deref(), Some("imported\n"));
        fs::remove_file(&imported).unwrap();
        instructions.shared.read_files();
        assert_eq!(text(&instructions).as_deref(), Some("learned"));
    }

    #[tokio::test]
    async fn what_is_learned_is_written_once_and_read_by_others() {
        let learning = Learning::begin();
        let (here, there) = (learning.open(None), learning.open(None));
        assert_eq!(text(&here), None);
        assert!(here.warning().is_some() && there.warning().is_none());
        here.learn("learned", 0).await;
        assert_eq!(learning.stored().await.as_deref(), Some("learned"));
        learning
            .store
            .run(Batch::from(Cmd::new("DEL").arg(keys::CODEX_INSTRUCTIONS)))
            .await
            .unwrap();
        here.learn("learned", RENEWED_MS - 1).await;
        assert_eq!(learning.stored().await, None);
        assert!(here.warning().is_none());
        here.learn("newer", RENEWED_MS - 1).await;
        assert_eq!(learning.stored().await.as_deref(), Some("newer"));
        there.read_learned(&*learning.store).await.unwrap();
        assert_eq!(text(&there).as_deref(), Some("newer"));
    }

    #[tokio::test]
    async fn second_runs_learn_nothing_and_know_what_is_known() {
        let learning = Learning::begin();
        let here = learning.open(None);
        let second = here.for_second_runs();
        second.learn("learned", 0).await;
        assert_eq!((text(&second), learning.stored().await), (None, None));
        assert!(here.warning().is_none());
        here.learn("learned", 0).await;
        assert_eq!(text(&second).as_deref(), Some("learned"));
    }
}
