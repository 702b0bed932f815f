mod bases;
mod changes;
mod differential;
mod foreign;
mod learning;
mod scripts;
mod speed;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::{Base, EmptyBase, Memory};
use crate::{
    clock::Clock,
    store::{Batch, Cmd, Reply, Store, StoreError},
};

/// Noon, 1 March 2026.
const NOW: i64 = 1_772_366_400_000;

fn empty() -> Memory {
    Memory::new(Arc::new(EmptyBase), Clock::manual(NOW))
}

fn over(base: impl Base + 'static) -> Memory {
    Memory::new(Arc::new(base), Clock::manual(NOW))
}

fn cmd<S: AsRef<[u8]>>(words: &[S]) -> Cmd {
    Cmd::Words(words.iter().map(|word| Bytes::copy_from_slice(word.as_ref())).collect())
}

/// One command given as a line.
fn line(text: &str) -> Cmd {
    cmd(&text.split(' ').collect::<Vec<_>>())
}

fn words(text: &str) -> Vec<Vec<u8>> {
    text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

async fn run(store: &dyn Store, lines: &[&str]) -> Vec<Reply> {
    store.run(lines.iter().map(|text| line(text)).collect()).await.unwrap()
}

fn data(text: &str) -> Reply {
    Reply::Data(Bytes::copy_from_slice(text.as_bytes()))
}

fn list(texts: &[&str]) -> Reply {
    Reply::Array(texts.iter().map(|text| data(text)).collect())
}

/// A store that notes every command on its way.
struct Watched<S> {
    inner: S,
    seen: Arc<Mutex<Vec<Cmd>>>,
}

impl<S: Store> Store for Watched<S> {
    fn run(&self, batch: Batch) -> BoxFuture<'_, Result<Vec<Reply>, StoreError>> {
        self.seen.lock().extend(batch.cmds.iter().cloned());
        self.inner.run(batch)
    }
}
