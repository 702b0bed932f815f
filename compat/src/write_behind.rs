//! Writes that nobody waits for: collected and sent in pipelines by one background loop.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::store::{Batch, Cmd, Store};

/// Commands in one pipeline at most.
const BATCH_MAX: usize = 512;

enum Item {
    Cmds(Vec<Cmd>),
    Flush(oneshot::Sender<()>),
}

/// Hands commands to the background loop. Cheap to clone. The loop ends when all clones are gone and
/// everything was sent.
#[derive(Clone)]
pub struct WriteBehind {
    queue: mpsc::Sender<Item>,
}

impl WriteBehind {
    /// The handle and the loop; the caller runs the loop under its supervision.
    /// The queue holds 4,096 entries; when it is full, [`WriteBehind::send`] waits.
    pub fn new(store: Arc<dyn Store>) -> (Self, BoxFuture<'static, ()>) {
        let (queue, items) = mpsc::channel(4096);
        (Self { queue }, Box::pin(run(store, items)))
    }

    /// Queues commands; they are sent in order, right away. A failure is logged and the commands are
    /// given up, as the legacy service does with its state writes.
    pub async fn send(&self, cmds: Vec<Cmd>) {
        if !cmds.is_empty() && self.queue.send(Item::Cmds(cmds)).await.is_err() {
            tracing::error!("state writes were dropped: the writer has stopped");
        }
    }

    /// Queues commands from where nothing can wait, such as a guard being dropped. `Err` gives them
    /// back when the queue is full or closed.
    ///
    /// # Errors
    /// The commands.
    pub fn post(&self, cmds: Vec<Cmd>) -> Result<(), Vec<Cmd>> {
        self.queue.try_send(Item::Cmds(cmds)).map_err(|refused| match refused.into_inner() {
            Item::Cmds(cmds) => cmds,
            Item::Flush(_) => Vec::new(),
        })
    }

    /// Waits until everything queued before was answered.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.queue.send(Item::Flush(done)).await.is_ok() {
            let _ = wait.await;
        }
    }
}

async fn run(store: Arc<dyn Store>, mut items: mpsc::Receiver<Item>) {
    while let Some(first) = items.recv().await {
        let mut batch = Batch::new();
        let mut waiting = Vec::new();
        let mut next = Some(first);
        while let Some(item) = next {
            match item {
                Item::Cmds(cmds) => batch.cmds.extend(cmds),
                Item::Flush(done) => waiting.push(done),
            }
            next = if batch.cmds.len() < BATCH_MAX { items.try_recv().ok() } else { None };
        }
        if !batch.is_empty() {
            let count = batch.cmds.len();
            match store.run(batch).await {
                Ok(replies) => {
                    for reply in replies {
                        if let crate::store::Reply::Error(error) = reply {
                            tracing::warn!(error, "redis refused a state write");
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, count, "state writes were lost"),
            }
        }
        for done in waiting {
            let _ = done.send(());
        }
    }
}
